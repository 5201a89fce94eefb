/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include <string.h>
#include <time.h>

#include "cfi.h"
#include "config.h"
#include "image_read.h"
#include "lost.h"
#include "owned.h"
#include "real.h"
#include "references.h"
#include "stream_slow.h"
#include "sys.h"

#define NAME_BYTES    1023
#define LOCK_YIELDS   100000000 /* far more than whatever is done with the lock takes */
#define CALL_YIELDS   1000000   /* far more than a flush takes */
#define RESIZE_YIELDS 1000      /* most calls of realloc are over in one */
#define NEVER         UINT64_MAX

/* Lies in memory that forks: see testing_inherit. */
struct testing {
    atomic_uint locked;
    atomic_bool ready; /* where each stream was is known */
    struct blocks blocks;
    atomic_bool complete;          /* every block of the process was told of */
    _Atomic uint64_t trusted_from; /* blocks may live unseen in what was freed before that stamp */
    uint64_t lost_before;          /* events, when it began */
    unsigned beyond;               /* tests that began within BLOCKS_TESTS others */
    uint64_t *kept, kept_here;     /* events of the first stream, where a forked child sees them */
    uint64_t forked_at;            /* as many when the table was last up to date for a fork */
    size_t name_bytes[BLOCKS_TESTS];
    char name[BLOCKS_TESTS][NAME_BYTES + 1];
};

/* The process's own, or that of its parent; processes that this one descends from, and itself,
 * since the program was executed. */
static struct testing *made;
static unsigned processes;

static size_t made_bytes(void) {
    return tape_align(sizeof *made, 4096);
}

/* ---- the lock ----------------------------------------------------------------------------- */

/*
 * Held while the table is used, and while a stream's region is taken away or read by another
 * thread. Only with signals blocked on the stream's own stack, where nobody else's code runs.
 */
static bool lock(struct testing *t) {
    for (unsigned i = 0; i < LOCK_YIELDS; i++) {
        unsigned none = 0;
        if (atomic_compare_exchange_strong(&t->locked, &none, 1))
            return true;
        sys_yield();
    }
    return false;
}

static void unlock(struct testing *t) {
    atomic_store(&t->locked, 0);
}

/* ---- records ------------------------------------------------------------------------------ */

/* What the stream's region holds goes into the table. Locked. */
static void take(struct testing *t, struct stream *s) {
    struct tape_region *g = __atomic_load_n(&s->region, __ATOMIC_ACQUIRE);
    if (g == NULL)
        return;
    uint64_t end = __atomic_load_n(&g->end, __ATOMIC_ACQUIRE);
    if (s->source.taken < g->first) { /* lost, or left out for want of the lock */
        t->blocks.incomplete = true;
        s->source.taken = g->first;
    }
    for (; s->source.taken < end; s->source.taken++)
        blocks_take(&t->blocks, &s->source, &region_records(g)[s->source.taken - g->first], s->id);
}

/* All streams up to now, and what is known to be missing. Locked. */
static void take_all(struct testing *t, struct recorder *r) {
    uint64_t now = recorder_stamp(r), lost = atomic_load(&r->lost);
    for (struct stream *s = atomic_load(&r->streams); s != NULL; s = s->next) {
        take(t, s);
        lost += __atomic_load_n(&s->lost, __ATOMIC_RELAXED);
    }
    t->blocks.settled = now;
    if (lost != t->lost_before)
        t->blocks.incomplete = true;
}

bool testing_retires(struct stream *s) {
    struct testing *t = atomic_load(&recorder->testing);
    if (t == NULL || s->region == NULL)
        return false;
    if (!lock(t)) {
        t->blocks.incomplete = true;
        return false;
    }
    if (atomic_load(&t->ready))
        take(t, s);
    return true;
}

void testing_retired(void) {
    unlock(atomic_load(&recorder->testing));
}

/* ---- beginning to watch ------------------------------------------------------------------- */

/* The streams were always watched: nothing of this one has gone to the tape yet, and there is no
 * other. */
static bool sees_all(const struct recorder *r, const struct stream *s) {
    return s->next == NULL && atomic_load(&r->streams) == s && s->region != NULL &&
           s->region->first == 0 && s->waiting == NULL && s->lost == 0 &&
           atomic_load(&r->lost) == 0 && !atomic_load(&r->paused) && processes == 1;
}

