/* SPDX-License-Identifier: MIT */
/* An image from the side of the process that it is of; image_look.c is what the copy does. */
#include "image.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "image_look.h"
#include "owned.h"
#include "park.h"
#include "real.h"
#include "sys_image.h"

#define WAIT_NS       UINT64_C(50000000)   /* between two looks whether the copy is still there */
#define GRACE_NS      UINT64_C(2000000000) /* for what the copy does between looks at the clock */
#define WORKER_YIELDS 100000               /* far more than compressing a full queue takes */

/* ---- numbers of events -------------------------------------------------------------------- */

/* A line of the cache for each stream, and the number of streams in the first. In a forked child
 * the same memory serves anew. */
#define COUNT_STRIDE 8
static uint64_t *counts;

uint64_t *image_count_of(uint32_t stream) {
    if (counts == NULL || stream >= IMAGE_STREAMS)
        return NULL;
    uint64_t had = __atomic_load_n(counts, __ATOMIC_RELAXED);
    while (had < stream && !__atomic_compare_exchange_n(counts, &had, stream, false,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    counts[stream * COUNT_STRIDE] = 0;
    return &counts[stream * COUNT_STRIDE];
}

void image_begin(void) {
    size_t bytes = (size_t)IMAGE_STREAMS * COUNT_STRIDE * sizeof *counts;
    if (config.image == IMAGE_NONE)
        return;
    if (counts == NULL)
        counts = sys_map(bytes);
    else
        counts = owned_add(counts, bytes);
    if (counts != NULL)
        counts[0] = 0;
}

/* ---- chunks ------------------------------------------------------------------------------- */

struct taking {
    struct recorder *r;
    enum tape_image_reason reason;
    const char *name;
    struct seen_thread self; /* the calling thread */
    uint64_t number, stamp, begun;
    struct image *image;
    bool put_image; /* the IMAGE chunk is on the tape */
    bool failed;    /* a chunk could not be had */
};

static struct worker *claim(const struct taking *t, size_t scratch) {
    struct worker *w = worker_claim(t->r);
    for (int i = 0; w == NULL && i < WORKER_YIELDS; i++) {
        sys_yield();
        w = worker_claim(t->r);
    }
    if (w != NULL && !worker_scratch(w, scratch)) {
        worker_release(w);
        w = NULL;
    }
    return w;
}

/* What was put to w->scratch, up to p, becomes a chunk. */
static bool put_chunk(struct taking *t, struct worker *w, uint8_t type, const uint8_t *p) {
    size_t bytes = (size_t)(p - w->scratch);
    struct tape_chunk_header h = {.type = type, .first_stamp = t->stamp, .last_stamp = t->stamp};
    bool done = tape_append_packed(t->r, w, &h, w->scratch, bytes,
                                   w->scratch + w->scratch_bytes - tape_packed_bound(bytes));
    worker_release(w);
    t->failed |= !done;
    return done;
}

static bool put_image(struct taking *t) {
    const struct image_share *share = t->image != NULL ? t->image->share : NULL;
    size_t regions = share != NULL ? share->regions : 0,
           streams = share != NULL ? share->streams : 0;
    size_t name = t->name != NULL ? strnlen(t->name, IMAGE_NAME) : 0;
    size_t room = 256 + name + (regions + 1) * (TAPE_REGION_FIELD_MAX + 4) + streams * 24;
    struct worker *w = claim(t, room + tape_packed_bound(room));
    if (w == NULL) {
        t->failed = true;
        return false;
    }
    uint8_t *p = w->scratch, text[TAPE_REGION_FIELD_MAX];
    p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_NUMBER, t->number);
    p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_REASON, t->reason);
    p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_STAMP, t->stamp);
    if (t->name != NULL)
        p = tape_put_info_bytes(p, (enum tape_info_tag)TAPE_IMAGE_NAME, t->name, name);
    p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_FROZEN,
                             share != NULL && t->image->frozen);
    for (size_t i = 0; i < streams; i++) {
        uint8_t *q = tape_put_varint(text, i + 1);
        q = tape_put_varint(q, share->events[i]);
        p = tape_put_info_bytes(p, (enum tape_info_tag)TAPE_IMAGE_STREAM, text, (size_t)(q - text));
    }
    for (size_t i = 0; i < regions; i++) {
        t->image->starts[i] = share->region[i].is.start;
        uint8_t *q = tape_put_image_region(text, &share->region[i].is);
        p = tape_put_info_bytes(p, (enum tape_info_tag)TAPE_IMAGE_REGION, text, (size_t)(q - text));
    }
    t->put_image = put_chunk(t, w, TAPE_CHUNK_IMAGE, p);
    return t->put_image;
}

