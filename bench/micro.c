/* SPDX-License-Identifier: MIT */
/*
 * Allocation patterns with a known call depth:
 *
 *   micro PATTERN DEPTH COUNT
 *
 * A pattern is one function below, listed in `patterns`; DEPTH counts the frames from main to the
 * function that calls the allocator, both included; COUNT is how often it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *volatile keep;

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
__attribute__((noinline)) static void pairs(long count) {
    for (long i = 0; i < count; i++)
        free(sites[i & 7]((size_t)(16 + (i & 15) * 16)));
    keep = NULL;
}

static const struct pattern {
    const char *name;
    void (*run)(long count);
    int frames; /* from the pattern to the allocating function, both included */
} patterns[] = {
    {"pairs", pairs, 2},
};

__attribute__((noinline)) static void descend(int frames, const struct pattern *p, long count) {
    if (frames > 0)
        descend(frames - 1, p, count);
    else
        p->run(count);
    keep = NULL; /* no tail call */
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 4 && i < sizeof patterns / sizeof patterns[0]; i++) {
        const struct pattern *p = &patterns[i];
        int frames = atoi(argv[2]) - p->frames - 2; /* main and the innermost descend */
        if (strcmp(argv[1], p->name) == 0 && frames >= 0) {
            descend(frames, p, atol(argv[3]));
            return 0;
        }
    }
    fprintf(stderr, "usage: micro PATTERN DEPTH COUNT\n");
    return 2;
}
