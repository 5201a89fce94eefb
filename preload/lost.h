/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of a test nothing points to: the table of blocks says which there are, a look at the
 * program's memory which words point into them. Not thread-safe; all memory is mapped.
 */
#ifndef LOST_H
#define LOST_H

#include "blocks.h"
#include "scan.h"

struct candidate {
    uint64_t start, stamp, size;
    bool pool, kept, gone; /* gone: it is not what it was any more */
};

/* A word of the heap that points into a candidate. */
struct pointer {
    uint64_t address;
    uint32_t to;     /* the candidate */
    uint32_t region; /* of the look */
    uint8_t lies;    /* enum lies */
};

/* What the memory outside of the blocks that are known to live may hold. */
enum lost_trust {
    LOST_EVERYTHING, /* blocks that were never told of */
    LOST_UNKNOWN,    /* those too, but not where a block has been freed */
    LOST_NOTHING     /* nothing: every block was told of */
};

struct lost {
    struct candidate *candidate; /* in order of the addresses, none within another */
    struct target *target;       /* where they lie */
    size_t count;
    struct pointer *pointer;
    size_t pointers, room, pointer_room;
    uint64_t collected; /* stamp: what was freed later may still hold what it held */
    bool failed;        /* there was no memory: nothing can be said */
};

/*
 * Collects the blocks that live and were allocated behind stamp `begun`. Blocks of a pool that lie
 * in memory which has since been given back end here; a block of the heap in which some live is
 * none of its own. False when there are none that could be lost, or no memory (l->failed).
 */
bool lost_collect(struct lost *l, struct blocks *t, uint64_t begun);

/* Words of the look's regions that point into l->target. False when there is no memory for them. */
bool lost_add_words(struct lost *l, const struct region *region, const struct scan_words *words);

/* With the table as it is behind the look, what the words in the heap lie in: those that keep what
 * they point to have done so. trusted_from: what was freed before that stamp may be in use again,
 * by blocks that were not told of. False when there is no memory. */
bool lost_place_words(struct lost *l, struct blocks *t, const struct region *region, size_t regions,
                      enum lost_trust trust, uint64_t trusted_from);

/* The bytes of all of them, for when the memory cannot be read. */
size_t lost_all(const struct lost *l);

/* Follows the words within candidates. The rest is lost: its bytes, as asked for. False when there
 * is no memory. */
bool lost_follow(struct lost *l, size_t *bytes);

void lost_free(struct lost *l);

#endif
