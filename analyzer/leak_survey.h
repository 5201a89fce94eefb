/* SPDX-License-Identifier: MIT */
/*
 * What a recording has not freed, and why each block is still there: one replay up to the instant
 * of a heap image, and the classes of all blocks that live then.
 *
 * Without a heap image that can be used, the replay goes to the recording's end, every block is
 * LEAK_UNKNOWN, and `reason` says why. A block of the heap in which blocks of a pool live is none
 * of its own: they stand for it. Those of pools have op TAPE_OP_POOL_ALLOC. Memory: 90 bytes a live
 * block and what the image has (see heap_image.h). Not thread-safe.
 */
#ifndef LEAK_SURVEY_H
#define LEAK_SURVEY_H

#include "leak_graph.h"
#include "region_use.h"
#include "replay.h"

struct survey_block {
    struct block block;
    enum leak_kind kind;
    uint64_t indirect_bytes, indirect_blocks; /* LEAK_DEFINITE, as in struct leak_block */
};

/* Tags in the graph: indices into `block`, or for a block inherited from the parent, or for memory
 * that may be a block on its way (leak_moving.h), one of these. */
#define SURVEY_INHERITED UINT32_MAX
#define SURVEY_MOVING    (UINT32_MAX - 1)

static inline bool survey_has(uint32_t tag) {
    return tag < SURVEY_MOVING;
}

struct leak_survey {
    struct replay *replay; /* has run */
    struct survey_block *block;
    uint32_t count;
    uint32_t ignored_count; /* kept on purpose, behind the others in `block`; without classes only
                               those that heaptape_ignore() named */
    uint64_t ignored_bytes;
    char *reason;             /* why there are no classes, see heap_image_open; NULL: there are */
    struct heap_image *image; /* NULL without classes, as the rest */
    struct leak_graph graph;
    bool *root;
    struct address_range *module;
};

/* To be said where image->frozen is false. */
#define LEAK_IN_PLACE                                                                              \
    "no copy of the process could be made (limits, or a filter): its memory was read in place, "   \
    "while other threads could change it"

struct survey_plan {
    const struct image_choice *image;  /* NULL: no classes are wanted; then there is no reason */
    unsigned heuristics;               /* as in struct leak_graph */
    const struct inherited *inherited; /* of a forked child: what it began with; NULL: unknown */
    const struct replay_stops *stops;  /* for the replay; NULL: none */
    const struct observer *observer;   /* others for the replay */
    size_t observers;
};

/* The tape must stay open until leak_survey_free. A forked child whose inheritance is not known has
 * no classes: what its parent had may point to its blocks. */
struct leak_survey *leak_survey_new(struct tape_file *, const struct survey_plan *);
void leak_survey_free(struct leak_survey *);

#endif
