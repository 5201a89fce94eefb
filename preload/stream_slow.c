/* SPDX-License-Identifier: MIT */
#include "stream_slow.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "ext_entries.h"
#include "image.h"
#include "memory_sample.h"
#include "modules.h"
#include "owned.h"
#include "park.h"
#include "python.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"
#include "testing.h"

#define MAPPED_BYTES  (UINT64_C(8) << 20) /* mapped by the program: time for a look */
#define STACK_BYTES   (64 * 1024)         /* zstd takes 8 KiB, path buffers as much again */
#define FIRST_RECORDS 256                 /* small: most processes are short */
#define START_YIELDS  1000000             /* far more than creating a file takes */
#define MOST_WAITING  64                  /* regions (30 MiB) kept while the tape has no room */
#define RETRY_EVENTS  1024                /* lost events between two tries for a buffer */

/* ---- stacks and signals ------------------------------------------------------------------- */

struct call {
    struct stream *stream;
    void (*fn)(void *);
    void *arg;
};

static void run_call(void *p) {
    struct call *c = p;
    c->fn(c->arg);
}

void stream_call(struct stream *s, void (*fn)(void *), void *arg) {
    if (s->on_stack) {
        fn(arg);
        return;
    }
    struct call c = {s, fn, arg};
    uint64_t signals;
    __atomic_store_n(&s->calling, true, __ATOMIC_SEQ_CST);
    bool blocked = sys_block_signals(&signals); /* not behind a seccomp filter */
    s->on_stack = true;
    arch_call_on_stack(&c, run_call, s->stack_top);
    s->on_stack = false;
    if (blocked)
        sys_restore_signals(&signals);
    __atomic_store_n(&s->calling, false, __ATOMIC_RELEASE);
}

void stream_call_idle(struct stream *s, void (*fn)(void *), void *arg) {
    uint64_t signals;
    bool blocked = sys_block_signals(&signals);
    s->busy = 1;
    stream_call(s, fn, arg);
    s->busy = 0;
    if (blocked)
        sys_restore_signals(&signals);
}

/* ---- buffers ------------------------------------------------------------------------------ */

static bool buffer_fits(const struct stream *s, const struct tape_region *g, uint32_t frames) {
    return g->records_cap >= s->records_cap && g->frames_cap >= frames &&
           g->addresses_cap >= s->unwind.row_count + 64;
}

static void use_region(struct stream *s, struct tape_region *g) {
    /* While first and end move the region must not be read: a kill in between would show the
     * records of its last use once more. */
    __atomic_store_n(&g->magic, 0, __ATOMIC_RELEASE);
    atomic_signal_fence(memory_order_seq_cst);
    g->first = g->end = s->end;
    g->lost = s->lost;
    g->generation = s->generation;
    __atomic_store_n(&g->magic, TAPE_REGION_MAGIC, __ATOMIC_RELEASE);
    __atomic_store_n(&s->region, g, __ATOMIC_RELEASE);
    s->pos = region_records(g);
    s->limit = s->pos + g->records_cap;
    s->frame_pos = region_frames(g);
    s->frame_limit = s->frame_pos + g->frames_cap;
    s->said_depth = 0;
}

/* Addresses of rows that the region does not have yet; false when they do not fit. */
static bool say_rows(struct stream *s) {
    const struct unwind *u = &s->unwind;
    if (s->region == NULL || u->row_count > s->region->addresses_cap)
        return false;
    uint64_t *addresses = region_addresses(s->region);
    for (uint32_t i = s->said_rows; i < u->row_count; i++)
        addresses[i] = u->rows[i].address;
    s->said_rows = s->region->addresses_used = u->row_count;
    return true;
}

static void free_region(struct stream *s, struct tape_region *g) {
    if (s->spare == NULL)
        s->spare = g;
    else
        region_drop(recorder, g);
}

