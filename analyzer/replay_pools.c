/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "replay_parts.h"

/* A pool block has been taken out of the map. */
static void end_pool_block(struct replay *r, const struct block *b) {
    if (b->inherited)
        return;
    r->counts.pools.live_bytes -= b->size;
    r->counts.pools.live_blocks--;
    TELL(r, on_pool_free, b, r->now);
}

void replay_drop_pools(struct replay *r, uint64_t start, uint64_t size) {
    uint64_t end = size <= UINT64_MAX - start ? start + size : UINT64_MAX, *address;
    size_t count = pools_within(&r->pools, start, end, &address);
    for (size_t i = 0; i < count; i++) {
        const struct block *b = pools_take(&r->pools, address[i]);
        r->counts.pools.dropped += !b->inherited;
        end_pool_block(r, b);
    }
    free(address);
}

void replay_give_out(struct replay *r, const struct block *old, uint64_t address, uint64_t size) {
    if (old == NULL || old->address != address) {
        if (old != NULL)
            replay_drop_pools(r, old->address, old->size);
        replay_drop_pools(r, address, size);
        return;
    }
    uint64_t kept = old->size < size ? old->size : size;
    replay_drop_pools(r, address + kept, (old->size < size ? size : old->size) - kept);
}

void replay_pool_alloc(struct replay *r, const struct tape_event *e, uint32_t stack,
                       uint32_t thread) {
    struct pool_counts *c = &r->counts.pools;
    bool is_new;
    if (e->address == 0)
        return;
    struct block *b = pools_add(&r->pools, e->address, &is_new);
    if (!is_new) { /* its free was never said, as when a pool is emptied at once */
        struct block ended = *b;
        c->dropped += !ended.inherited;
        end_pool_block(r, &ended);
    }
    *b = (struct block){.address = e->address,
                        .size = e->size,
                        .born = r->now,
                        .sequence = r->sequence++,
                        .stack = stack,
                        .thread = thread,
                        .op = e->op};
    c->allocations++;
    c->allocated_bytes += e->size;
    c->live_bytes += e->size;
    c->live_blocks++;
    if (c->live_bytes > c->peak_bytes) {
        c->peak_bytes = c->live_bytes;
        c->peak_blocks = c->live_blocks;
    }
    TELL(r, on_pool_alloc, b);
}

void replay_pool_free(struct replay *r, uint64_t address) {
    const struct block *b = pools_take(&r->pools, address);
    if (b == NULL) {
        r->counts.pools.unmatched++;
        return;
    }
    r->counts.pools.frees += !b->inherited;
    end_pool_block(r, b);
}

void replay_ignore(struct replay *r, uint64_t address) {
    struct block *b = pools_find(&r->pools, address);
    bool own = b == NULL || !b->inherited;
    if (b == NULL)
        b = live_find(&r->live, address);
    if (b == NULL && r->inherited.count != 0) {
        b = live_find(&r->inherited, address);
        own = false;
    }
    if (b == NULL || b->ignored)
        return;
    b->ignored = true;
    if (own)
        TELL(r, on_ignore, b);
}
