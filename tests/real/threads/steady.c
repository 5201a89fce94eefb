/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate and free from the same few hundred places over and over, and a small heap:
 * what the recorder needs must not depend on how long this goes on.
 *
 *   steady EVENTS THREADS     prints "RESIDENT_KIB MAPPINGS" of itself after a hundredth of the
 *                             events and at the end
 *   steady turns THREADS      the same once, with so many threads that wait, after each has made
 *                             40,000 events while the others did nothing
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

enum { HELD = 100 };

static long events, threads;
static pthread_barrier_t barrier;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void print_memory(void) {
    printf("%ld %ld\n", resident_kib(), lines_of("/proc/self/maps"));
}

/* One of 2^4 call chains, so that stacks change as in programs that do something. */
__attribute__((noinline)) static void *allocate(unsigned way, int depth, size_t size) {
    void *volatile p;
    if (depth == 0)
        p = malloc(size);
    else if (way & 1)
        p = allocate(way >> 1, depth - 1, size);
    else
        p = allocate(way >> 1, depth - 1, size + 1);
    return p;
}

static void run(long count, unsigned *seed) {
    void *held[HELD] = {0};
    for (long i = 0; i < count / 2; i++) {
        unsigned x = *seed = *seed * 1664525 + 1013904223, k = (x >> 8) % HELD;
        free(held[k]);
        held[k] = allocate(x >> 16, 4, 16 + (x >> 20) % 500);
    }
    for (int k = 0; k < HELD; k++)
        free(held[k]);
}

static void *work(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    if (events > 0) {
        run(events / 100 / threads, &seed);
    } else {
        pthread_mutex_lock(&turn);
        run(40000, &seed);
        pthread_mutex_unlock(&turn);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* main prints */
    run(events / 100 * 99 / threads, &seed);
    return NULL;
}

int main(int argc, char **argv) {
    static pthread_t thread[1000];
    if (argc < 3 || atol(argv[2]) > 1000)
        return 2;
    int turns = strcmp(argv[1], "turns") == 0;
    events = turns ? 0 : atol(argv[1]);
    threads = atol(argv[2]);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)) != 0)
            return 3;
    pthread_barrier_wait(&barrier);
    print_memory();
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    if (!turns)
        print_memory();
    return 0;
}
