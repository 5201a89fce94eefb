/* SPDX-License-Identifier: MIT */
/* What the parts of a replay share: replay.c, replay_pools.c, replay_inherited.c. */
#ifndef REPLAY_PARTS_H
#define REPLAY_PARTS_H

#include "inversions.h"
#include "live.h"
#include "pools.h"
#include "replay.h"

#define OBSERVERS_MAX 8

struct stream_state {
    uint32_t thread;
    bool in_flight, unmatched; /* a REALLOC_FROM without its result: with and without a block */
    bool inherited;            /* of an unmatched one: it resizes an inherited block */
    bool limit_known;
    uint64_t limit; /* ordinal from which on its events lie behind the cut */
    struct block block;
};

struct thread_state {
    struct replay_thread known;
    char *name;
    uint64_t newest; /* sequence of its newest allocation + 1 */
};

struct replay {
    struct tape_file *tape;
    struct stacks *stacks;
    const struct clock *clock;
    struct replay_counts counts;
    struct live live;
    struct live inherited; /* address and size of each; no memory unless there are any */
    struct mappings *mappings;
    struct pools pools; /* blocks of the program's own allocators, inherited ones too */
    uint64_t sequence;  /* of the next block */
    struct replay_stops stops;
    size_t stops_done;
    bool halted;
    uint64_t next_stop; /* ticks; UINT64_MAX: none */
    const struct replay_cut *cut;
    size_t cut_count;
    bool is_cut;
    struct stream_state *stream;
    uint32_t stream_count;
    struct thread_state *thread;
    uint32_t thread_count, thread_room;
    uint32_t *thread_table; /* open addressing by thread id: index + 1, 0 empty */
    uint32_t thread_mask;
    struct inversions inversions;
    struct observer observer[OBSERVERS_MAX];
    unsigned observer_count;
    const struct observer *allocs[OBSERVERS_MAX], *frees[OBSERVERS_MAX]; /* those that want these */
    unsigned alloc_count, free_count;
    bool watched;        /* somebody has on_event */
    uint64_t now, stamp; /* of the event at hand: ns, ticks */
};

/* Calls `member` of every observer that has it. */
#define TELL(r, member, ...)                                                                       \
    do {                                                                                           \
        for (unsigned i_ = 0; i_ < (r)->observer_count; i_++)                                      \
            if ((r)->observer[i_].member != NULL)                                                  \
                (r)->observer[i_].member((r)->observer[i_].context, __VA_ARGS__);                  \
    } while (0)

/* ---- replay_pools.c: blocks of the program's own allocators ---------------------------------- */

/* Whether memory that changes hands is to be looked at: cheap, and mostly false. */
static inline bool replay_has_pools(const struct replay *r) {
    return r->pools.live.count != 0;
}

/* Memory from `start` on changes hands: the pool blocks in it are no more. */
void replay_drop_pools(struct replay *, uint64_t start, uint64_t size);

/* The heap gives out memory, for a block that is resized (`old`) or a new one (NULL). */
void replay_give_out(struct replay *, const struct block *old, uint64_t address, uint64_t size);

void replay_pool_alloc(struct replay *, const struct tape_event *, uint32_t stack, uint32_t thread);
void replay_pool_free(struct replay *, uint64_t address);
void replay_ignore(struct replay *, uint64_t address);

/* ---- replay_inherited.c: what a forked child has from its parent ----------------------------- */

/* A release of an address that no block of the process's own has; false when none is inherited. */
bool replay_release_inherited(struct replay *, struct stream_state *, uint64_t address, bool from);

/* The resize of an inherited block is over: it ended, or is there as before. */
void replay_settle_inherited(struct replay *, struct stream_state *, bool ended);

/* An address that is given to a new block: its inherited owner is gone, though nobody said so. */
void replay_vacate_inherited(struct replay *, uint64_t address);

#endif