static bool put_words(struct taking *t, const struct scan_words *words) {
    if (words->words == 0)
        return true;
    size_t room = tape_words_room(words->runs, words->words);
    struct worker *w = claim(t, room + tape_packed_bound(room));
    if (w == NULL) {
        t->failed = true;
        return false;
    }
    return put_chunk(t, w, TAPE_CHUNK_WORDS,
                     tape_put_words(w->scratch, t->number, words->run, words->runs, words->word,
                                    words->words, t->image->starts));
}

static void put_end(struct taking *t, const char *why) {
    const struct image_share *share = t->image != NULL ? t->image->share : NULL;
    size_t room = 512;
    struct worker *w = claim(t, room + tape_packed_bound(room));
    if (w == NULL)
        return;
    uint8_t *p = w->scratch;
    p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_NUMBER, t->number);
    if (share != NULL) {
        p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_END_WORDS, share->words);
        p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_END_SCANNED, share->scanned);
        p = tape_put_info_number(p, (enum tape_info_tag)TAPE_IMAGE_END_NS,
                                 sys_clock(CLOCK_MONOTONIC) - t->begun);
    }
    if (why != NULL)
        p = tape_put_info_bytes(p, (enum tape_info_tag)TAPE_IMAGE_END_WHY, why,
                                strnlen(why, IMAGE_WHY));
    put_chunk(t, w, TAPE_CHUNK_IMAGE_END, p);
}

/* An image that could not be taken is told of as well. */
static void put_nothing(struct taking *t, const char *why) {
    t->number = atomic_fetch_add(&t->r->images, 1) + 1;
    t->stamp = recorder_stamp(t->r);
    if (put_image(t))
        put_end(t, why);
}

/* ---- what the copy finds ------------------------------------------------------------------ */

/* Everything that has come since; false when no more is wanted. */
static bool take_ready(struct taking *t, unsigned *slot) {
    struct image_share *share = t->image->share;
    if (atomic_load(&share->ready) == 0)
        return true;
    if (!t->put_image && !put_image(t))
        return false;
    while (atomic_load(&share->slot[*slot].full) != 0) {
        if (!put_words(t, &share->slot[*slot].words))
            return false;
        atomic_store(&share->slot[*slot].full, 0);
        sys_wake_word(&share->slot[*slot].full);
        *slot ^= 1;
    }
    return true;
}

/* True when the copy has come to its end in order. */
static bool follow_copy(struct taking *t, long pid) {
    struct image_share *share = t->image->share;
    unsigned slot = 0;
    bool ended = false;
    for (;;) {
        unsigned said = atomic_load(&share->said);
        bool finished = atomic_load(&share->finished) != 0;
        if (!take_ready(t, &slot))
            break;
        if (finished || ended)
            break;
        sys_wait_word(&share->said, said, WAIT_NS);
        if (atomic_load(&share->said) != said)
            continue;
        ended = sys_copy_ended(pid); /* once more behind it: what it said last */
        if (sys_clock(CLOCK_MONOTONIC) > t->image->deadline + GRACE_NS)
            break;
    }
    if (!ended)
        sys_copy_end(pid);
    return !t->failed && atomic_load(&share->finished) != 0;
}

/* The memory itself is read: there is no copy to be had. */
static struct scan_words *take_here(void *context, struct scan_words *words) {
    struct taking *t = context;
    if ((!t->put_image && !put_image(t)) || !put_words(t, words))
        return NULL;
    words->runs = words->words = 0;
    return words;
}

