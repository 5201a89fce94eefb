/* SPDX-License-Identifier: MIT */
/* The hot path: events into the calling thread's buffer. The slow path is in stream_slow.c. */
#include "stream.h"

#include <stdbool.h>
#include <string.h>

#include "config.h"
#include "recorder.h"
#include "stream_slow.h"

struct stream stream_none, stream_ended;
__thread struct stream *stream_self __attribute__((tls_model("initial-exec"))) = &stream_none;

#define unlikely(x) __builtin_expect(!!(x), 0)

static inline struct stream *enter(const void *frame) {
    struct stream *s = stream_self;
    for (;;) {
        if (unlikely(s->busy != 0 || s->pos == s->limit)) {
            s = stream_enter_slow(frame);
            if (s == NULL)
                return NULL;
        }
        s->busy = (uintptr_t)frame;
        atomic_signal_fence(memory_order_seq_cst);
        /* A signal handler may have filled the buffer before we were seen to be busy. */
        if (__builtin_expect(s->pos != s->limit, 1))
            return s;
        s->busy = 0;
    }
}

static inline void leave(struct stream *s) {
    atomic_signal_fence(memory_order_seq_cst);
    s->busy = 0;
}

static inline struct unwind_captured capture(struct stream *s, const void *frame) {
    uint64_t pc = arch_frame_pc(frame), sp = arch_frame_sp(frame);
    if (unlikely(config.capture_slow))
        return stream_capture_slow(s, frame);
    struct unwind *u = &s->unwind;
    uint32_t same = unwind_capture(u, pc, sp, arch_frame_fp(frame));
    return (struct unwind_captured){u->seen, u->depth, same};
}

/* Records an event with its stack: the stream is entered. False: it is lost. */
static inline __attribute__((always_inline)) bool
put_with_stack(struct stream *s, struct recorder *r, unsigned op, uint64_t address, uint64_t size,
               unsigned align_log2, const void *frame) {
    if (unlikely(s->generation != atomic_load_explicit(&r->generation, memory_order_relaxed)))
        stream_new_generation(s);
    const struct unwind_captured captured = capture(s, frame);
    const struct unwind *u = &s->unwind;
    uint32_t depth = captured.depth, same = captured.same;
    if (same > s->said_depth)
        same = s->said_depth;
    if (unlikely(depth - same > (size_t)(s->frame_limit - s->frame_pos) ||
                 u->row_count > s->said_rows || u->module_count > s->said_modules ||
                 s->pos == s->limit)) {
        if (!stream_make_ready(s, depth)) {
            s->lost++;
            return false;
        }
        if (same > s->said_depth)
            same = s->said_depth;
    }
    uint32_t *frames = s->frame_pos;
    for (uint32_t i = same; i < depth; i++)
        *frames++ = captured.seen[i].row;
    struct tape_record *record = s->pos;
    record->stamp = stream_stamp(s, r);
    record->addr_op = tape_addr_op(address, op);
    record->size = size;
    record->pop_align = (s->said_depth - same) | align_log2 << TAPE_POP_BITS;
    record->push = depth - same;
    s->frame_pos = frames;
    s->said_depth = depth;
    stream_commit(s);
    return true;
}

void stream_event_alloc(unsigned op, const void *p, size_t size, unsigned align_log2,
                        const void *frame) {
    struct stream *s = enter(frame);
    if (s == NULL)
        return;
    struct recorder *r = atomic_load_explicit(&recorder, memory_order_relaxed);
    if (unlikely(atomic_load_explicit(&r->paused, memory_order_relaxed))) {
        if (s->announced == ANNOUNCED_NOT || tape_op_class(op) != TAPE_CLASS_REALLOC) {
            leave(s);
            return;
        }
        /* Announced during the pause: only what became of the old block matters. */
        if (s->announced == ANNOUNCED_PAUSED && p != NULL) {
            p = NULL;
            size = 0;
        }
    }
    if (put_with_stack(s, r, op, (uint64_t)p, size, align_log2, frame)) {
        atomic_signal_fence(memory_order_seq_cst); /* a heap image must not see it the other way */
        s->announced = ANNOUNCED_NOT;
        if (unlikely(size >= STREAM_LARGE))
            stream_mapped(s, size, false);
    }
    leave(s);
}

/* Not a block: recorded in pauses, too, and of no meaning to a resize that is under way. */
void stream_event_mapping(unsigned op, uint64_t address, uint64_t size, unsigned flags,
                          const void *frame) {
    if (unlikely(stream_self->magic !=
                 STREAM_MAGIC)) /* an allocator may call with its locks held */
        stream_attach_quietly();
    else if (!sys_confined() &&
             stream_self->owner != sys_tid()) /* another thread without a TLS of its own (clone) */
        return;
    struct stream *s = enter(frame);
    if (s == NULL)
        return;
    struct recorder *r = atomic_load_explicit(&recorder, memory_order_relaxed);
    if (op == TAPE_OP_MUNMAP) /* what is there now may be the most */
        stream_mapped(s, size, true);
    s->by_rows = (flags & TAPE_MAPPING_ALLOCATOR) != 0;
    put_with_stack(s, r, op, address, size, flags, frame);
    s->by_rows = false;
    if (op == TAPE_OP_MMAP || op == TAPE_OP_MREMAP)
        stream_mapped(s, size, false);
    leave(s);
}

void stream_event_free(unsigned op, const void *p, const void *frame) {
    struct stream *s = enter(frame);
    if (s == NULL)
        return;
    if (unlikely(((uint64_t)p & STREAM_LARGE_AT) == 0)) {
        /* The allocator need not know blocks of a pool, and of operators of C++. */
        if (op != TAPE_OP_POOL_FREE && op != TAPE_OP_delete && op != TAPE_OP_delete_array)
            stream_releases(s, p);
        if (s->pos == s->limit) { /* a sample has filled the buffer */
            leave(s);
            s = enter(frame);
            if (s == NULL)
                return;
        }
    }
    struct recorder *r = atomic_load_explicit(&recorder, memory_order_relaxed);
    if (op == TAPE_OP_REALLOC_FROM)
        s->announced =
            atomic_load_explicit(&r->paused, memory_order_relaxed) ? ANNOUNCED_PAUSED : ANNOUNCED;
    struct tape_record *record = s->pos;
    record->stamp = stream_stamp(s, r);
    record->addr_op = tape_addr_op((uint64_t)p, op);
    record->size = 0;
    record->pop_align = record->push = 0;
    stream_commit(s);
    leave(s);
}

void stream_event_blob(unsigned op, uint64_t address, const char *text, size_t bytes,
                       const void *frame) {
    struct stream *s = enter(frame);
    if (s == NULL)
        return;
    struct stream_blob blob = {
        .stream = s, .op = op, .address = address, .bytes = text, .size = bytes};
    stream_call(s, stream_put_blob, &blob);
    leave(s);
}
