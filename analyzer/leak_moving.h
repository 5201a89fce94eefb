/* SPDX-License-Identifier: MIT */
/*
 * Blocks that another thread was resizing at the instant of a heap image. Its realloc() may have
 * moved the block already: then what the program knows as its address is free memory, and where it
 * is now stands in a register or on the stack of that thread alone. So such a block, and whatever
 * that thread points to in the heap that is no block, is held to be reachable. Not thread-safe.
 */
#ifndef LEAK_MOVING_H
#define LEAK_MOVING_H

#include "leak_graph.h"
#include "replay.h"

/*
 * Memory that may be the new place of a block being resized: of the words on the stacks and in the
 * registers of threads that were at it, those that point into heap memory but to no block of g.
 * As blocks with `tag` that are rooted, each as long as the longest block that its thread resizes.
 * The caller frees; NULL: none.
 */
struct leak_block *leak_moving(struct leak_graph *g, const struct replay *replay, uint32_t tag,
                               uint32_t *count);

#endif