static bool look_here(struct taking *t) {
    struct image *m = t->image;
    m->frozen = false;
    image_look(m, take_here, t, false);
    return take_here(t, &m->share->slot[0].words) != NULL;
}

/* ---- taking one --------------------------------------------------------------------------- */

/* Where the thread's id is kept, from the thread pointer on: glibc's list of robust mutexes, whose
 * place the kernel knows, comes two words behind it. */
static uint64_t find_tid(uint32_t tid) {
    uint64_t list = sys_robust_list(), self = arch_thread_pointer(), at = list - 16 - self;
    uint32_t found;
    if (list == 0 || at > 4096)
        return 0;
    memcpy(&found, (const void *)(self + at), sizeof found);
    return found == tid ? at : 0;
}

/* False when the copy has died. */
static bool take_with(struct taking *t, struct image *m) {
    uint32_t self = sys_tid();
    bool park = t->reason == TAPE_IMAGE_EXIT;
    t->number = atomic_fetch_add(&t->r->images, 1) + 1;
    t->put_image = false;
    m->thread[0] = t->self;
    m->thread[0].tid = self;
    m->thread[0].thread_pointer = arch_thread_pointer();
    m->tid_at = find_tid(self);
    m->pid = t->r->pid;
    m->counts = counts;
    m->deadline = t->begun + config.image_seconds * UINT64_C(1000000000);
    m->threads = 1;
    if (park)
        m->threads += park_threads(m->pid, self, m->thread + 1, IMAGE_THREADS - 1);
    t->stamp = recorder_stamp(t->r);
    m->frozen = true;
    long pid = sys_copy(image_copy, m, m->stack_top);
    bool copied = pid > 0, done;
    if (copied && park)
        park_release();
    done = copied ? follow_copy(t, pid) : look_here(t);
    if (!copied && park)
        park_release();
    if (done)
        put_end(t, m->share->why[0] != 0 ? m->share->why : NULL);
    else if (t->put_image && t->failed)
        put_end(t, "the tape has no room");
    return done || t->failed;
}

static void take(void *arg) {
    struct taking *t = arg;
    t->begun = sys_clock(CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        t->image = image_provide();
        if (t->image == NULL) {
            put_nothing(t, "there was no memory for it");
            return;
        }
        t->image->careful = i > 0;
        bool settled = take_with(t, t->image);
        image_free(t->image);
        t->image = NULL;
        if (settled)
            return;
    }
}

static void refuse(void *arg) {
    put_nothing(arg, "the program has installed a seccomp filter");
}

extern void *__libc_malloc(size_t);

/* Where the stack of the program's own functions begins: behind the frames of libc's exit(), which
 * has slots that it does not write. What earlier calls left there is no pointer of anyone's. */
static uint64_t behind_exit(struct unwind *u, uint64_t sp) {
    struct cfi_module libc, module;
    uint32_t i = 0;
    if (!cfi_find_module((uint64_t)(void *)&__libc_malloc, &libc) || !unwind_full(u, sp))
        return sp;
    for (; i + 1 < u->fresh_count; i++)
        if (!cfi_find_module(u->rows[u->fresh[i].row].address - 1, &module) ||
            module.start != libc.start)
            break;
    return u->fresh_count != 0 ? u->fresh[i].sp : sp;
}

void image_take(struct stream *s, enum tape_image_reason reason, const char *name,
                const void *frame) {
    struct recorder *r = atomic_load(&recorder);
    if (config.image == IMAGE_NONE ||
        (reason == TAPE_IMAGE_EXIT && config.image != IMAGE_AT_EXIT) ||
        atomic_load(&r->state) != RECORDER_ON || s->busy != 0)
        return;
    struct taking t = {.r = r, .reason = reason, .name = name};
    if (sys_confined()) {
        stream_call_idle(s, refuse, &t);
        return;
    }
    s->busy = (uintptr_t)frame; /* the unwinder is in use */
    t.self.sp = behind_exit(&s->unwind, arch_frame_sp(frame));
    unwind_registers(&s->unwind, t.self.sp, t.self.regs);
    t.self.sp += ARCH_RED_ZONE; /* it has called: nothing lies below */
    s->busy = 0;
    stream_call_idle(s, take, &t);
}
