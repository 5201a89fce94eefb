/* SPDX-License-Identifier: MIT */
/*
 * The scan of a heap image: every word of the regions that points into a region of kind OTHER or
 * ALLOCATOR, and what memcheck's heuristics need besides (tables.h, clues.h). Pages that were never
 * touched are not looked at. Target: 1 GB/s.
 */
#ifndef SCAN_H
#define SCAN_H

#include "clues.h"
#include "regions.h"
#include "tables.h"

/* Words on their way to the tape. */
#define SCAN_WORDS 16384
#define SCAN_RUNS  256
struct scan_words {
    uint32_t runs, words;
    struct tape_word_run run[SCAN_RUNS];
    struct tape_word word[SCAN_WORDS];
};

struct target {
    uint64_t start, end;
};

#define SCAN_BUFFER (256 * 1024)
#define SCAN_ASIDE  (2 * SCAN_BUFFER / 8) /* things */

/* All memory is the caller's. */
struct scan {
    const struct memory *memory;
    long pagemap, pagemap_of_shared; /* for sys_pages */
    struct region *region;           /* flags are set in it: not all was looked at */
    size_t count;
    struct target *target; /* room for `count` */
    /* Instead of the heap, where pointers must point to: in order of the addresses; or NULL. */
    const struct target *only;
    size_t only_count;
    bool in_place;     /* pages of private mappings that are there stay: no need to copy them */
    uint64_t *buffer;  /* SCAN_BUFFER bytes */
    uint64_t deadline; /* CLOCK_MONOTONIC, ns */
    struct tables *tables;
    struct tape_word *aside; /* room for SCAN_ASIDE, as in clues */
    struct clues clues;
    bool headers; /* blocks are glibc's */
    /* Takes out->…, gives an empty one back; NULL: stop. */
    struct scan_words *(*full)(void *context, struct scan_words *out);
    void *context;
    struct scan_words *out;
    /* made */
    uint64_t scanned, words;
    bool late; /* the deadline has passed */
    /* within */
    const struct target *found; /* what is looked for */
    size_t targets, asides;
    uint64_t low, high;           /* of all targets */
    uint64_t file_low, file_high; /* and of files' mappings */
    struct target hit;            /* the target of the last word */
    uint64_t piece;               /* of a region, that clues were read from */
};

/* False when it was stopped by `full`. What is in s->out afterwards is still to be taken. */
bool scan_run(struct scan *s);

#endif
