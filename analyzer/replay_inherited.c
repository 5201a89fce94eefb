/* SPDX-License-Identifier: MIT */
#include "diag.h"
#include "replay_parts.h"

static void add_inherited(struct replay *r, const struct inherited_block *given) {
    bool is_new;
    *live_add(&r->inherited, given->address, &is_new) =
        (struct block){.address = given->address, .size = given->size, .ignored = given->ignored};
}

static void add_inherited_pool(struct replay *r, const struct inherited_block *given) {
    bool is_new;
    *pools_add(&r->pools, given->address, &is_new) = (struct block){.address = given->address,
                                                                    .size = given->size,
                                                                    .thread = UINT32_MAX,
                                                                    .op = TAPE_OP_POOL_ALLOC,
                                                                    .ignored = given->ignored,
                                                                    .inherited = true};
}

void replay_inherit(struct replay *r, const struct inherited *given) {
    inherited_mappings_give(given->mappings, r->mappings, r->stacks);
    live_free(&r->inherited);
    live_init(&r->inherited);
    r->counts.inherited_known = true;
    for (size_t i = 0; i < given->count; i++) {
        const struct inherited_block *b = &given->block[i];
        if (b->address != 0 && b->pool)
            add_inherited_pool(r, b);
        if (b->address == 0 || b->pool || live_find(&r->inherited, b->address) != NULL)
            continue;
        add_inherited(r, b);
        r->counts.inherited_bytes += b->size;
        r->counts.inherited_blocks++;
    }
}

static struct inherited_block snapshot_of(const struct replay *r, const struct block *b) {
    return (struct inherited_block){.address = b->address,
                                    .size = b->size,
                                    .pool = b->op == TAPE_OP_POOL_ALLOC,
                                    .ignored = b->ignored,
                                    .filled = pools_fill(&r->pools, b)};
}

struct inherited *replay_snapshot(const struct replay *r) {
    size_t room = r->live.count + r->inherited.count + r->pools.live.count + r->stream_count;
    struct inherited *s = xmalloc(sizeof *s + room * sizeof *s->block);
    s->count = 0;
    s->mappings = inherited_mappings_of(r->mappings, r->stacks);
    const struct live *all[] = {&r->live, &r->inherited, &r->pools.live};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t i = 0; all[k]->count != 0 && i <= all[k]->mask; i++) {
            const struct block *b = live_at(all[k], i);
            if (b != NULL)
                s->block[s->count++] = snapshot_of(r, b);
        }
    for (uint32_t i = 0; i < r->stream_count; i++)
        if (r->stream[i].in_flight || r->stream[i].inherited)
            s->block[s->count++] = snapshot_of(r, &r->stream[i].block);
    return s;
}

static void end_inherited(struct replay *r, uint64_t size) {
    r->counts.inherited_freed_bytes += size;
    r->counts.inherited_freed_blocks++;
}

bool replay_release_inherited(struct replay *r, struct stream_state *s, uint64_t address,
                              bool from) {
    const struct block *b = live_take(&r->inherited, address);
    if (b == NULL)
        return false;
    s->block = *b;
    if (from)
        s->unmatched = s->inherited = true;
    else
        end_inherited(r, s->block.size);
    if (!from && replay_has_pools(r))
        replay_drop_pools(r, s->block.address, s->block.size);
    return true;
}

void replay_settle_inherited(struct replay *r, struct stream_state *s, bool ended) {
    bool is_new;
    s->inherited = false;
    if (ended)
        end_inherited(r, s->block.size);
    else if (live_find(&r->inherited, s->block.address) == NULL)
        *live_add(&r->inherited, s->block.address, &is_new) = s->block;
}

void replay_vacate_inherited(struct replay *r, uint64_t address) {
    const struct block *b = live_take(&r->inherited, address);
    if (b != NULL)
        end_inherited(r, b->size);
}
