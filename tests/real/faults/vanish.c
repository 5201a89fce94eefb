/* SPDX-License-Identifier: MIT */
/* vanish PATH [DIRECTORY]: removes PATH and its tail while it is being recorded there, and the
 * directory if one is given, and goes on; so does a child. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "own.h"

int main(int argc, char **argv) {
    char tail[4096];
    int status = 0;
    if (argc < 2)
        return 2;
    own_pairs(50000);
    snprintf(tail, sizeof tail, "%s.tail", argv[1]);
    unlink(argv[1]);
    unlink(tail);
    if (argc > 2)
        rmdir(argv[2]);
    own_pairs(500000);
    pid_t pid = fork();
    if (pid == 0) {
        own_pairs(1000);
        own_note(1000);
        _exit(3);
    }
    waitpid(pid, &status, 0);
    printf("child: %d\n", status);
    return 4;
}
