/* SPDX-License-Identifier: MIT */
/*
 * Allocation patterns with a known call depth:
 *
 *   micro PATTERN DEPTH COUNT [THREADS]
 *
 * A pattern is one function below, listed in `patterns`; DEPTH counts the frames from main, or a
 * thread's function, to the function that calls the allocator, both included; COUNT is how often
 * the allocator is called, by all THREADS together (default 1: main itself).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local void *volatile keep;

/* Eight allocation sites, so that the innermost frame changes as it does in real programs. */
#define SITE(n)                                                                                    \
    __attribute__((noinline)) static void *site##n(size_t size) {                                  \
        keep = malloc(size);                                                                       \
        return keep;                                                                               \
    }
SITE(0);
SITE(1);
SITE(2);
SITE(3);
SITE(4);
SITE(5);
SITE(6);
SITE(7);

static void *(*const sites[])(size_t) = {site0, site1, site2, site3, site4, site5, site6, site7};

/* malloc and free in pairs: the pattern's own frame is one above the site. */
__attribute__((noinline)) static void pairs(long count, int thread) {
    (void)thread;
    for (long i = 0; i < count; i++)
        free(sites[i & 7]((size_t)(16 + (i & 15) * 16)));
    keep = NULL;
}

/* Blocks that grow by half their size until they are of 64 KiB, and begin anew. */
__attribute__((noinline)) static void resize(long count, int thread) {
    (void)thread;
    void *p = NULL;
    size_t size = 16;
    for (long i = 0; i < count; i++) {
        p = realloc(p, size);
        size = size < 65536 ? size + size / 2 : 16;
    }
    free(p);
    keep = NULL;
}

/* Threads 2k allocate, threads 2k+1 free what they are given through a ring. */
enum { RINGS = 8, RING = 1024 };
static struct ring {
    _Alignas(64) atomic_ulong put;
    _Alignas(64) atomic_ulong taken;
    void *block[RING];
} rings[RINGS];

__attribute__((noinline)) static void cross(long count, int thread) {
    struct ring *r = &rings[thread / 2 % RINGS];
    for (unsigned long i = 0; i < 2 * (unsigned long)count; i++) {
        if (thread % 2 == 0) {
            while (i - atomic_load_explicit(&r->taken, memory_order_acquire) == RING)
                sched_yield();
            r->block[i % RING] = sites[i & 7](16 + (i & 15) * 16);
            atomic_store_explicit(&r->put, i + 1, memory_order_release);
        } else {
            while (atomic_load_explicit(&r->put, memory_order_acquire) == i)
                sched_yield();
            free(r->block[i % RING]);
            atomic_store_explicit(&r->taken, i + 1, memory_order_release);
        }
    }
    keep = NULL;
}

static const struct pattern {
    const char *name;
    void (*run)(long count, int thread);
    int frames; /* from the pattern to the allocating function, both included */
} patterns[] = {
    {"pairs", pairs, 2},
    {"realloc", resize, 1},
    {"cross", cross, 2},
};

struct job {
    const struct pattern *pattern;
    int frames, thread;
    long count;
};

__attribute__((noinline)) static void descend(int frames, const struct job *job) {
    if (frames > 0)
        descend(frames - 1, job);
    else
        job->pattern->run(job->count, job->thread);
    keep = NULL; /* no tail call */
}

static void *run_thread(void *argument) {
    const struct job *job = argument;
    descend(job->frames, job);
    return NULL;
}

static int usage(void) {
    fprintf(stderr, "usage: micro PATTERN DEPTH COUNT [THREADS]\n");
    return 2;
}

int main(int argc, char **argv) {
    enum { MOST = 2 * RINGS };
    struct job job[MOST];
    pthread_t thread[MOST];
    int threads = argc == 5 ? atoi(argv[4]) : 1;
    const struct pattern *p = patterns, *end = patterns + sizeof patterns / sizeof *patterns;
    if (argc < 4 || argc > 5 || threads < 1 || threads > MOST)
        return usage();
    while (p < end && strcmp(argv[1], p->name) != 0)
        p++;
    if (p == end || (p->run == cross && threads % 2 != 0))
        return usage();
    /* main, or the thread's function, and the innermost descend are frames too */
    int frames = atoi(argv[2]) - p->frames - 2;
    if (frames < 0)
        return usage();
    for (int i = 0; i < threads; i++)
        job[i] = (struct job){p, frames, i, atol(argv[3]) / threads};
    if (threads == 1) {
        descend(frames, &job[0]);
        return 0;
    }
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run_thread, &job[i]) != 0)
            return 1;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
