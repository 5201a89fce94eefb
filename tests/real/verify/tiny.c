/* SPDX-License-Identifier: MIT */
/*
 * Threads with the smallest stacks that the system allows, or of the size given, one after another
 * on the same memory and eight at a time. Each goes down some frames, allocating.
 *
 *   tiny THREADS [BYTES]
 */
#include <alloca.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH 5

__attribute__((noinline)) static void allocate(size_t size) {
    void *volatile p = malloc(size);
    free(p);
}

__attribute__((noinline)) static void down(int depth, unsigned x) {
    volatile char *room = alloca((x * 7 & 31) + 8);
    room[0] = (char)x;
    allocate(2000 + (size_t)depth);
    if (depth < DEPTH)
        down(depth + 1, x + 1);
    allocate(3000 + (size_t)depth);
    room[1] = room[0];
}

static void *work(void *argument) {
    for (int i = 0; i < 6; i++)
        down(1, (unsigned)(size_t)argument + (unsigned)i);
    return NULL;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 8;
    size_t size = argc > 2 ? (size_t)atol(argv[2]) : (size_t)sysconf(_SC_THREAD_STACK_MIN);
    pthread_attr_t small;
    pthread_attr_init(&small);
    if (pthread_attr_setstacksize(&small, size) != 0)
        return 2;
    for (int i = 0; i < threads; i += 8) {
        pthread_t thread[8];
        for (int k = 0; k < 8; k++)
            if (pthread_create(&thread[k], &small, work, (void *)(size_t)(i + k)) != 0)
                return 3;
        for (int k = 0; k < 8; k++)
            pthread_join(thread[k], NULL);
    }
    return 0;
}
