/* SPDX-License-Identifier: MIT */
/*
 * Threads that are cancelled while they allocate: cancel async|deferred THREADS. Async: at any
 * instruction, in the hooks and in the allocator, which must stand that (slots.c). Deferred: at
 * the thread's own cancellation point, with a handler that frees. Blocks are of 41 bytes. Prints
 * "COMPLETED_MALLOCS COMPLETED_FREES".
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile unsigned long mallocs, frees; /* one thread at a time counts */
static int async;

static void give_back(void *p) {
    free(p);
    frees++;
}

static void *work(void *unused) {
    if (async)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        void *volatile p = malloc(41);
        mallocs++;
        if (!async) {
            pthread_cleanup_push(give_back, p);
            pthread_testcancel();
            pthread_cleanup_pop(0);
        }
        give_back(p);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    async = strcmp(argv[1], "async") == 0;
    for (int i = 0, n = atoi(argv[2]); i < n; i++) {
        pthread_t thread;
        void *result;
        struct timespec moment = {0, rand() % 150000};
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 3;
        nanosleep(&moment, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        if (result != PTHREAD_CANCELED)
            return 4;
    }
    printf("%lu %lu\n", mallocs, frees);
    return 0;
}
