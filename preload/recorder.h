/* SPDX-License-Identifier: MIT */
/*
 * The recording of one process: its tape, its tail, its workers and streams.
 *
 * The state lies in one page range that reads as zeroes in a forked child, which is how a child
 * finds out that it needs a tape of its own.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "stream.h"
#include "sys.h"
#include "tape/format.h"
#include "tape/info.h"

#define PATH_BYTES   4352 /* a path and the suffixes put to it */
#define WORKERS_MAX  8
#define MORE_WORKERS 2    /* than cores: who loses the core while compressing keeps the worker */
#define MOST_RECORDS 8192 /* events in a buffer */
#define TAPE_SHIFT   6    /* ticks per unit of the time column, log2: 64 TSC ticks are 20-30 ns */

enum recorder_state {
    RECORDER_NEW = 0, /* nothing made yet, or a forked child */
    RECORDER_STARTING,
    RECORDER_ON,
    RECORDER_ENDING, /* being put away: a thread that comes now waits for what becomes of it */
    RECORDER_LATE,   /* ended in order; what comes behind goes into LATE chunks */
    RECORDER_OFF     /* cannot record */
};

/*
 * A worker compresses buffers and appends to the tape. There are two more than cores; a thread
 * claims one by compare-and-swap and never waits for one.
 */
struct worker {
    atomic_uint busy;
    void *zstd; /* ZSTD_CCtx in zstd_memory */
    void *zstd_memory;
    uint8_t *scratch; /* columns, then the compressed frame */
    size_t scratch_bytes;
    uint8_t *window; /* the mapped segment of the tape that this worker fills */
    uint64_t window_at, window_bytes, window_used;
};

#define RECORDER_ENDED UINT32_MAX

struct testing;

struct recorder {
    atomic_uint state;     /* enum recorder_state */
    atomic_uint ender;     /* thread that ends the recording; 0: none yet, RECORDER_ENDED: it has */
    atomic_uint attaching; /* threads that are about to have a stream: they call the kernel */
    uint32_t pid;
    _Atomic uint64_t generation; /* of the address space: goes up when a module is unloaded */
    uint64_t page_size;
    uint32_t clock;        /* enum tape_clock */
    atomic_bool clockless; /* the program has forbidden itself to read the clock: stamps count */
    _Atomic uint64_t count;
    unsigned shift;
    uint8_t id[TAPE_ID_BYTES];
    uint64_t start_stamp, start_mono, start_real;
    atomic_uint next_stream;
    atomic_bool paused;          /* allocations are not recorded */
    atomic_bool several_streams; /* set once: from now on events need ordering by the clock */
    _Atomic uint64_t tape_end, tail_end; /* file offsets of the next segment, the next region */
    _Atomic uint64_t sample_stamp;       /* of the last SAMPLE */
    _Atomic uint64_t resident;           /* bytes, by that */
    _Atomic uint64_t mapped; /* bytes that the program has mapped since a look at these */
    /* MEMORY samples: CLOCK_MONOTONIC before which none is taken, in general, while the process
     * grows, and when it gives much back then; the greatest resident size of one */
    _Atomic uint64_t memory_usual, memory_growing, memory_releasing, memory_high;
    atomic_bool memory_busy;            /* one is being taken */
    _Atomic uint64_t images;            /* taken so far */
    atomic_bool began;                  /* what a parent process owned is forgotten */
    _Atomic(struct testing *) testing;  /* testing.c; NULL: no test ever began */
    _Atomic uint64_t lost;              /* events that found no stream */
    _Atomic(struct tape_region *) home; /* the home region while nobody has it */
    _Atomic(uint8_t *) free_segment;    /* the home region's segment, waiting to be filled */
    uint8_t *home_segment;              /* where it is mapped, and its place in the tape */
    uint64_t home_at;
    _Atomic(struct stream *) streams;
    atomic_uint reserve_state; /* 0: none, 1: being made, 2: made or given up */
    uint8_t *reserve;          /* a part of the tape, mapped for when files are out of reach */
    uint64_t reserve_at, reserve_bytes; /* its offset in the file, and what it had at first */
    _Atomic uint64_t reserve_left;      /* bytes, 0 also when there is none */
    uint8_t *controls;                  /* pages for streams that are made behind a filter */
    _Atomic uint32_t controls_left;
    uint32_t worker_count;
    struct worker worker[WORKERS_MAX];
    atomic_uint tail_state; /* 0: not made, 1: being made, 2: made */
    struct sys_file tape_file, tail_file;
    char tape_path[PATH_BYTES], tail_path[PATH_BYTES];
};

/* The one recorder of the process; NULL before the first event. */
extern struct recorder *_Atomic recorder;

/* The recorder's memory, made when there is none yet; NULL when memory is out. */
struct recorder *recorder_get(void);

/* Makes the recording exist. Called by the first event of a process image or forked child, on a
 * stream's own stack. Returns the state that holds afterwards: ON or OFF. */
enum recorder_state recorder_start(struct recorder *r);

/* A forked process cannot be recorded: its parent's tape will say so. */
void recorder_refuse(struct recorder *r);
/* How many children of this process could not be. */
uint32_t recorder_unfollowed(void);

/* A thread has been given a stream: arranges for stream_release at its end. */
void recorder_thread_started(struct stream *s);
/* Whether that may make libc allocate. */
bool recorder_thread_allocates(void);

/* Ends the recording in order: everything of this thread and of idle streams goes to the tape.
 * reason is kept on the tape; frame: of the function that the program called; image: whether a
 * heap image is wanted, too. May be called by a signal handler while the thread is in a hook:
 * what that hook is at work on then stays in the tail. Harmless when called twice or without a
 * recording. */
