/* SPDX-License-Identifier: MIT */
/*
 * The scan of a heap image: every word of the regions that points into a region of kind OTHER or
 * ALLOCATOR. Pages that were never touched are not looked at. Target: 1 GB/s.
 */
#ifndef SCAN_H
#define SCAN_H

#include "regions.h"

/* Words on their way to the tape. */
#define SCAN_WORDS 16384
#define SCAN_RUNS  256
struct scan_words {
    uint32_t runs, words;
    struct tape_word_run run[SCAN_RUNS];
    struct tape_word word[SCAN_WORDS];
};

/* How memory is read that might not be there: a fault must not be one of the program's. */
struct memory {
    uint32_t pid;
    bool direct; /* process_vm_readv does not work, and nobody else can take pages away */
    bool none;   /* it does not work, and somebody could */
};

/* How many of the bytes were read. */
size_t memory_read(const struct memory *m, uint64_t from, void *to, size_t bytes);
/* The same for all or nothing; context: struct memory. */
bool memory_peek(void *context, uint64_t from, void *to, size_t bytes);

struct target {
    uint64_t start, end;
};

#define SCAN_BUFFER (256 * 1024)

/* All memory is the caller's. */
struct scan {
    const struct memory *memory;
    long pagemap, pagemap_of_shared; /* for sys_pages */
    const struct region *region;
    size_t count;
    struct target *target; /* room for `count` */
    /* Instead of the heap, where pointers must point to: in order of the addresses; or NULL. */
    const struct target *only;
    size_t only_count;
    bool in_place;     /* pages of private mappings that are there stay: no need to copy them */
    uint64_t *buffer;  /* SCAN_BUFFER bytes */
    uint64_t deadline; /* CLOCK_MONOTONIC, ns */
    /* Takes out->…, gives an empty one back; NULL: stop. */
    struct scan_words *(*full)(void *context, struct scan_words *out);
    void *context;
    struct scan_words *out;
    /* made */
    uint64_t scanned, words;
    bool late; /* the deadline has passed */
    /* within */
    const struct target *found; /* what is looked for */
    size_t targets;
    uint64_t low, high;
    struct target hit; /* the target of the last word */
};

/* False when it was stopped by `full`. What is in s->out afterwards is still to be taken. */
bool scan_run(struct scan *s);

#endif