static void keep_count(struct testing *t, struct stream *s) {
    if (s->end_kept == &s->end_unkept) { /* no images are wanted */
        t->kept_here = s->end;
        s->end_kept = &t->kept_here;
    }
    t->kept = s->end_kept;
}

/* Threads that took a region away before they could know of the table have done so. */
static void await_others(struct testing *t, struct recorder *r, const struct stream *self) {
    for (struct stream *s = atomic_load(&r->streams); s != NULL; s = s->next) {
        int i = 0;
        if (s == self)
            continue;
        while (__atomic_load_n(&s->calling, __ATOMIC_SEQ_CST) && i++ < CALL_YIELDS)
            sys_yield();
        if (i > CALL_YIELDS)
            t->blocks.incomplete = true;
    }
}

static void begin_at(struct testing *t, struct stream *s) {
    struct tape_region *g = __atomic_load_n(&s->region, __ATOMIC_ACQUIRE);
    s->source.taken = t->complete ? 0
                      : g != NULL ? __atomic_load_n(&g->end, __ATOMIC_ACQUIRE)
                                  : __atomic_load_n(s->end_kept, __ATOMIC_ACQUIRE);
    t->lost_before += __atomic_load_n(&s->lost, __ATOMIC_RELAXED);
}

/* On the stream's own stack. */
static void watch(void *arg) {
    struct stream *self = arg;
    struct recorder *r = atomic_load(&recorder);
    struct testing *t = sys_map(made_bytes()), *none = NULL;
    if (t == NULL)
        return;
    t->forked_at = NEVER;
    t->trusted_from = atomic_load(&r->paused) ? NEVER : 0;
    if (!blocks_make(&t->blocks) || !atomic_compare_exchange_strong(&r->testing, &none, t)) {
        blocks_free(&t->blocks);
        sys_unmap(t, made_bytes());
        return;
    }
    made = t;
    await_others(t, r, self);
    if (!lock(t))
        return;
    t->complete = sees_all(r, self);
    t->lost_before = atomic_load(&r->lost);
    for (struct stream *s = atomic_load(&r->streams); s != NULL; s = s->next)
        begin_at(t, s);
    if (self->id == 1)
        keep_count(t, self);
    atomic_store(&t->ready, true);
    unlock(t);
}

bool testing_is_likely(void) {
    static const char *const functions[] = {"heaptape_client_test_begin", NULL};
    return references_any(functions, true, "/libheaptape.so", 0);
}

void testing_prepare(struct stream *s) {
    const struct recorder *r = atomic_load(&recorder);
    if (s->busy == 0 && atomic_load(&r->state) == RECORDER_ON && atomic_load(&r->testing) == NULL &&
        testing_is_likely())
        stream_call_idle(s, watch, s);
}

void testing_active(bool active) {
    struct recorder *r = atomic_load(&recorder);
    struct testing *t = r != NULL ? atomic_load(&r->testing) : NULL;
    if (t == NULL)
        return;
    t->complete = false;
    atomic_store(&t->trusted_from, active ? recorder_stamp(r) : NEVER);
}

/* ---- forks -------------------------------------------------------------------------------- */

/*
 * A forked child sees the table as it was, but not the records that were to go into it. So it is
 * brought up to date before a fork; and where the process had no other stream, and has recorded
 * nothing in between, the child goes on with it. Otherwise it begins with none.
 */

void testing_new_stream(struct stream *s) {
    struct testing *t = atomic_load(&recorder->testing);
    if (t == NULL)
        return;
    if (s->id == 1)
        keep_count(t, s);
    else
        t->forked_at = NEVER;
}

static void get_ready(void *arg) {
    struct stream *s = arg;
    struct recorder *r = atomic_load(&recorder);
    struct testing *t = atomic_load(&r->testing);
    if (!lock(t))
        return;
    take_all(t, r);
    t->forked_at = s->end;
    unlock(t);
}

void testing_forks(void) {
    const struct recorder *r = atomic_load(&recorder);
    struct stream *s = stream_self;
    if (r == NULL || atomic_load(&r->testing) == NULL || s->magic != STREAM_MAGIC || s->busy != 0 ||
        s->id != 1 || atomic_load(&r->state) != RECORDER_ON || r->pid != sys_pid() ||
        atomic_load(&r->next_stream) != 1)
        return;
    stream_call_idle(s, get_ready, s);
}