/* The region is full or must end: it joins the queue for the tape. */
static void retire_region(struct stream *s) {
    struct tape_region *g = s->region;
    bool read = testing_retires(s); /* nobody reads it any more */
    __atomic_store_n(&s->region, NULL, __ATOMIC_RELEASE);
    if (read)
        testing_retired();
    s->pos = s->limit = NULL;
    s->frame_pos = s->frame_limit = NULL;
    if (g == NULL)
        return;
    s->end = g->end;
    if (g->end == g->first) {
        free_region(s, g);
        return;
    }
    g->recorder = 0;
    struct tape_region **last = &s->waiting;
    while (*last != NULL)
        last = (struct tape_region **)(void *)&(*last)->recorder;
    *last = g;
    s->waiting_count++;
}

bool stream_flush(struct stream *s, struct worker *w) {
    struct recorder *r = recorder;
    retire_region(s);
    while (s->waiting != NULL) {
        struct tape_region *g = s->waiting;
        if (!tape_append_region(r, w, g))
            return false;
        s->waiting = (struct tape_region *)(uintptr_t)g->recorder;
        s->waiting_count--;
        free_region(s, g);
    }
    return true;
}

void stream_drop_buffers(struct stream *s) {
    retire_region(s);
    if (s->spare != NULL)
        region_drop(recorder, s->spare);
    s->spare = NULL;
}

/* The spare region if it has the size wanted; otherwise a new one; the spare one after all if there
 * is no room for that. NULL: none that would hold an event with `frames`. */
static struct tape_region *choose_region(struct recorder *r, struct stream *s, uint32_t frames) {
    struct tape_region *spare = s->spare, *new = NULL;
    uint32_t want = frames > s->records_cap * 4 ? frames : s->records_cap * 4;
    uint32_t addresses = 512;
    while (addresses < s->unwind.row_count * 2)
        addresses *= 2;
    s->spare = NULL;
    if (spare != NULL && buffer_fits(s, spare, want))
        return spare;
    if (s->waiting_count < MOST_WAITING)
        new = region_new(r, s->id, s->end, s->records_cap, want, addresses);
    if (new == NULL && spare != NULL && spare->frames_cap >= frames &&
        spare->addresses_cap >= s->unwind.row_count)
        return spare;
    if (new == NULL)
        s->spare = spare;
    else if (spare != NULL)
        region_drop(r, spare);
    return new;
}

/* libc unloads modules of its own (gconv, NSS) without dlclose: ask for each that is known. */
static void notice_unloads(struct recorder *r, const struct stream *s) {
    if (s->generation != atomic_load(&r->generation))
        return; /* on the way to be forgotten already */
    for (uint32_t i = 0; i < s->unwind.module_count; i++) {
        if (!module_is_loaded(&s->unwind.modules[i])) {
            atomic_fetch_add(&r->generation, 1);
            return;
        }
    }
}

static void say_thread(struct stream *s) {
    sys_thread_name(s->name);
    struct stream_blob blob = {.stream = s,
                               .op = TAPE_OP_THREAD,
                               .address = s->owner,
                               .bytes = s->name,
                               .size = strnlen(s->name, sizeof s->name)};
    stream_put_blob(&blob);
}

/* A thread may take a new name at any time: looked for when libc is asked for it, when a buffer is
 * full, and at the thread's end. Not within a resize, which a THREAD event would break off. */
static void note_name(void *arg) {
    struct stream *s = arg;
    char name[sizeof s->name];
    sys_thread_name(name);
    if (name[0] != 0 && s->name[0] != 0 && s->announced == ANNOUNCED_NOT &&
        memcmp(name, s->name, sizeof name) != 0)
        say_thread(s);
}

/* A new buffer with room for `frames`; what is in the old one goes to the tape if a worker is
 * free, and waits in the tail otherwise. */
