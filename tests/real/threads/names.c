/* SPDX-License-Identifier: MIT */
/* Threads that give themselves names, each with a number of blocks of its own. Prints
 * "TID NAME MALLOCS FREES" of each. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 5

static struct thread {
    pthread_t id;
    int number, tid, mallocs, frees;
    char name[16];
} thread[THREADS];

static void *work(void *argument) {
    struct thread *t = argument;
    t->tid = gettid();
    snprintf(t->name, sizeof t->name, "pool worker/%d", t->number);
    pthread_setname_np(pthread_self(), t->name);
    for (; t->mallocs < 100 * (t->number + 1); t->mallocs++) {
        void *volatile p = malloc(77);
        if (t->mallocs % 10 != 0)
            continue;
        free(p);
        t->frees++;
    }
    return NULL;
}

int main(void) {
    for (int i = 0; i < THREADS; i++) {
        thread[i].number = i;
        if (pthread_create(&thread[i].id, NULL, work, &thread[i]) != 0)
            return 2;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i].id, NULL);
    for (int i = 0; i < THREADS; i++)
        printf("%d %s %d %d\n", thread[i].tid, thread[i].name, thread[i].mallocs, thread[i].frees);
    return 0;
}
