/* SPDX-License-Identifier: MIT */
/* Threads that allocate, and free each other's blocks, in an order of their own: each prints its
 * part behind a line "thread NAME". */
#include <pthread.h>
#include <string.h>

#include "expect.h"

#define THREADS 4
#define BLOCKS  300

struct worker {
    struct expect expected;
    char name[16];
    pthread_barrier_t *barrier;
    struct worker *neighbour;
    void *block[BLOCKS];
};

static struct worker worker[THREADS];

static void *work(void *argument) {
    struct worker *w = argument;
    pthread_setname_np(pthread_self(), w->name);
    pthread_barrier_wait(w->barrier);
    heaptape_mark("begin");
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = 16 + (size_t)(w->name[4] - '0') * 1000 + (size_t)i;
        w->block[i] = expect_block(&w->expected, "malloc", malloc(size), size);
        if (i % 3 == 2)
            expect_free(&w->expected, w->block[i]);
    }
    pthread_barrier_wait(w->barrier);
    for (int i = 0; i < BLOCKS; i++)
        if (i % 3 == 0)
            expect_free(&w->expected, w->neighbour->block[i]);
    heaptape_mark("end");
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        worker[i].barrier = &barrier;
        worker[i].neighbour = &worker[(i + 1) % THREADS];
        snprintf(worker[i].name, sizeof worker[i].name, "work%d", i);
        if (pthread_create(&thread[i], NULL, work, &worker[i]) != 0)
            return 2;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        char line[32];
        int n = snprintf(line, sizeof line, "thread %s\n", worker[i].name);
        if (write(STDOUT_FILENO, line, (size_t)n) != n)
            return 3;
        expect_print(&worker[i].expected);
    }
    return 0;
}