static bool rotate(struct stream *s, uint32_t frames) {
    struct recorder *r = recorder;
    retire_region(s);
    notice_unloads(r, s);
    struct worker *w = s->waiting != NULL ? worker_claim(r) : NULL;
    /* One of the recorder's waits: the queue is full because other threads are compressing. */
    if (w == NULL && s->waiting_count >= MOST_WAITING)
        w = worker_await(r);
    if (w != NULL) {
        stream_flush(s, w);
        worker_release(w);
    }
    uint32_t most = config.buffer_events != 0 ? (uint32_t)config.buffer_events : MOST_RECORDS;
    if (s->records_cap == 0)
        s->records_cap = most < FIRST_RECORDS ? most : FIRST_RECORDS;
    else if (s->end != 0)
        s->records_cap = s->records_cap * 8 < most ? s->records_cap * 8 : most;
    struct tape_region *g = choose_region(r, s, frames);
    s->said_rows = 0;
    if (g == NULL) {
        s->retry = s->lost + RETRY_EVENTS;
        return false;
    }
    use_region(s, g);
    say_rows(s);
    uint64_t now = recorder_stamp(r);
    if (now - atomic_load_explicit(&r->sample_stamp, memory_order_relaxed) > SAMPLE_TICKS &&
        !sys_confined())
        stream_sample(s);
    note_name(s);
    return true;
}

struct rotation {
    struct stream *stream;
    uint32_t frames;
    bool done;
};

static void rotate_call(void *arg) {
    struct rotation *n = arg;
    n->done = rotate(n->stream, n->frames);
}

static bool call_rotate(struct stream *s, uint32_t frames) {
    struct rotation n = {s, frames, false};
    stream_call(s, rotate_call, &n);
    return n.done;
}

/* ---- records that the recorder makes itself ----------------------------------------------- */

static void put(struct stream *s, unsigned op, uint64_t address, uint64_t size, uint32_t words) {
    struct tape_record *record = s->pos;
    record->stamp = s->ticks = recorder_stamp(recorder);
    record->addr_op = tape_addr_op(address, op);
    record->size = size;
    record->pop_align = 0;
    record->push = words;
    s->frame_pos += words;
    stream_commit(s);
}

void stream_sample(struct stream *s) {
    struct recorder *r = recorder;
    if (s->pos == s->limit && !rotate(s, 0))
        return;
    if (s->pos == s->limit)
        return;
    uint64_t resident = sys_resident_bytes(r->page_size);
    atomic_store(&r->resident, resident);
    atomic_store(&r->sample_stamp, recorder_stamp(r));
    put(s, TAPE_OP_SAMPLE, resident, sys_clock(CLOCK_MONOTONIC), 0);
}

static void sample_call(void *arg) {
    stream_sample(arg);
}

void stream_put_blob(void *arg) {
    const struct stream_blob *b = arg;
    struct stream *s = b->stream;
    uint32_t words = (uint32_t)((b->size + 3) / 4);
    if ((s->pos == s->limit || words > (size_t)(s->frame_limit - s->frame_pos)) &&
        !rotate(s, words)) {
        s->lost++;
        return;
    }
    if (s->pos == s->limit || words > (size_t)(s->frame_limit - s->frame_pos))
        return;
    memcpy(s->frame_pos, b->bytes, b->size);
    put(s, b->op, b->address, b->size, words);
    if (b->op == TAPE_OP_THREAD)
        s->said_depth = 0;
    if (b->op == TAPE_OP_MARK)
        s->coarse = 0; /* what follows is later than the mark, not of the same tick */
}

/* The kernel is asked now and then, which is the only time for programs that hardly ever call
 * malloc. */
void stream_mapped(struct stream *s, uint64_t bytes, bool releases) {
    struct recorder *r = recorder;
    if (atomic_fetch_add(&r->mapped, bytes) + bytes < MAPPED_BYTES || sys_confined())
        return;
    atomic_store(&r->mapped, 0);
    if (recorder_stamp(r) - atomic_load(&r->sample_stamp) >
        (releases ? SAMPLE_TICKS / 8 : SAMPLE_TICKS))
        stream_call(s, sample_call, s);
    if (memory_sample_is_due(r, releases))
        stream_call(s, memory_sample_take, s);
}

