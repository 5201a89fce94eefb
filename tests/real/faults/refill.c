/* SPDX-License-Identifier: MIT */
/* refill FILE: fills the disk with FILE, allocates, removes FILE, and allocates again, the last
 * 10,000 times blocks of 777 bytes. */
#include <string.h>

#include "own.h"

int main(int argc, char **argv) {
    static char block[4096];
    if (argc < 2)
        return 2;
    own_pairs(1000);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (long n = 4096, left = 16 << 20; n > 0 && left > 0; left -= n)
        n = write(fd, block, sizeof block);
    close(fd);
    own_pairs(300000);
    unlink(argv[1]);
    own_pairs(300000);
    for (int i = 0; i < 10000; i++) {
        void *volatile p = malloc(777);
        free(p);
    }
    own_note(601000);
    puts("done");
    return 0;
}