void testing_inherit(struct recorder *r) {
    struct testing *t = made;
    processes++;
    if (t == NULL)
        return;
    made = NULL;
    owned_add(t, made_bytes());
    owned_add(t->blocks.slot, t->blocks.capacity * sizeof *t->blocks.slot);
    if (!t->complete || atomic_load(&t->locked) != 0 || t->blocks.incomplete || t->kept == NULL ||
        *t->kept != t->forked_at) {
        blocks_free(&t->blocks);
        sys_unmap(t, made_bytes());
        return;
    }
    t->blocks.tests = t->beyond = 0;
    t->blocks.resizing = NULL;
    t->lost_before = 0;
    t->forked_at = NEVER;
    made = t;
    atomic_store(&r->testing, t);
}

/* ---- tests -------------------------------------------------------------------------------- */

struct test {
    struct stream *stream;
    struct testing *testing;
    const char *name;
    size_t bytes;
    struct lost lost;
    struct seen_thread self;
    const struct region *region; /* of the look */
    uint64_t seen;               /* a stamp behind the instant that was looked at */
    bool look;                   /* some of its blocks live */
    bool unseen;                 /* there are blocks that no hook sees */
    bool blind;                  /* memory cannot be read */
    size_t size;                 /* bytes lost */
};

static void put_mark(struct stream *s, enum tape_mark kind, const char *name, size_t bytes) {
    struct stream_blob blob = {
        .stream = s, .op = TAPE_OP_MARK, .address = kind, .bytes = name, .size = bytes};
    stream_put_blob(&blob);
}

/* The stream of a thread that can mark tests, its recorder in order. */
static bool is_able(const struct stream *s, const struct recorder *r) {
    return s->busy == 0 && atomic_load(&r->state) == RECORDER_ON &&
           (sys_confined() || r->pid == sys_pid());
}

static void begin(void *arg) {
    struct test *a = arg;
    struct recorder *r = atomic_load(&recorder);
    if (atomic_load(&r->testing) == NULL)
        watch(a->stream);
    struct testing *t = atomic_load(&r->testing);
    if (t == NULL || !lock(t)) {
        put_mark(a->stream, TAPE_MARK_TEST_BEGIN, a->name, a->bytes);
        return;
    }
    bool room = t->blocks.tests < BLOCKS_TESTS;
    if (room) {
        unsigned n = t->blocks.tests;
        t->name_bytes[n] = a->bytes < NAME_BYTES ? a->bytes : NAME_BYTES;
        memcpy(t->name[n], a->name, t->name_bytes[n]);
        blocks_begin_test(&t->blocks, recorder_stamp(r));
    } else {
        t->beyond++;
    }
    unlock(t);
    if (room) /* behind the table's: from the mark on stamps are later than that */
        put_mark(a->stream, TAPE_MARK_TEST_BEGIN, a->name, a->bytes);
}

void testing_begin(struct stream *s, const char *name, size_t bytes) {
    struct test a = {.stream = s, .name = name, .bytes = bytes};
    if (is_able(s, atomic_load(&recorder)))
        stream_call_idle(s, begin, &a);
}

/* The mark needs the lock itself, so the name is taken first. False: there is no test. */
static bool put_end(struct testing *t, struct stream *s) {
    char name[NAME_BYTES + 1];
    if (!lock(t))
        return false;
    if (t->beyond > 0) {
        t->beyond--;
        unlock(t);
        return false;
    }
    bool open = t->blocks.tests > 0;
    size_t bytes = open ? t->name_bytes[t->blocks.tests - 1] : 0;
    if (open)
        memcpy(name, t->name[t->blocks.tests - 1], bytes);
    unlock(t);
    if (open)
        put_mark(s, TAPE_MARK_TEST_END, name, bytes);
    return open;
}

static void end(void *arg) {
    struct test *a = arg;
    struct testing *t = a->testing;
    uint64_t begun;
    if (!put_end(t, a->stream) || !lock(t))
        return;
    if (t->blocks.tests > 0) {
        take_all(t, atomic_load(&recorder));
        a->look = blocks_end_test(&t->blocks, &begun) != 0 && !t->blocks.incomplete &&
                  lost_collect(&a->lost, &t->blocks, begun);
    }
    unlock(t);
}

/* ---- looking ------------------------------------------------------------------------------ */

