/* SPDX-License-Identifier: MIT */
/*
 * Blocks that were given back by another kind of function than they came from: new[] by delete,
 * new by free, malloc by delete. Known where operators of C++ are recorded as such (record
 * --mismatches, or an allocator that has its own); elsewhere there are none.
 *
 * Memory grows with the places that make such blocks.
 */
#ifndef MISMATCHES_H
#define MISMATCHES_H

#include <stddef.h>

#include "replay.h"

struct mismatch {
    uint32_t stack;     /* of the allocation */
    uint8_t made, gone; /* enum tape_op: what made the blocks, what gave them back */
    uint64_t blocks, bytes;
    uint64_t first; /* ns, when the first one was given back */
};

struct mismatches {
    struct mismatch *list; /* in no order */
    size_t count, room;
};

struct mismatches *mismatches_new(void);
/* Takes them from a replay that has not run yet. */
struct observer mismatches_observer(struct mismatches *);
void mismatches_free(struct mismatches *);

#endif
