/* SPDX-License-Identifier: MIT */
/* An image from the side of the process that it is of; image_look.c is what the copy does. */
#include "image.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "image_chunks.h"
#include "owned.h"
#include "park.h"
#include "real.h"
#include "sys_image.h"

#define WAIT_NS  UINT64_C(50000000)   /* between two looks whether the copy is still there */
#define GRACE_NS UINT64_C(2000000000) /* for what the copy does between looks at the clock */

/* ---- numbers of events -------------------------------------------------------------------- */

/* A line of the cache for each stream; in the first the number of streams, and whether there were
 * more. In a forked child the same memory serves anew. */
static uint64_t *counts;

uint64_t *image_count_of(uint32_t stream) {
    if (counts == NULL)
        return NULL;
    if (stream >= IMAGE_STREAMS) {
        __atomic_store_n(&counts[IMAGE_COUNTS_MORE], 1, __ATOMIC_RELAXED);
        return NULL;
    }
    uint64_t had = __atomic_load_n(counts, __ATOMIC_RELAXED);
    while (had < stream && !__atomic_compare_exchange_n(counts, &had, stream, false,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    counts[stream * IMAGE_COUNTS_STRIDE] = 0;
    return &counts[stream * IMAGE_COUNTS_STRIDE];
}

void image_begin(void) {
    size_t bytes = (size_t)IMAGE_STREAMS * IMAGE_COUNTS_STRIDE * sizeof *counts;
    if (config.image == IMAGE_NONE)
        return;
    if (counts == NULL)
        counts = sys_map(bytes);
    else
        counts = owned_add(counts, bytes);
    if (counts != NULL)
        counts[0] = counts[IMAGE_COUNTS_MORE] = 0;
}

/* ---- what the copy finds ------------------------------------------------------------------ */

/* Everything that has come since; false when no more is wanted. */
static bool take_ready(struct taking *t, unsigned *slot) {
    struct image_share *share = t->image->share;
    if (atomic_load(&share->ready) == 0)
        return true;
    if (!t->put_image && !image_put(t))
        return false;
    while (atomic_load(&share->slot[*slot].full) != 0) {
        if (!image_put_words(t, &share->slot[*slot].words))
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
    if ((!t->put_image && !image_put(t)) || !image_put_words(t, words))
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
    m->all_threads = true;
    if (park)
        m->threads += park_threads(m->pid, self, m->thread + 1, IMAGE_THREADS - 1, &m->all_threads);
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
        image_put_end(t, m->share->why[0] != 0 ? m->share->why : NULL);
    else if (t->put_image && t->failed)
        image_put_end(t, "the tape has no room");
    return done || t->failed;
}

static void take(void *arg) {
    struct taking *t = arg;
    t->begun = sys_clock(CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        t->image = image_provide();
        if (t->image == NULL) {
            image_put_nothing(t, "there was no memory for it");
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
    image_put_nothing(arg, "the program has installed a seccomp filter");
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
    if (!sys_confined() && r->pid != sys_pid())
        return; /* a vfork child in its parent's memory */
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
