/* SPDX-License-Identifier: MIT */
#include "image_read.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "park.h"
#include "real.h"
#include "recorder.h"
#include "sys_image.h"

#define WAIT_NS  UINT64_C(50000000)   /* between two looks whether the copy is still there */
#define GRACE_NS UINT64_C(2000000000) /* for what the copy does between looks at the clock */
#define HALTS    16 /* tries for an instant at which no other thread is in realloc() */

/* A look and its reader. */
struct reading {
    struct image *image;
    const struct image_reader *to;
    bool began;    /* the reader has the regions */
    bool unwanted; /* it wanted no more */
};

static bool hand_on(struct reading *r, const struct scan_words *words) {
    if (!r->began && !r->to->regions(r->to->context))
        r->unwanted = true;
    r->began = true;
    if (!r->unwanted && words != NULL && !r->to->words(r->to->context, words))
        r->unwanted = true;
    return !r->unwanted;
}

/* ---- what the copy finds ------------------------------------------------------------------ */

/* Everything that has come since; false when no more is wanted. */
static bool take_ready(struct reading *r, unsigned *slot) {
    struct image_share *share = r->image->share;
    if (atomic_load(&share->ready) == 0)
        return true;
    if (!hand_on(r, NULL))
        return false;
    while (atomic_load(&share->slot[*slot].full) != 0) {
        if (!hand_on(r, &share->slot[*slot].words))
            return false;
        atomic_store(&share->slot[*slot].full, 0);
        sys_wake_word(&share->slot[*slot].full);
        *slot ^= 1;
    }
    return true;
}

/* True when the copy has come to its end in order. */
static bool follow_copy(struct reading *r, long pid) {
    struct image_share *share = r->image->share;
    unsigned slot = 0;
    bool ended = false;
    for (;;) {
        unsigned said = atomic_load(&share->said);
        bool finished = atomic_load(&share->finished) != 0;
        if (!take_ready(r, &slot))
            break;
        if (finished || ended)
            break;
        sys_wait_word(&share->said, said, WAIT_NS);
        if (atomic_load(&share->said) != said)
            continue;
        ended = sys_copy_ended(pid); /* once more behind it: what it said last */
        if (sys_clock(CLOCK_MONOTONIC) > r->image->deadline + GRACE_NS)
            break;
    }
    if (!ended)
        sys_copy_end(pid);
    return !r->unwanted && atomic_load(&share->finished) != 0;
}

/* The memory itself is read: there is no copy to be had. */
static struct scan_words *take_here(void *context, struct scan_words *words) {
    if (!hand_on(context, words))
        return NULL;
    words->runs = words->words = 0;
    return words;
}

static bool look_here(struct reading *r) {
    struct image *m = r->image;
    m->frozen = false;
    image_look(m, take_here, r, false);
    return take_here(r, &m->share->slot[0].words) != NULL;
}

/* ---- the look ----------------------------------------------------------------------------- */

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

/* Where the stack of the program's own functions begins: behind the frames of libc's exit(), which
 * has slots that it does not write. What earlier calls left there is no pointer of anyone's. */
static uint64_t behind_exit(struct unwind *u, uint64_t sp) {
    struct cfi_module libc, module;
    uint32_t i = 0;
    if (!cfi_find_module(real_libc(), &libc) || !unwind_full(u, sp))
        return sp;
    for (; i + 1 < u->fresh_count; i++)
        if (!cfi_find_module(u->rows[u->fresh[i].row].address - 1, &module) ||
            module.start != libc.start)
            break;
    return u->fresh_count != 0 ? u->fresh[i].sp : sp;
}

void image_see_caller(struct stream *s, const void *frame, struct seen_thread *self) {
    s->busy = (uintptr_t)frame; /* the unwinder is in use */
    self->sp = behind_exit(&s->unwind, arch_frame_sp(frame));
    unwind_registers(&s->unwind, self->sp, self->regs);
    self->sp += ARCH_RED_ZONE; /* it has called: nothing lies below */
    s->busy = 0;
}

/* Whether another thread is between the two events of a resize: its block may have moved already,
 * and then nobody but realloc() knows where it is, and what it points to. */
static bool others_resize(uint32_t self) {
    for (const struct stream *s = atomic_load(&recorder->streams); s != NULL; s = s->next) {
        uint32_t owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
        if (owner != 0 && owner != self && s->announced != ANNOUNCED_NOT)
            return true;
    }
    return false;
}

static void halt_others(struct image *m, uint32_t tid) {
    for (int i = 0; i < HALTS && park_claim(); i++) {
        m->parked = true;
        m->threads =
            1 + park_threads(m->pid, tid, m->thread + 1, IMAGE_THREADS - 1, &m->all_threads);
        if (i == HALTS - 1 || !others_resize(tid))
            return;
        park_release();
        m->parked = false;
        m->threads = 1;
        sys_yield();
    }
}

void image_prepare(struct image *m, uint32_t pid, const struct seen_thread *self,
                   const uint64_t *counts, uint64_t begun, bool park) {
    uint32_t tid = sys_tid();
    m->thread[0] = *self;
    m->thread[0].tid = tid;
    m->thread[0].thread_pointer = arch_thread_pointer();
    m->tid_at = find_tid(tid);
    m->pid = pid;
    m->counts = counts;
    m->deadline = begun + config.image_seconds * UINT64_C(1000000000);
    m->threads = 1;
    m->all_threads = true;
    m->parked = false;
    if (park)
        halt_others(m, tid);
}

static void let_go(const struct image *m) {
    if (!m->parked)
        return;
    if (m->last)
        park_keep();
    else
        park_release();
}

enum image_result image_read(struct image *m, const struct image_reader *reader) {
    struct reading r = {.image = m, .to = reader};
    m->frozen = true;
    long pid = sys_copy(image_copy, m, m->stack_top);
    bool copied = pid > 0;
    if (copied)
        let_go(m);
    bool done = copied ? follow_copy(&r, pid) : look_here(&r);
    if (!copied)
        let_go(m);
    return r.unwanted ? IMAGE_UNWANTED : done ? IMAGE_DONE : IMAGE_DIED;
}
