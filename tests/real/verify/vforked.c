/* SPDX-License-Identifier: MIT */
/*
 * vfork children, which run on their parent's stack: each goes down through frames of its own,
 * allocates, tries to execute what is not there, and ends; the parent goes on where it was.
 *
 *   vforked CHILDREN
 */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) static void allocate(size_t size) {
    void *volatile p = malloc(size + 1);
    free(p);
}

__attribute__((noinline)) static long down(int depth, long x) {
    volatile char *room = alloca((size_t)(x * 7 & 127) + 8);
    room[0] = (char)x;
    allocate((size_t)(x & 127));
    if (depth > 0)
        x += down(depth - 1, x + 1);
    allocate((size_t)(x & 31));
    return x + room[0];
}

__attribute__((noinline)) static void spawn(int n) {
    volatile long x = n;
    pid_t child = vfork();
    if (child == 0) {
        x += down(n % 40, x);
        execl("./not-there", "not-there", (char *)NULL);
        _exit(0);
    }
    allocate(500);
    waitpid(child, NULL, 0);
}

__attribute__((noinline)) static void between(int depth, int n) {
    volatile char room[64];
    room[0] = (char)depth;
    if (depth > 0)
        between(depth - 1, n);
    else
        spawn(n);
    allocate(11);
    room[1] = room[0];
}

int main(int argc, char **argv) {
    int children = argc > 1 ? atoi(argv[1]) : 10;
    for (int i = 0; i < children; i++)
        between(i % 6, i);
    return 0;
}
