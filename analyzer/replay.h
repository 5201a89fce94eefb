/* SPDX-License-Identifier: MIT */
/*
 * Replay: all streams of a tape merged into one order, blocks followed from birth to death.
 *
 * Replay prints nothing and knows no report; it drives observers. Time is given in nanoseconds
 * since the recording began; ticks are converted with the clock samples of the tape.
 *
 * Order: by stamp; events of one stream keep their order. Stamps of two threads can be some ticks
 * off, so events about one address may come in the wrong order: a free, or the announcement of a
 * resize, ahead of the allocation by another thread, which then begins and ends there; or an
 * allocation at an address that is still live, which is taken to come after the free that is to
 * follow. Both are put right, and counted as inversions.
 *
 * realloc: at REALLOC_FROM the old block leaves the address map, because another thread may own
 * the address from then on, but it counts as live until the result is known. At the result:
 * success ends the old block and makes the new one at the same instant (on_free, then on_alloc,
 * no peak in between); failure puts the old block back; size 0 with a NULL result ends it.
 *
 * Blocks of the program's own allocators (POOL_ALLOC) are followed beside the heap's, with
 * callbacks and counts of their own. A block that is handed out where one lives takes its place.
 * They end with the memory that they lie in: when a block of the heap is freed, resized or begins,
 * the pool blocks that begin in what it had, or gets, are no more. A block that is resized where it
 * is keeps them.
 *
 * heaptape_ignore() is of the block that begins at the address, of a pool's before the heap's; a
 * resize begins a block that is not ignored.
 *
 * A forked child begins with its parent's heap. Given that (replay_inherit), a free or a resize of
 * an address that no block of its own has ends an inherited block; otherwise it is an unmatched
 * free. Inherited blocks are counted apart: no observer hears of them, and no other count, peak or
 * live figure holds them. A resize of one ends it and begins a block of the child's own.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "inherited.h"
#include "tape_file.h"

/* A block of memory, from allocation to free. */
struct block {
    uint64_t address, size;
    uint64_t born;     /* ns since the start */
    uint64_t sequence; /* number of the allocation among all successful ones, pools' too, from 0 */
    uint32_t stack;
    uint32_t thread; /* index into replay_thread */
    uint8_t op;      /* entry that made it: enum tape_op */
    uint8_t align_log2;
    bool ignored : 1;   /* heaptape_ignore() */
    bool filled : 1;    /* on_live, on_pool_live: pool blocks live in it; see pools_fill */
    bool inherited : 1; /* replay's own: a pool block of the parent's */
    bool resizing : 1;  /* on_live: a realloc() of it was not over, and may have moved it */
    uint32_t chain;     /* live.c's own */
};

/* An event as observers get it. */
struct tape_event {
    uint64_t stamp;   /* ticks */
    uint64_t address; /* by class: block, resident bytes, thread id, module start */
    uint64_t size;    /* by class: bytes asked for, CLOCK_MONOTONIC ns, length of the blob */
    uint8_t op, align_log2;
    const uint8_t *blob; /* valid during the call */
};

struct replay_mark {
    enum tape_mark kind; /* one of those that are known */
    const char *text;    /* valid during the call */
    uint64_t now;        /* ns */
    uint64_t sequence;   /* that the next block will have */
    uint32_t thread;
};

struct replay;

/* Any member may be NULL. `replay` gives access to stacks and threads while running. */
struct observer {
    void *context;
    void (*on_alloc)(void *context, const struct block *b);
    /* realloc: true when the end of this block is one half of a resize; on_alloc follows.
     * thread: UINT32_MAX when it is not known yet who frees (an inversion) or never will be. */
    void (*on_free)(void *context, const struct block *b, uint64_t now, uint32_t thread,
                    bool realloc);
    /* The block is about to end, or to be resized, by a function of another family than made it.
     * Not of blocks whose free comes before them in the tape (an inversion). */
    void (*on_mismatch)(void *context, const struct block *b, uint8_t op, uint64_t now,
                        uint32_t thread);
    void (*on_failed)(void *context, uint8_t op, uint64_t size, uint32_t stack, uint64_t now);
    /* An observer that is added meanwhile hears of it, too. */
    void (*on_mark)(void *context, const struct replay_mark *m);
    /* A live block, of the heap or of a pool, is to be ignored from now on. */
    void (*on_ignore)(void *context, const struct block *b);
    void (*on_sample)(void *context, uint64_t rss_bytes, uint64_t now);
    /* Every event in merged order, before it takes effect: for `dump`. thread: UINT32_MAX before
     * the stream's first THREAD event. */
    void (*on_event)(void *context, const struct tape_event *e, uint64_t now, uint32_t stream,
                     uint32_t thread, uint32_t stack);
    /* A part of a MEMORY sample: include/tape/memory.h. */
    void (*on_memory)(void *context, const struct tape_event *e, uint64_t now);
    /* Behind the last event: once for every block still live. */
    void (*on_live)(void *context, const struct block *b);
    /* The same of blocks of the program's own allocators; their ends, for whatever reason. */
    void (*on_pool_alloc)(void *context, const struct block *b);
    void (*on_pool_free)(void *context, const struct block *b, uint64_t now);
    void (*on_pool_live)(void *context, const struct block *b);
};