static bool want_regions(void *context) {
    struct test *a = context;
    a->seen = recorder_stamp(atomic_load(&recorder));
    return true;
}

static bool want_words(void *context, const struct scan_words *words) {
    struct test *a = context;
    return lost_add_words(&a->lost, a->region, words);
}

/* Blocks that no hook sees: another allocator's `operator new`. */
static bool has_unseen(void) {
    static const char *const operators[] = {"_Znw", "_Zna", "_Zdl", "_Zda", NULL};
    struct cfi_module own, libc;
    return cfi_find_module((uint64_t)(void *)real.malloc, &own) &&
           cfi_find_module(real_libc(), &libc) && own.start != libc.start &&
           references_any(operators, false, "/libstdc++.so", (uint64_t)(void *)real.malloc);
}

/* Whether a thread has been in realloc() since before the look: the block may have been anywhere.
 */
static bool has_resizing(const struct recorder *r, uint64_t seen) {
    for (const struct stream *s = atomic_load(&r->streams); s != NULL; s = s->next)
        if (s->source.resizes && s->source.since <= seen)
            return true;
    return false;
}

/* Takes the lock, with all that has been told; waits a little for threads that resize. */
static bool lock_settled(struct testing *t, uint64_t seen, bool *resizing) {
    struct recorder *r = atomic_load(&recorder);
    for (int i = 0;; i++) {
        if (!lock(t))
            return false;
        take_all(t, r);
        *resizing = has_resizing(r, seen);
        if (!*resizing || i >= RESIZE_YIELDS)
            return true;
        unlock(t);
        sys_yield();
    }
}

static enum lost_trust trust(const struct testing *t, bool hidden) {
    return hidden ? LOST_EVERYTHING : t->complete ? LOST_NOTHING : LOST_UNKNOWN;
}

static bool place(struct test *a, const struct image *m) {
    struct testing *t = a->testing;
    bool resizing;
    if (!lock_settled(t, a->seen, &resizing))
        return false;
    bool done = !t->blocks.incomplete &&
                lost_place_words(&a->lost, &t->blocks, m->share->region, m->share->regions,
                                 trust(t, a->unseen || resizing), atomic_load(&t->trusted_from));
    unlock(t);
    return done && lost_follow(&a->lost, &a->size);
}

/* One look; false when it has not come to its end. */
static bool look_once(struct test *a, bool careful, bool park) {
    const struct image_reader reader = {want_regions, want_words, a};
    struct image *m = image_provide();
    if (m == NULL)
        return false;
    m->careful = careful;
    m->only = a->lost.target;
    m->only_count = a->lost.count;
    a->region = m->share->region;
    a->lost.pointers = 0;
    image_prepare(m, atomic_load(&recorder)->pid, &a->self, NULL, sys_clock(CLOCK_MONOTONIC), park);
    enum image_result result = image_read(m, &reader);
    a->blind = m->share->blind;
    /* A word that was missed would make a loss of a block that is none. */
    if (result == IMAGE_UNWANTED || (m->share->why[0] != 0 && !a->blind))
        a->size = 0;
    else if (result == IMAGE_DONE && !a->blind && !place(a, m))
        a->size = 0;
    image_free(m);
    return result != IMAGE_DIED;
}

static void look(void *arg) {
    struct test *a = arg;
    extern char __libc_single_threaded;
#if defined(__SANITIZE_THREAD__) /* no copy can run with its runtime */
    bool done = false;
#else
    bool done = !sys_confined() && (look_once(a, false, false) || look_once(a, true, false));
#endif
    if (!done || a->blind)
        a->size = lost_all(&a->lost);
    else if (a->size != 0 && !__libc_single_threaded) /* once more, with everybody's registers */
        look_once(a, false, true);
    lost_free(&a->lost);
}

size_t testing_end(struct stream *s, const void *frame) {
    struct recorder *r = atomic_load(&recorder);
    struct test a = {.stream = s, .testing = atomic_load(&r->testing)};
    if (a.testing == NULL || !is_able(s, r))
        return 0;
    stream_call_idle(s, end, &a);
    if (!a.look) {
        lost_free(&a.lost);
        return 0;
    }
    a.unseen = has_unseen();
    image_see_caller(s, frame, &a.self);
    stream_call_idle(s, look, &a);
    return a.size;
}
