/* SPDX-License-Identifier: MIT */
/*
 * Many threads at once: crowd THREADS STACK_BYTES (0: the smallest that the system allows). All of
 * them are alive before the first goes on. Each makes 50 blocks of 100 + N % 100 bytes, resizes
 * them to 1000 and frees what its neighbour has made.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 50
#define MOST   1000

static pthread_barrier_t barrier;
static void *block[MOST][BLOCKS];
static long threads;

static void *work(void *argument) {
    long self = (long)argument;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < BLOCKS; i++)
        block[self][i] = realloc(malloc(100 + (size_t)self % 100), 1000);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < BLOCKS; i++)
        free(block[(self + 1) % threads][i]);
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(int argc, char **argv) {
    static pthread_t thread[MOST];
    pthread_attr_t attr;
    threads = argc == 3 ? atol(argv[1]) : 0;
    long stack = argc == 3 ? atol(argv[2]) : 0;
    if (threads < 1 || threads > MOST)
        return 2;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    pthread_attr_init(&attr);
    if (pthread_attr_setstacksize(&attr, stack != 0 ? (size_t)stack : (size_t)PTHREAD_STACK_MIN))
        return 3;
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], &attr, work, (void *)i) != 0)
            return 4;
    for (long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    puts("done");
    return 0;
}
