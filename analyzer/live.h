/* SPDX-License-Identifier: MIT */
/*
 * The live blocks by address: grows with the blocks alive, never with the number of events.
 *
 * Blocks lie in a pool whose places are used again, newest first, so that short-lived ones stay in
 * the cache. A table of 8 bytes a slot, open addressing without tombstones, leads to them: the high
 * half of a slot is that of the address's hash, so that a look at a block is needed only when it is
 * the one, and a slot's home is known without it. Address 0 is no block. Not thread-safe.
 */
#ifndef LIVE_H
#define LIVE_H

#include <stddef.h>

#include "replay.h"

struct live {
    uint64_t *slot; /* hash in the upper 32 bits, number of the block in the pool + 1; 0: empty */
    struct block *pool;
    size_t mask, count;  /* of the slots; blocks */
    uint32_t room, used; /* of the pool */
    uint32_t spare;      /* a place to be used again, number + 1; its `chain` leads to the next */
    unsigned shift;      /* from the hash to its home */
};

/* Zeroed memory is an empty map that has no memory and takes no blocks. */
void live_init(struct live *);
void live_free(struct live *);

/* The block at the address; valid until blocks are added or removed. NULL: there is none. */
struct block *live_find(const struct live *, uint64_t address);

/* Takes the block away. Its content is valid until the next live_add. NULL: there is none. */
const struct block *live_take(struct live *, uint64_t address);

/* The block at the address, made when there is none: then *is_new, and the caller fills it. */
struct block *live_add(struct live *, uint64_t address, bool *is_new);

/* The block of slot i, for walking through all of 0 … mask; NULL: the slot is empty. */
static inline const struct block *live_at(const struct live *l, size_t i) {
    return l->slot[i] != 0 ? &l->pool[(uint32_t)l->slot[i] - 1] : NULL;
}

/* In `chain` of places that are not in use; those in use have 0 there. */
#define LIVE_SPARE (UINT32_C(1) << 31)

/* The block at place i of the pool, for a quick walk through all of 0 … used - 1, in no order;
 * NULL: the place is not in use. */
static inline const struct block *live_pool_at(const struct live *l, size_t i) {
    return l->pool[i].chain == 0 ? &l->pool[i] : NULL;
}

static inline uint32_t live_hash(uint64_t address) {
    return (uint32_t)((address >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* Both hide the latency of what comes: of the slot, then of the block that it leads to. */
static inline void live_prefetch(const struct live *l, uint64_t address) {
    __builtin_prefetch(&l->slot[live_hash(address) >> l->shift], 1);
}

static inline void live_prefetch_block(const struct live *l, uint64_t address) {
    uint32_t hash = live_hash(address);
    uint64_t slot = l->slot[hash >> l->shift];
    if (slot >> 32 == hash && slot != 0)
        __builtin_prefetch(&l->pool[(uint32_t)slot - 1], 1);
}

#endif
