/* SPDX-License-Identifier: MIT */
/* A recording's end, the end of its threads, and modules that go away in between. */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "image.h"
#include "memory_sample.h"
#include "processes.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"
#include "sys_image.h"
#include "testing.h"
#include "unhooked.h"

#define ENDING_NS UINT64_C(30000000000) /* one thread waits for another that ends the process */

/* ---- threads ------------------------------------------------------------------------------ */

static pthread_key_t key;
static bool key_made;

/* Other destructors of the thread may still free: hand the stream back in the last round. (The
 * thread sanitizer forgets the thread in that round, so there it is the first.) */
#if defined(__SANITIZE_THREAD__)
#define LAST_ROUND 1
#else
#define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static void thread_ends(void *p) {
    struct stream *s = p;
    if (s->magic != STREAM_MAGIC)
        return;
    if (++s->rounds < LAST_ROUND && pthread_setspecific(key, s) == 0)
        return;
    stream_self = &stream_ended;
    stream_release(s);
}

void recorder_thread_started(struct stream *s) {
    if (!key_made || atomic_load(&s->orphan))
        return;
    s->busy = 1; /* a late key makes libc allocate: not the program's block */
    pthread_setspecific(key, s);
    s->busy = 0;
}

bool recorder_thread_allocates(void) {
    return key_made && key >= 32; /* glibc: the keys below have room in the thread itself */
}

/* ---- modules ------------------------------------------------------------------------------ */

static int read_unloads(struct dl_phdr_info *info, size_t size, void *unloads) {
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs)
        *(unsigned long long *)unloads = info->dlpi_subs;
    return 1;
}

void recorder_module_closed(void) {
    static _Atomic unsigned long long known;
    unsigned long long unloads = 0;
    struct recorder *r = atomic_load(&recorder);
    dl_iterate_phdr(read_unloads, &unloads); /* behind dlclose, which took the same lock */
    if (r != NULL && atomic_exchange(&known, unloads) != unloads)
        atomic_fetch_add(&r->generation, 1);
}

/* ---- pauses ------------------------------------------------------------------------------- */

void recorder_set_active(bool active) {
    struct recorder *r = atomic_load(&recorder);
    if (r == NULL)
        return;
    atomic_store(&r->paused, !active);
    testing_active(active);
}

/* ---- the end ------------------------------------------------------------------------------ */

struct ending {
    struct recorder *r;
    struct stream *self; /* on whose stack all this runs */
    const char *reason;
};

/* Whether s is the calling thread's. */
static bool is_own(const struct stream *s) {
    for (const struct stream *own = stream_self; own != NULL; own = own->nested)
        if (own == s)
            return true;
    return false;
}

static bool put_close(const struct ending *e, struct worker *w, bool tail_kept,
                      const struct unwind_stats *stats) {
    struct recorder *r = e->r;
    uint8_t text[TAPE_VARINT_MAX * (3 + ROW_KINDS)];
    if (!worker_scratch(w, 16384))
        return false;
    uint8_t *p = w->scratch, *limit = w->scratch + w->scratch_bytes - 512;
    uint64_t stamp = recorder_stamp(r);
    p = tape_put_info_number(p, TAPE_INFO_END_STAMP, stamp);
    if (!sys_confined())
        p = tape_put_info_number(p, TAPE_INFO_END_MONO, sys_clock(CLOCK_MONOTONIC));
    p = tape_put_info_bytes(p, TAPE_INFO_END_REASON, e->reason, strlen(e->reason));
    p = tape_put_info_number(p, TAPE_INFO_TAIL_KEPT, tail_kept);
    uint64_t peak = atomic_load(&r->memory_high) != 0 ? memory_peak() : 0;
    if (peak != 0)
        p = tape_put_info_number(p, TAPE_INFO_PEAK_RSS, peak);
    if (recorder_unfollowed() != 0)
        p = tape_put_info_number(p, TAPE_INFO_UNFOLLOWED, recorder_unfollowed());
    size_t bytes;
    const char *list = unhooked_list(&bytes);
    if (bytes != 0)
        p = tape_put_info_bytes(p, TAPE_INFO_UNHOOKED, list, bytes);
    for (struct stream *s = r->streams; s != NULL && p < limit; s = s->next) {
        uint8_t *q = tape_put_varint(text, s->id);
        q = tape_put_varint(q, s->end);
        q = tape_put_varint(q, s->lost);
        p = tape_put_info_bytes(p, TAPE_INFO_STREAM_END, text, (size_t)(q - text));
    }
    uint8_t *q = tape_put_varint(text, stats->captures);
    q = tape_put_varint(q, stats->frames);
    q = tape_put_varint(q, stats->truncated);
    for (int i = 0; i < ROW_KINDS; i++)
        q = tape_put_varint(q, stats->rows[i]);
    p = tape_put_info_bytes(p, TAPE_INFO_UNWIND_STATS, text, (size_t)(q - text));
    struct tape_chunk_header h = {.type = TAPE_CHUNK_CLOSE,
                                  .first_stamp = stamp,
                                  .last_stamp = stamp,
                                  .lost = atomic_load(&r->lost)};
    return tape_append(r, w, &h, w->scratch, (size_t)(p - w->scratch));
}

