/* SPDX-License-Identifier: MIT */
/*
 * Two threads on one heap, whose blocks wander between them: pairs WANTED BYTES. Every block
 * bears the number of the thread that freed it last, in a word that glibc leaves alone, so that
 * each knows when it was handed an address that the other has just freed. Runs until that has
 * happened WANTED times and prints how often it did.
 *
 * Wants GLIBC_TUNABLES=glibc.malloc.tcache_count=0 and MALLOC_ARENA_MAX=1.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HELD  4 /* blocks that a thread has at a time */
#define BATCH 4096

struct block {
    void *list[2]; /* the allocator's, while the block is free */
    long freed_by;
};

static long wanted;
static size_t bytes;
static _Atomic long wandered;

static void *work(void *argument) {
    const long self = (long)argument;
    struct block *held[HELD] = {NULL};
    while (atomic_load(&wandered) < wanted) {
        long others = 0;
        for (unsigned i = 0; i < BATCH; i++) {
            struct block **slot = &held[i % HELD];
            if (*slot != NULL) {
                (*slot)->freed_by = self;
                free(*slot);
            }
            *slot = malloc(bytes);
            others += (*slot)->freed_by == 3 - self;
            (*slot)->freed_by = 0; /* counted: a stranger's use of it shall not count again */
        }
        atomic_fetch_add(&wandered, others);
    }
    for (unsigned i = 0; i < HELD; i++)
        free(held[i]);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t thread;
    wanted = argc == 3 ? atol(argv[1]) : 0;
    bytes = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (bytes < sizeof(struct block))
        return 2;
    if (pthread_create(&thread, NULL, work, (void *)2) != 0)
        return 2;
    work((void *)1);
    pthread_join(thread, NULL);
    printf("%ld\n", (long)wandered);
    return 0;
}
