/* SPDX-License-Identifier: MIT */
/*
 * Events about one address that two threads stamped in the wrong order: what replay must remember
 * to put them right. Bounded; what falls out of memory counts as what it looked like.
 *
 * The recorder's stamps wait for the instructions in front of them, so this takes counters that
 * differ from core to core. A free ahead of the allocation whose block another thread handed over
 * is "early"; one behind the allocation that it made room for is "owed". How far apart: with stamps
 * that did not wait, four threads that passed blocks on had up to one early pair in 10^3, nearly
 * all within 700 ticks, a few up to 33,000.
 *
 * Streams and threads are indices, keys are stamps in the grain of the order (merge_key).
 */
#ifndef INVERSIONS_H
#define INVERSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INVERSIONS_KEPT 256 /* of each kind; a power of two */

/* A free that was applied before it was met: its address was allocated again first. */
struct owed {
    uint64_t address, key;
    uint32_t stream; /* of the new allocation: its own frees come behind it */
};

/* A free, or the announcement of a resize, without a block: the allocation may still follow. */
struct early {
    uint64_t address, key;
    uint32_t stream, thread;
    bool from;
    bool any; /* perhaps not this one was early, but that of another stream just before it */
};

/* A free that met a block. */
struct recent {
    uint64_t address, key;
    uint32_t stream;
};

struct inversions {
    uint64_t key; /* of the event at hand; never goes back */
    uint64_t owed_for, early_for;
    struct owed owed[INVERSIONS_KEPT]; /* by time */
    size_t owed_count;
    struct early early[INVERSIONS_KEPT]; /* by time */
    size_t early_count;
    struct recent recent[INVERSIONS_KEPT]; /* a ring */
    uint32_t recent_at;
};

/* grain: log2 of the ticks in a unit of the keys. */
void inversions_init(struct inversions *, unsigned grain);

/* The free of this address is still to come. Returns how many older ones are given up for it. */
unsigned inversions_owe(struct inversions *, uint64_t address, uint32_t stream);
/* How many frees are overdue: they were lost. With `all`, every free that has not come. */
unsigned inversions_overdue(struct inversions *, bool all);
/* Whether the free that is met here was owed. */
bool inversions_settle(struct inversions *, uint64_t address, uint32_t stream);

/* A free without a block. */
void inversions_note(struct inversions *, uint64_t address, uint32_t stream, uint32_t thread,
                     bool from);
/* Whether the free of a block that the stream makes now has been met: *found. */
bool inversions_take(struct inversions *, uint64_t address, uint32_t stream, struct early *found);

/* A free that met a block, of a tape with several streams. */
static inline void inversions_recent(struct inversions *v, uint64_t address, uint32_t stream) {
    v->recent[v->recent_at++ % INVERSIONS_KEPT] = (struct recent){address, v->key, stream};
}

#endif