void stream_releases(struct stream *s, const void *p) {
    size_t bytes = real.malloc_usable_size != NULL ? real.malloc_usable_size((void *)p) : 0;
    if (bytes >= STREAM_LARGE)
        stream_mapped(s, bytes, true);
}

/* ---- stacks: rows, modules, generations --------------------------------------------------- */

static void announce_modules(void *arg) {
    struct stream *s = arg;
    struct unwind *u = &s->unwind;
    while (s->said_modules < u->module_count) {
        uint8_t bytes[TAPE_BLOB_MAX];
        const struct unwind_module *m = &u->modules[s->said_modules++];
        struct stream_blob blob = {.stream = s,
                                   .op = TAPE_OP_MODULE_LOAD,
                                   .address = m->start,
                                   .bytes = bytes,
                                   .size = module_describe(m, s->generation, bytes)};
        stream_put_blob(&blob);
        if (config.python != 0)
            stream_say_python(s, m);
    }
}

bool stream_make_ready(struct stream *s, uint32_t depth) {
    struct unwind *u = &s->unwind;
    if (u->module_count > s->said_modules)
        stream_call(s, announce_modules, s);
    if (s->python != NULL)
        stream_say_codes(s);
    for (int i = 0; i < 2; i++) {
        bool rows = say_rows(s);
        if (rows && s->pos != s->limit && depth <= (size_t)(s->frame_limit - s->frame_pos))
            return true;
        if (!call_rotate(s, depth))
            return false;
    }
    return say_rows(s) && s->pos != s->limit;
}

static void new_generation(void *arg) {
    struct stream *s = arg;
    struct unwind *u = &s->unwind;
    rotate(s, 0);
    uint64_t generation = atomic_load(&recorder->generation);
    s->generation = generation;
    if (s->region != NULL)
        s->region->generation = generation;
    for (uint32_t i = 0; i < u->module_count; i++) {
        if (module_is_loaded(&u->modules[i]))
            continue;
        python_forget(&u->modules[i]);
        uint8_t bytes[TAPE_VARINT_MAX];
        struct stream_blob blob = {.stream = s,
                                   .op = TAPE_OP_MODULE_UNLOAD,
                                   .address = u->modules[i].start,
                                   .bytes = bytes,
                                   .size = (size_t)(tape_put_varint(bytes, generation) - bytes)};
        stream_put_blob(&blob);
    }
    unwind_reset(u);
    s->said_rows = s->said_modules = s->said_depth = 0;
}

void stream_new_generation(struct stream *s) {
    stream_call(s, new_generation, s);
}

static uint32_t capture_native(struct stream *s, const void *frame) {
    uint64_t pc = arch_frame_pc(frame), sp = arch_frame_sp(frame), fp = arch_frame_fp(frame);
    if (config.unwind_by == UNWINDER_ROWS || s->by_rows ||
        !libunwind_is_open()) /* or before the constructor */
        return unwind_capture(&s->unwind, pc, sp, fp);
    s->inside = true;
    uint32_t same = config.unwind_by == UNWINDER_VERIFY ? verify_capture(&s->unwind, pc, sp, fp)
                                                        : libunwind_capture(&s->unwind, pc);
    s->inside = false;
    return same;
}

struct unwind_captured stream_capture_slow(struct stream *s, const void *frame) {
    uint32_t same = capture_native(s, frame);
    if (config.python != 0)
        return python_add(&s->python, &s->unwind, same, s->generation);
    return (struct unwind_captured){s->unwind.seen, s->unwind.depth, same};
}

/* ---- attaching ---------------------------------------------------------------------------- */

