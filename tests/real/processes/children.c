/* SPDX-License-Identifier: MIT */
/* 1,000 short children, eight at a time. */
#include <sys/wait.h>

#include "own.h"

int main(void) {
    unsigned sum = 0, running = 0;
    int status;
    for (int i = 0; i < 1000; i++) {
        if (running == 8) {
            wait(&status);
            sum += (unsigned)WEXITSTATUS(status);
            running--;
        }
        if (fork() == 0) {
            own_pairs((unsigned long)i % 50 + 1);
            own_note((unsigned long)i % 50 + 1);
            _exit(i % 128);
        }
        running++;
        own_pairs(3);
    }
    while (wait(&status) > 0)
        sum += (unsigned)WEXITSTATUS(status);
    own_note(3000);
    printf("%u\n", sum);
    return 0;
}
