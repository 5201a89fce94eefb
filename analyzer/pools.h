/* SPDX-License-Identifier: MIT */
/*
 * Blocks of allocators of the program's own, by address and by where they lie.
 *
 * They lie inside blocks of malloc's, or in mappings, at any address, the first one mostly at the
 * very address of the block around it: so they are apart from the heap's (live.h). Memory that
 * changes hands takes the pool blocks that begin in it along. Without pool blocks there is no
 * memory. Not thread-safe.
 */
#ifndef POOLS_H
#define POOLS_H

#include "live.h"

struct pool_link; /* neighbours of a block among those that begin in its page */

struct pools {
    struct live live;
    struct live page; /* by page: `stack` is the place of its first block, + 1 */
    struct pool_link *link;
    uint32_t link_room;
};

/* Zeroed memory is empty. */
void pools_free(struct pools *);

/* As live_add, live_find and live_take. */
struct block *pools_add(struct pools *, uint64_t address, bool *is_new);
struct block *pools_find(const struct pools *, uint64_t address);
const struct block *pools_take(struct pools *, uint64_t address);

/* Whether a block begins in [start, end); the addresses of all that do, in any order, into *address
 * (the caller frees), and how many. */
bool pools_any(const struct pools *, uint64_t start, uint64_t end);
size_t pools_within(const struct pools *, uint64_t start, uint64_t end, uint64_t **address);

/* Whether the block, of whichever kind, is only where pool blocks lie: it is none of its own. */
bool pools_fill(const struct pools *, const struct block *);

#endif
