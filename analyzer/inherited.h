/* SPDX-License-Identifier: MIT */
/*
 * What a forked child has when it begins: the blocks and the mappings of its parent at the fork.
 *
 * A copy that refers to nothing of the parent's recording: its stacks are addresses, with the
 * modules that hold them. Not thread-safe.
 */
#ifndef INHERITED_H
#define INHERITED_H

#include "mappings.h"
#include "stacks.h"

struct inherited_block {
    uint64_t address, size;
    bool pool;    /* of a pool, not of the heap */
    bool ignored; /* heaptape_ignore() */
    bool filled;  /* pool blocks live in it */
};

struct inherited_mappings;

struct inherited {
    struct inherited_mappings *mappings; /* NULL: none */
    size_t count;
    struct inherited_block block[];
};

void inherited_free(struct inherited *);

/* Copies the mappings that are there now, with their stacks, which are in `stacks`. Frames of
 * Python functions are left out. NULL when there are none. */
struct inherited_mappings *inherited_mappings_of(struct mappings *, const struct stacks *stacks);
void inherited_mappings_free(struct inherited_mappings *);

/* Puts them into the child's, and their stacks and modules into its stacks. NULL does nothing. */
void inherited_mappings_give(const struct inherited_mappings *, struct mappings *,
                             struct stacks *stacks);

#endif
