/* SPDX-License-Identifier: MIT */
/*
 * The live blocks by address: open addressing, no tombstones, grows with the blocks alive.
 * Address 0 is no block. Pointers into the map are valid until the next insertion or removal.
 */
#ifndef LIVE_H
#define LIVE_H

#include <stddef.h>

#include "replay.h"

struct live {
    struct block *slot; /* address 0: empty */
    size_t mask, count;
    unsigned shift; /* of the hash */
};

void live_init(struct live *);
void live_free(struct live *);
void live_grow(struct live *);
void live_remove(struct live *, struct block *);

static inline size_t live_home(const struct live *l, uint64_t address) {
    return (size_t)((address >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> l->shift);
}

/* Hides the latency of a live_find or live_add to come. */
static inline void live_prefetch(const struct live *l, uint64_t address) {
    const char *p = (const char *)&l->slot[live_home(l, address)];
    __builtin_prefetch(p, 1);
    __builtin_prefetch(p + sizeof *l->slot - 1, 1);
}

/* The block at the address, or NULL. */
static inline struct block *live_find(const struct live *l, uint64_t address) {
    size_t i = live_home(l, address);
    while (l->slot[i].address != address) {
        if (l->slot[i].address == 0)
            return NULL;
        i = (i + 1) & l->mask;
    }
    return &l->slot[i];
}

/* The place for a block whose address is not in the map; the caller stores it there at once. */
static inline struct block *live_add(struct live *l, uint64_t address) {
    if (l->count >= l->mask / 2)
        live_grow(l);
    size_t i = live_home(l, address);
    while (l->slot[i].address != 0)
        i = (i + 1) & l->mask;
    l->count++;
    return &l->slot[i];
}

#endif