static void add_stats(struct unwind_stats *to, const struct unwind_stats *from) {
    to->captures += from->captures;
    to->frames += from->frames;
    to->truncated += from->truncated;
    to->full_walks += from->full_walks;
    to->compared += from->compared;
    to->signal_chains += from->signal_chains;
    for (int i = 0; i < ROW_KINDS; i++)
        to->rows[i] += from->rows[i];
}

/* Nobody else records: the tail is on the tape, the tape gets its final length. */
static void put_away(struct recorder *r) {
    uint64_t end = 0;
    struct worker *last = NULL;
    for (uint32_t i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->worker[i];
        if (w->window != NULL && w->window_at + w->window_used > end) {
            end = w->window_at + w->window_used;
            last = w;
        }
    }
    uint64_t next = tape_align(end, TAPE_SEGMENT_ALIGN);
    if (last != NULL && last->window_at != 0) { /* a late segment may follow where this one ends */
        struct tape_segment_header h = {.offset = last->window_at,
                                        .length = next - last->window_at};
        tape_put_segment_header(last->window, &h);
    }
    for (uint32_t i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->worker[i];
        if (w->window != NULL)
            sys_unmap(w->window, w->window_bytes);
        w->window = NULL;
        w->window_used = w->window_bytes = 0;
    }
    /* What was held in reserve is cut off; where the file cannot be reached it stays of use. */
    uint64_t left = atomic_exchange(&r->reserve_left, 0);
    if (sys_truncate(r->tape_path, &r->tape_file, end) != 0)
        atomic_store(&r->reserve_left, left);
    if (atomic_load(&r->tail_state) == 2)
        sys_unlink(r->tail_path, &r->tail_file);
    /* The home segment lies behind the new end: its place in the file will be taken by others. */
    uint8_t *unused = atomic_exchange(&r->free_segment, NULL);
    if (unused != NULL)
        sys_unmap(unused, TAPE_SEGMENT_ALIGN);
    atomic_store(&r->home, NULL);
    r->home_segment = NULL;
    atomic_store(&r->tape_end, next);
    atomic_store(&r->state, RECORDER_LATE);
}

static void end_here(void *arg) {
    struct ending *e = arg;
    struct recorder *r = e->r;
    uint32_t tid = e->self->owner;
    bool others = sys_confined(); /* then the files cannot be put in order either */
    /* A thread takes a stream first and looks at the state then; here it is the other way round. So
     * either it waits, or its stream is seen. */
    if (!others)
        atomic_store(&r->state, RECORDER_ENDING);
    struct unwind_stats stats = {0};
    if (!sys_confined()) {
        stream_sample(e->self);
        memory_sample_last(e->self);
    }
    struct worker *w = worker_await(r); /* other threads may be writing */
    if (w == NULL) {
        /* Tape and tail stay as they are, and complete. */
        atomic_store(&r->state, RECORDER_ON);
        return;
    }
    for (struct stream *s = r->streams; s != NULL; s = s->next) {
        /* One of its own that is at work was interrupted by the handler that ends the process. */
        bool mine = is_own(s) ? s == e->self || s->busy == 0 : stream_claim(s, tid);
        if (mine) {
            others |= !stream_flush(s, w); /* what the tape cannot take stays in the tail */
            add_stats(&stats, &s->unwind.stats);
        } else {
            others = true;
        }
    }
    bool closed = put_close(e, w, others, &stats);
    for (uint32_t i = 0; i < r->worker_count && !others; i++) {
        unsigned idle = 0;
        if (&r->worker[i] != w && !atomic_compare_exchange_strong(&r->worker[i].busy, &idle, 1))
            others = true;
    }
    if (closed && !others) {
        for (struct stream *s = r->streams; s != NULL; s = s->next)
            if (s->owner == tid) /* not one that was made since, and waits */
                stream_drop_buffers(s);
        put_away(r);
        for (uint32_t i = 0; i < r->worker_count; i++)
            worker_release(&r->worker[i]);
    } else {
        worker_release(w);
    }
    unsigned ending = RECORDER_ENDING;
    atomic_compare_exchange_strong(&r->state, &ending, RECORDER_ON);
    for (struct stream *s = r->streams; s != NULL; s = s->next)
        if (s->owner == tid && !is_own(s))
            __atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
    if (config.unwind_by == UNWINDER_VERIFY)
        verify_report(&stats);
}

