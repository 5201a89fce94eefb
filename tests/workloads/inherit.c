/* SPDX-License-Identifier: MIT */
/*
 * Forks without exec that work on with their parent's blocks. Known amounts:
 *
 *   parent      10 blocks of 1,000 bytes, all freed behind the fork while the child goes on
 *   child       has 10 blocks, 10,000 bytes; frees 3, resizes 2 to 5,000 bytes each, and 4 blocks
 *               of 100 bytes of its own, 1 of them freed: 5 of 10 inherited are gone (5,000 bytes);
 *               its own: 6 allocations, 2 of them resizes, 10,300 bytes not freed, peak 10,400
 *   grandchild  has 10 blocks, 15,300 bytes (5 of 1,000, 2 of 5,000, 3 of 100); frees one of each
 *               size, and fails to resize another; it allocates nothing
 *
 * Nothing else allocates. With an argument the grandchild waits on its standard input at the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *block[10], *own[4];

static void grandchild(int waits) {
    char c;
    free(block[5]);
    free(block[3]);
    free(own[1]);
    if (realloc(block[6], SIZE_MAX / 4) != NULL)
        _exit(1);
    if (waits && read(0, &c, 1) < 0)
        _exit(1);
    _exit(0);
}

static int wait_for(pid_t pid) {
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : 1;
}

static int child(int waits) {
    for (int i = 0; i < 3; i++)
        free(block[i]);
    for (int i = 3; i < 5; i++)
        block[i] = realloc(block[i], 5000);
    for (int i = 0; i < 4; i++)
        own[i] = malloc(100);
    free(own[0]);
    pid_t pid = fork();
    if (pid == 0)
        grandchild(waits);
    return wait_for(pid);
}

int main(int argc, char **argv) {
    (void)argv;
    for (int i = 0; i < 10; i++)
        block[i] = malloc(1000);
    pid_t pid = fork();
    if (pid == 0)
        return child(argc > 1);
    for (int i = 0; i < 10; i++)
        free(block[i]);
    return wait_for(pid);
}