void recorder_end(const char *reason, const void *frame, bool image);

/* The calling thread is about to fork, or has done so in the parent: lets the child know when. */
void recorder_forks(bool about_to);

/* Stops (false) or resumes the recording of allocations; releases are recorded all the time. */
void recorder_set_active(bool active);

/* A module may be gone: called behind dlclose. */
void recorder_module_closed(void);

/* Whether this is a vfork child, which runs in its parent's memory: what it does to itself is not
 * for the parent. False behind a filter of the program's own. */
bool recorder_is_borrowed(void);

/* From here on stamps only count up. */
void recorder_forbid_clock(struct recorder *r);

/* Ticks now. With several threads not before everything earlier has completed: neither the call
 * that obtained a block, nor the load that another thread's block came by (arch_ticks_ordered). */
uint64_t recorder_stamp(struct recorder *r);

/* The same for an event of stream s. While the process has one stream, order needs no clock: the
 * stamp is taken anew only when the kernel's coarse clock has moved (every 1 to 10 ms). */
static inline uint64_t stream_stamp(struct stream *s, struct recorder *r) {
    if (!atomic_load_explicit(&r->several_streams, memory_order_relaxed)) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &t); /* vDSO: no lock, errno untouched */
        uint64_t coarse = (uint64_t)t.tv_sec << 32 ^ (uint64_t)t.tv_nsec;
        if (coarse == s->coarse)
            return s->ticks;
        s->coarse = coarse;
    }
    return s->ticks = recorder_stamp(r);
}

/* Whether tape and tail may take so many bytes more: the limit of HEAPTAPE_MAX_SIZE. */
bool recorder_may_grow(const struct recorder *r, uint64_t bytes);

/* ---- tape.c ------------------------------------------------------------------------------- */

/* Creates the tape at r->tape_path: header, first segment (worker 0's window) and home region.
 * 0 or -errno; -EEXIST when the name is taken. */
int tape_create(struct recorder *r);

/* Maps `bytes` more of the tape (multiples of TAPE_SEGMENT_ALIGN), their place in *at: from the
 * reserve when the file cannot be reached. NULL when there is no room to be had. */
uint8_t *tape_extend(struct recorder *r, uint64_t bytes, uint64_t *at);

/* Claims a worker, or NULL when all are busy. */
struct worker *worker_claim(struct recorder *r);
/* The same, but yields until one is free; NULL when none is for very long. They are held by threads
 * that compress, with signals blocked and no lock held. */
struct worker *worker_await(struct recorder *r);
void worker_release(struct worker *w);

/* Memory of at least `bytes` in w->scratch; false when there is none. */
bool worker_scratch(struct worker *w, size_t bytes);

/* Gets the memory that compressing a buffer of the usual size takes. */
void worker_provide(struct worker *w);

/* Appends a chunk with this payload, stored as it is. `h` needs type, stream, events, first_event
 * and stamps. False when there is no room to be had. */
bool tape_append(struct recorder *r, struct worker *w, struct tape_chunk_header *h,
                 const void *payload, size_t bytes);

/* The same, compressed when that makes it smaller. packed: tape_packed_bound(bytes) bytes. */
bool tape_append_packed(struct recorder *r, struct worker *w, struct tape_chunk_header *h,
                        const void *payload, size_t bytes, uint8_t *packed);
size_t tape_packed_bound(size_t bytes);

/* Encodes, compresses and appends the events of a region, then empties it (first = end). */
bool tape_append_region(struct recorder *r, struct worker *w, struct tape_region *region);

/* ---- tail.c ------------------------------------------------------------------------------- */

/* A new, empty region in the tail (or, late, in the tape) whose first event will have the ordinal
 * `first`. NULL when there is no room. */
struct tape_region *region_new(struct recorder *r, uint32_t stream, uint64_t first,
                               uint32_t records, uint32_t frames, uint32_t addresses);
/* Takes it out of use and unmaps it; its events must be on the tape or counted lost. */
void region_drop(struct recorder *r, struct tape_region *region);

/* Lays out the home region in the segment at `p` (TAPE_SEGMENT_ALIGN bytes, at file offset `at`):
 * the first stream's first buffer. A process that never fills it needs no tail, and its tape is
 * cut in front of it at the end; otherwise the segment is filled with chunks later. */
void region_make_home(struct recorder *r, uint8_t *p, uint64_t at);

static inline struct tape_record *region_records(struct tape_region *g) {
    return (struct tape_record *)((char *)g + g->records_at);
}
static inline uint32_t *region_frames(struct tape_region *g) {
    return (uint32_t *)((char *)g + g->frames_at);
}
static inline uint64_t *region_addresses(struct tape_region *g) {
    return (uint64_t *)((char *)g + g->addresses_at);
}

/* ---- confine.c ---------------------------------------------------------------------------- */

/* A page for a stream's control block that reads as zeroes in a forked child, where none can be
 * made any more; NULL when they are used up. */
void *recorder_take_control(struct recorder *r);

/* ---- unwind_libunwind.c ------------------------------------------------------------------- */

/* Opens libunwind privately (dlopen, RTLD_LOCAL); from the constructor only. */
bool libunwind_open(void);
bool libunwind_is_open(void);
/* Captures with it: like unwind_capture. Runs on the program's stack. */
uint32_t libunwind_capture(struct unwind *u, uint64_t pc);
/* Captures with rows, compares with libunwind and with a walk without the cache. */
uint32_t verify_capture(struct unwind *u, uint64_t pc, uint64_t sp, uint64_t fp);
/* Prints what verify found. */
void verify_report(const struct unwind_stats *stats);

#endif