/* While another thread ends the process: this one would cut that off. Not the same thread, in a
 * handler, and not behind the end. One of the recorder's bounded waits. */
static void await_end(struct recorder *r, unsigned self) {
    uint64_t now = sys_clock(CLOCK_MONOTONIC), until = now + ENDING_NS;
    unsigned ender;
    while ((ender = atomic_load(&r->ender)) != 0 && ender != RECORDER_ENDED && ender != self &&
           now < until) {
        sys_wait_word(&r->ender, ender, until - now);
        now = sys_clock(CLOCK_MONOTONIC);
    }
}

static void end_once(struct recorder *r, const char *reason, const void *frame, bool image) {
    struct stream *s = stream_idle(frame);
    if (s == NULL)
        return; /* ended within the recorder itself: the tail has everything */
    if (image)
        image_take(s, TAPE_IMAGE_EXIT, NULL, frame);
    struct ending e = {r, s, reason};
    stream_call_idle(s, end_here, &e);
}

void recorder_end(const char *reason, const void *frame, bool image) {
    struct recorder *r = atomic_load(&recorder);
    if (r == NULL || (!sys_confined() && r->pid != sys_pid()))
        return; /* nothing to end, or a vfork child that shares its parent's memory */
    /* Behind a filter the kernel can neither be asked nor waited in: the first one goes ahead. */
    bool confined = sys_confined();
    unsigned self = confined ? RECORDER_ENDED : sys_tid(), nobody = 0;
    if (atomic_load(&r->state) == RECORDER_ON &&
        atomic_compare_exchange_strong(&r->ender, &nobody, self)) {
        end_once(r, reason, frame, image);
        atomic_store(&r->ender, RECORDER_ENDED);
        if (!sys_confined())
            sys_wake_word(&r->ender);
    } else if (!confined) {
        await_end(r, self);
    }
}

/* ---- start and end of the process --------------------------------------------------------- */

/* Registered without a module handle, so it runs behind every library's destructors. */
extern int __cxa_atexit(void (*fn)(void *), void *arg, void *dso_handle);
extern int __cxa_at_quick_exit(void (*fn)(void *), void *dso_handle);

static void at_exit(void *unused) {
    (void)unused;
    if (!sys_confined() && atomic_load(&recorder) != NULL)
        unhooked_find();
    recorder_end("exit", __builtin_frame_address(0), true);
}

static void at_quick_exit_(void *unused) {
    (void)unused;
    recorder_end("quick_exit", __builtin_frame_address(0), true);
}

__attribute__((constructor)) static void recorder_constructor(void) {
    real_resolve();
    config_read();
    processes_prepare();
    __cxa_atexit(at_exit, NULL, NULL);
    __cxa_at_quick_exit(at_quick_exit_, NULL);
    key_made = pthread_key_create(&key, thread_ends) == 0;
    if (config.unwind_by != UNWINDER_ROWS && !libunwind_open()) {
        config.unwind_by = UNWINDER_ROWS;
        config.capture_slow = config.python != 0;
    }
    struct stream *s = stream_attach(); /* a program that never allocates leaves a tape too */
    if (s == NULL)
        return;
    recorder_thread_started(s); /* attached before the key was made, perhaps */
    testing_prepare(s);
    unhooked_begin();
}
