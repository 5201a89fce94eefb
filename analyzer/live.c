/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <stdlib.h>

#include "diag.h"
#include "pages.h"

#define FIRST_BITS 12 /* of the hash: slots */
#define MOST_BITS  32

static size_t slots_bytes(const struct live *l) {
    return (l->mask + 1) * sizeof *l->slot;
}

static void make_slots(struct live *l, unsigned bits) {
    l->mask = ((size_t)1 << bits) - 1;
    l->shift = 32 - bits;
    l->slot = pages_new(slots_bytes(l));
}

void live_init(struct live *l) {
    *l = (struct live){.room = 1 << (FIRST_BITS - 1)};
    make_slots(l, FIRST_BITS);
    l->pool = pages_new(l->room * sizeof *l->pool);
}

void live_free(struct live *l) {
    if (l->slot != NULL)
        pages_free(l->slot, slots_bytes(l));
    pages_free(l->pool, l->room * sizeof *l->pool);
    *l = (struct live){0};
}

static size_t home(const struct live *l, uint64_t slot) {
    return (size_t)(slot >> 32) >> l->shift;
}

static void grow_slots(struct live *l) {
    struct live old = *l;
    if (l->shift == 32 - MOST_BITS) {
        diag("more than %zu blocks at once: this heaptape cannot hold them", l->count);
        exit(EXIT_FINDING);
    }
    make_slots(l, 32 - old.shift + 1);
    for (size_t i = 0; i <= old.mask; i++) {
        if (old.slot[i] == 0)
            continue;
        size_t to = home(l, old.slot[i]);
        while (l->slot[to] != 0)
            to = (to + 1) & l->mask;
        l->slot[to] = old.slot[i];
    }
    pages_free(old.slot, slots_bytes(&old));
}

/* The slot of the address, or the empty one where it belongs. */
static inline size_t find(const struct live *l, uint64_t address) {
    uint32_t hash = live_hash(address);
    size_t i = hash >> l->shift;
    while (l->slot[i] != 0 &&
           (l->slot[i] >> 32 != hash || l->pool[(uint32_t)l->slot[i] - 1].address != address))
        i = (i + 1) & l->mask;
    return i;
}

struct block *live_find(const struct live *l, uint64_t address) {
    uint64_t slot = l->slot[find(l, address)];
    return slot != 0 ? &l->pool[(uint32_t)slot - 1] : NULL;
}

static uint32_t new_place(struct live *l) {
    uint32_t place = l->spare;
    if (place != 0) {
        l->spare = l->pool[place - 1].chain & ~LIVE_SPARE;
        return place;
    }
    if (l->used == l->room) {
        size_t old = l->room * sizeof *l->pool;
        l->room *= 2;
        l->pool = pages_grow(l->pool, old, l->room * sizeof *l->pool);
    }
    return ++l->used;
}

struct block *live_add(struct live *l, uint64_t address, bool *is_new) {
    size_t i = find(l, address);
    *is_new = l->slot[i] == 0;
    if (*is_new) {
        if (l->count >= l->mask / 2) {
            grow_slots(l);
            i = find(l, address);
        }
        l->count++;
        l->slot[i] = (uint64_t)live_hash(address) << 32 | new_place(l);
    }
    return &l->pool[(uint32_t)l->slot[i] - 1];
}

/* Closes the gap: whatever follows without an empty slot in between and would no longer be found
 * from its home moves up. */
static inline void remove_slot(struct live *l, size_t gap) {
    for (size_t i = gap;;) {
        i = (i + 1) & l->mask;
        if (l->slot[i] == 0)
            break;
        if (((i - home(l, l->slot[i])) & l->mask) >= ((i - gap) & l->mask)) {
            l->slot[gap] = l->slot[i];
            gap = i;
        }
    }
    l->slot[gap] = 0;
}

const struct block *live_take(struct live *l, uint64_t address) {
    size_t i = find(l, address);
    if (l->slot[i] == 0)
        return NULL;
    uint32_t place = (uint32_t)l->slot[i];
    remove_slot(l, i);
    l->count--;
    l->pool[place - 1].chain = l->spare | LIVE_SPARE;
    l->spare = place;
    return &l->pool[place - 1];
}