struct replay_thread {
    uint64_t tid;
    const char *name;
    uint64_t allocations, allocated_bytes, frees;
};

struct replay_counts {
    uint64_t events;          /* all kinds */
    uint64_t allocations;     /* successful, realloc results included */
    uint64_t allocated_bytes; /* asked for, by these */
    uint64_t frees;           /* blocks ended, realloc halves included */
    uint64_t reallocs;        /* resizes of an existing block */
    uint64_t failed;          /* allocation calls that returned NULL */
    uint64_t unmatched_frees; /* of addresses that no recorded allocation returned */
    uint64_t inversions;      /* see above */
    uint64_t overlaps;        /* allocations at a live address whose free never came */
    uint64_t temporary;       /* freed with no other allocation of their thread in between */
    uint64_t live_bytes, live_blocks; /* now; at the end: not freed at exit */
    uint64_t peak_bytes, peak_blocks; /* greatest live_bytes, and the blocks at that instant */
    uint64_t peak_time;               /* ns, when it was first reached */
    uint64_t end_time;                /* ns, of the last event or the close */
    bool inherited_known;             /* replay_inherit was called: the next four mean something */
    uint64_t inherited_bytes, inherited_blocks;             /* there at the fork, as far as given */
    uint64_t inherited_freed_bytes, inherited_freed_blocks; /* of these, given back */
    struct pool_counts {
        uint64_t allocations, allocated_bytes;
        uint64_t frees;     /* by heaptape_pool_free() */
        uint64_t unmatched; /* of these, of addresses where no pool block lived; not in `frees` */
        uint64_t dropped;   /* blocks that ended with the memory they lay in, or were handed out
                               again without a free */
        uint64_t live_bytes, live_blocks, peak_bytes, peak_blocks;
    } pools; /* blocks of the program's own allocators: in no other count */
};

/* Prepares a replay of an open tape; the tape must stay open until replay_free. */
struct replay *replay_new(struct tape_file *);
void replay_free(struct replay *);

/* Observers are called in the order in which they were added. The struct is copied. One may be
 * added in on_mark. */
void replay_observe(struct replay *, const struct observer *);

/*
 * Runs through all events up to and including time `until` (ns; UINT64_MAX: all), then calls
 * on_live. May be called once per replay. Damage is counted in tape_file_health, never fatal.
 */
void replay_run(struct replay *, uint64_t until);

/* What the process has when it begins, copied. Before replay_run. */
void replay_inherit(struct replay *, const struct inherited *);

/*
 * Instants to stop at, ticks, in ascending order: `reached` is called in replay_run behind all
 * events up to and including each, and may ask for replay_snapshot. With `last_ends` the run is
 * over at the last one. `stamp` must outlive the run. Before replay_run, once.
 */
struct replay_stops {
    const uint64_t *stamp;
    size_t count;
    bool last_ends;
    void (*reached)(void *context, struct replay *, size_t index);
    void *context;
};
void replay_stop_at(struct replay *, const struct replay_stops *);

/* Hands over every block of the heap's that lives now, in no order, of inherited ones too (address
 * and size alone), until `each` returns false. During the run. Costs some nanoseconds a block. */
bool replay_each_live(const struct replay *, bool (*each)(void *context, const struct block *b),
                      void *context);

/* What the process, and its libraries, have mapped themselves, inherited mappings too. */
struct mappings *replay_mappings(const struct replay *);

/* Every block that lives now, inherited ones too, and every mapping. The caller frees with
 * inherited_free. */
struct inherited *replay_snapshot(const struct replay *);

/* Ends the run behind the events of the same stamp as the one at hand: for observers that have what
 * they wanted. */
void replay_halt(struct replay *);

/*
 * An instant that no stamp tells exactly: of each stream the first `events` are before it (ordinals
 * below that, whether the tape has all of them or not), and all others are as if they were not on
 * the tape. Streams that are not named have none. A resize whose result lies behind the cut leaves
 * its old block live. `cut` must outlive the run. Before replay_run.
 */
struct replay_cut {
    uint32_t stream; /* id on the tape */
    uint64_t events;
};
void replay_cut_at(struct replay *, const struct replay_cut *cut, size_t count);

const struct replay_counts *replay_counts(const struct replay *);
struct stacks *replay_stacks(struct replay *);

/* Bytes of the longest block that the thread with this id had given to a realloc() whose result had
 * not come when the replay ended; 0: none. */
uint64_t replay_resizing(const struct replay *, uint64_t tid);

uint32_t replay_thread_count(const struct replay *);
const struct replay_thread *replay_thread(const struct replay *, uint32_t index);

#endif
