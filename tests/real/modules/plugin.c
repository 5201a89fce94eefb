/* SPDX-License-Identifier: MIT */
/* A plugin with one allocating function, whose name the build chooses. */
#include <stdlib.h>

void run(int n);
void NAME(int n);

void *volatile kept;

__attribute__((noinline)) void NAME(int n) {
    kept = malloc((size_t)n);
    __asm__ volatile("");
}

void run(int n) {
    NAME(n);
    __asm__ volatile("");
}