bool stream_claim(struct stream *s, uint32_t tid) {
    uint32_t owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
    if (owner != 0) {
        if (!atomic_load_explicit(&s->orphan, memory_order_relaxed) ||
            !sys_thread_is_gone(sys_pid(), owner))
            return false;
    }
    return __atomic_compare_exchange_n(&s->owner, &owner, tid, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static struct stream *new_stream(struct recorder *r, uint32_t tid) {
    size_t control = STREAM_CONTROL_BYTES, memory = UNWIND_FIRST_BYTES + STACK_BYTES;
    bool confined = sys_confined();
    uint8_t *p = sys_map(confined ? memory : control + memory);
    if (p == NULL)
        return NULL;
    struct stream *s = confined ? recorder_take_control(r) : (struct stream *)(void *)p;
    if (s == NULL || (!confined && !sys_zero_in_child(p, control))) {
        sys_unmap(p, confined ? memory : control + memory);
        return NULL;
    }
    if (!confined) {
        p += control;
        sys_absent_in_child(p, memory);
    }
    unwind_init(&s->unwind, p);
    s->stack_top = p + memory;
    s->owner = tid;
    s->id = atomic_fetch_add(&r->next_stream, 1) + 1;
    if (s->id != 1)
        atomic_store(&r->several_streams, true);
    s->end_kept = image_count_of(s->id);
    if (s->end_kept == NULL)
        s->end_kept = &s->end_unkept;
    testing_new_stream(s);
    s->magic = STREAM_MAGIC;
    s->generation = atomic_load(&r->generation);
    struct stream *head = atomic_load(&r->streams);
    do
        s->next = head;
    while (!atomic_compare_exchange_weak(&r->streams, &head, s));
    return s;
}

static struct stream *acquire(struct recorder *r, uint32_t tid) {
    for (struct stream *s = atomic_load(&r->streams); s != NULL; s = s->next)
        if (stream_claim(s, tid))
            return s;
    return new_stream(r, tid);
}

static void start_stream(void *arg) {
    struct stream *s = arg;
    struct recorder *r = recorder;
    unsigned expected = RECORDER_NEW;
    if (atomic_compare_exchange_strong(&r->state, &expected, RECORDER_STARTING))
        recorder_start(r);
    /* One of the recorder's waits (map_tail, worker_await and await_end are the others), once in a
     * process: another thread is creating the file, with signals blocked and no lock held. */
    unsigned state = atomic_load(&r->state);
    for (int i = 0; (state == RECORDER_STARTING || state == RECORDER_ENDING) && i < START_YIELDS;
         i++) {
        sys_yield();
        state = atomic_load(&r->state);
    }
    if (state != RECORDER_ON && state != RECORDER_LATE)
        return;
    s->name[0] = 0;
    if (s->region == NULL && !rotate(s, 0)) /* the first one takes a sample */
        return;
    unwind_new_thread(&s->unwind, s->owner);
    say_thread(s);
}

/* Behind a filter the kernel cannot be asked: a number that no thread has stands for it. */
static uint32_t own_tid(void) {
    static _Atomic uint32_t unnamed = UINT32_C(1) << 31;
    return sys_confined() ? atomic_fetch_add(&unnamed, 1) : sys_tid();
}

/* Claims a stream for the calling thread and makes it ready; NULL when nothing can be recorded. */
static struct stream *start_new(struct recorder *r, bool orphan) {
    struct stream *s = acquire(r, own_tid());
    if (s == NULL)
        return NULL;
    atomic_store_explicit(&s->orphan, orphan, memory_order_relaxed);
    s->rounds = 0;
    s->busy = 1; /* below every frame address: what allocates meanwhile is not abandoned */
    stream_call(s, start_stream, s);
    s->busy = 0;
    if (s->region != NULL)
        return s;
    __atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
    return NULL;
}

/* quiet: the thread is inside its allocator, and nothing may allocate. */
static struct stream *attach(bool quiet) {
    struct stream *self = stream_self;
    if (self->magic == STREAM_MAGIC)
        return self;
    struct recorder *r = recorder_get();
    if (r == NULL)
        return NULL;
    if (atomic_load(&r->state) == RECORDER_NEW && !atomic_exchange(&r->began, true)) {
        owned_forget();
        owned_add(r, sizeof *r);
        park_forget();
        testing_inherit(r);
        image_begin();
    }
    if (sys_confined() && atomic_load(&r->state) == RECORDER_NEW)
        recorder_refuse(r); /* forked behind a filter: it can make no tape */
    if (atomic_load(&r->state) == RECORDER_OFF)
        return NULL;
    /* A cancellation in between would leave a stream that nobody hands back. */
    uint64_t signals;
    atomic_fetch_add(&r->attaching, 1);
    bool blocked = sys_block_signals(&signals), unconfined = !sys_confined();
    bool orphan = self == &stream_ended || (quiet && recorder_thread_allocates());
    struct stream *s = start_new(r, orphan);
    if (s == NULL && unconfined && sys_confined()) /* since then: the reserve is there */
        s = start_new(r, orphan);
    if (s != NULL) {
        stream_self = s;
        recorder_thread_started(s);
    } else {
        atomic_fetch_add(&r->lost, 1);
    }
    if (blocked)
        sys_restore_signals(&signals);
    atomic_fetch_sub(&r->attaching, 1);
    return s;
}

struct stream *stream_attach(void) {
    return attach(false);
}

void stream_attach_quietly(void) {
    attach(true);
}

void stream_renamed(void) {
    struct stream *s = stream_self;
    if (s->magic != STREAM_MAGIC || s->busy != 0)
        return;
    stream_call_idle(s, note_name, s);
}

void stream_release(struct stream *s) {
    if (s->nested != NULL)
        stream_release(s->nested);
    s->nested = NULL;
    if (s->busy == 0)
        stream_call(s, note_name, s);
    if (s->busy != 0) /* cancelled inside a hook: go on behind the last complete event */
        s->pos = s->limit;
    s->busy = 0;
    __atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
}

/* A hook that was left by longjmp or cancellation never came back to clear `busy`: it was entered
 * further down the same stack than the hook that runs now. */
static bool abandoned(struct stream *s, const void *frame) {
    if (s->busy == 1 || (uintptr_t)frame < s->busy)
        return false;
    for (unsigned i = 0; i < UNWIND_RANGES; i++) {
        const struct unwind_range *n = &s->unwind.range[i];
        if (s->busy - n->low < n->high - n->low && (uintptr_t)frame - n->low < n->high - n->low)
            return true;
    }
    return false;
}

struct stream *stream_idle(const void *frame) {
    struct stream *s = stream_attach();
    while (s != NULL && s->busy != 0) {
        if (s->inside || (s->entry != 0 && ext_is_part(s->entry, arch_frame_pc(frame))))
            return NULL;
        if (abandoned(s, frame)) {
            bool in_entry = s->entry != 0; /* an exception has left it: nothing was begun */
            s->busy = s->entry = 0;
            if (in_entry)
                break;
            /* Its event was never completed: go on behind the last complete one. */
            s->on_stack = false; /* left by a handler that a filter made us let in */
            unwind_new_thread(&s->unwind, s->owner);
            call_rotate(s, 0);
            break;
        }
        if (s->busy == 1 || (s->on_stack && !sys_confined()))
            return NULL; /* libc allocating on our own behalf while the stream is made ready */
        if (s->nested == NULL)
            s->nested = start_new(recorder, false);
        if (s->nested == NULL) {
            s->lost++;
            return NULL;
        }
        s = s->nested;
    }
    return s;
}

struct stream *stream_enter_slow(const void *frame) {
    struct stream *s = stream_idle(frame);
    if (s == NULL)
        return NULL;
    if (s->pos == s->limit) {
        s->busy = (uintptr_t)frame;
        bool room = s->lost >= s->retry && call_rotate(s, 0);
        if (room &&
            memory_sample_is_due(recorder, false)) /* may fill the buffer: the caller looks */
            stream_call(s, memory_sample_take, s);
        s->busy = 0;
        if (!room) {
            s->lost++;
            if (s->waiting != NULL) /* where a reader finds it if the process is killed now */
                s->waiting->lost = s->lost;
            return NULL;
        }
    }
    return s;
}
