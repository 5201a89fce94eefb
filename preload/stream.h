/* SPDX-License-Identifier: MIT */
/*
 * A stream: the events of one thread after another, in order, and all that recording them needs.
 *
 * Each thread has one (a second one while a signal handler allocates inside a hook), found by one
 * pointer in thread-local storage. The pointer starts at stream_none, an empty stream that is
 * always "full", so that not attached, buffer full, forked child (the page reads as zeroes there)
 * and recording ended are one branch of the hot path.
 *
 * Cost promise of stream_event_alloc: a stack capture, a time stamp, 32 bytes and the changed
 * frames stored; no lock, no system call, no libc. stream_event_free: a stamp and 32 bytes.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdatomic.h>

#include "blocks.h"
#include "tape/tail.h"
#include "unwind.h"

struct stream {
    /* the buffer: pos == limit means "take the slow path" */
    struct tape_record *pos, *limit;
    uint32_t *frame_pos, *frame_limit;
    struct tape_region *region;
    uint64_t end;          /* ordinal of the next event */
    uint64_t *end_kept;    /* the same, where a heap image sees it: image_count_of */
    uintptr_t busy;        /* frame address of the hook that is inside this stream, 0: none */
    uint64_t generation;   /* of the address space that the rows belong to */
    uint64_t coarse;       /* coarse clock at the newest stamp, while the process has one stream */
    uint64_t ticks;        /* the newest stamp */
    uint32_t said_depth;   /* frames of the stack as the reader of the buffer knows it */
    uint32_t said_rows;    /* rows whose addresses the region has */
    uint32_t said_modules; /* modules announced */
    uint32_t magic;        /* STREAM_MAGIC; 0 in a forked child */
    struct unwind unwind;

    /* cold */
    uint32_t id;        /* on the tape, from 1 */
    bool by_rows;       /* an allocator at work, with its locks held: libunwind could ask it */
    uint32_t owner;     /* thread id, 0: idle; claimed by compare-and-swap */
    atomic_bool orphan; /* attached behind the thread's last destructor: nobody will hand it back */
    bool on_stack;      /* running on its own stack */
    bool calling;       /* the same, and blocking and restoring signals around it */
    uint8_t announced;  /* a REALLOC_FROM whose result is to come, or is just there */
    bool inside;    /* in foreign code (libunwind): allocations are its own, not the program's */
    uint8_t rounds; /* of thread-specific data destruction */
    struct stream *next;         /* all streams of the process */
    struct stream *nested;       /* for hooks entered by a signal handler while this one is busy */
    struct tape_region *waiting; /* full regions that are not on the tape yet, oldest first */
    uint32_t waiting_count;
    struct tape_region *spare;
    uint32_t records_cap; /* of the next region; grows */
    uint64_t lost;
    uint64_t retry; /* value of lost at which to try for a buffer again */
    void *stack_top;
    uint64_t end_unkept;        /* for end_kept when no images are wanted */
    struct block_source source; /* how far testing.c has read; with its lock */
    char name[16];
    uintptr_t entry; /* real function that an entry of the second objects calls; 0: none */
    struct python_stack *python; /* NULL: no Python is known */
    uint32_t said_codes;         /* of its code objects */
};
enum { ANNOUNCED_NOT, ANNOUNCED, ANNOUNCED_PAUSED };
#define STREAM_MAGIC         0x4d525453 /* "STRM" */
#define STREAM_CONTROL_BYTES 4096       /* of a stream, in memory that forks as zeroes */
_Static_assert(sizeof(struct stream) <= STREAM_CONTROL_BYTES, "a stream fits its page");

struct worker;
struct python_stack;

/* The event in *s->pos exists from here on: one store, behind all others. `end` comes later: who
 * ends the process between the two, in a handler or another thread, must not promise a reader an
 * event that the region does not have. */
static inline void stream_commit(struct stream *s) {
    uint64_t end = s->end + 1;
    s->pos++;
    __atomic_store_n(&s->region->end, end, __ATOMIC_RELEASE);
    __atomic_store_n(&s->end, end, __ATOMIC_RELEASE);
    __atomic_store_n(s->end_kept, end, __ATOMIC_RELEASE);
}

extern struct stream stream_none;  /* not attached */
extern struct stream stream_ended; /* the thread's data has been destroyed */
extern __thread struct stream *stream_self __attribute__((tls_model("initial-exec")));

/*
 * Records the result of an allocation: p NULL when it failed. frame is the hook's frame address
 * (__builtin_frame_address(0)), from which the caller's registers are read.
 */
void stream_event_alloc(unsigned op, const void *p, size_t size, unsigned align_log2,
                        const void *frame);

/* Records that p is about to be given back (op free) or resized (op REALLOC_FROM). */
void stream_event_free(unsigned op, const void *p, const void *frame);

/* Records MMAP, MREMAP, MUNMAP or BRK; flags: enum tape_mapping. */
void stream_event_mapping(unsigned op, uint64_t address, uint64_t size, unsigned flags,
                          const void *frame);

/* Records a BLOB event: a mark, or a block to ignore. */
void stream_event_blob(unsigned op, uint64_t address, const char *text, size_t bytes,
                       const void *frame);

/* The calling thread may have a new name. */
void stream_renamed(void);

/* ---- for the recorder --------------------------------------------------------------------- */

/* The calling thread's stream, attached if it was not; NULL when nothing can be recorded. */
struct stream *stream_attach(void);

/* Attaches the calling thread, which is inside its allocator, so that nothing may allocate. */
void stream_attach_quietly(void);

/* The same for a function that the program called, whose frame address is `frame`: when its stream
 * is at work, because a signal handler runs, another one. NULL also within the recorder itself. */
struct stream *stream_idle(const void *frame);

/* Runs fn(arg) on the stream's own stack with signals blocked. */
void stream_call(struct stream *s, void (*fn)(void *), void *arg);

/* Records a SAMPLE (resident bytes, clock). On the stream's own stack. */
void stream_sample(struct stream *s);

/* The same for work on the calling thread's idle stream, which is busy meanwhile: a signal handler
 * that allocates comes before or behind it. */
void stream_call_idle(struct stream *s, void (*fn)(void *), void *arg);

/* Writes what the stream holds to the tape. On the stack of the caller's stream; the stream must
 * be the caller's or claimed. False when the tape has no room: the rest waits in the tail. */
bool stream_flush(struct stream *s, struct worker *w);

/* Takes the stream's buffers away; its next event makes new ones. */
void stream_drop_buffers(struct stream *s);

/* Claims an idle stream, or one whose thread is known to have ended: true when it is the caller's
 * now (owner = tid). */
bool stream_claim(struct stream *s, uint32_t tid);

/* Hands the stream back at the end of its thread. */
void stream_release(struct stream *s);

#endif
