/* SPDX-License-Identifier: MIT */
/* A look at the process's memory becomes chunks of the tape. */
#include "image.h"

#include <string.h>
#include <time.h>

#include "config.h"
#include "image_chunks.h"
#include "image_read.h"
#include "owned.h"

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

/* ---- taking one --------------------------------------------------------------------------- */

static bool begin_image(void *context) {
    return image_put(context);
}

static bool take_words(void *context, const struct scan_words *words) {
    return image_put_words(context, words);
}

/* False when the copy has died. */
static bool take_with(struct taking *t, struct image *m) {
    const struct image_reader reader = {begin_image, take_words, t};
    t->number = atomic_fetch_add(&t->r->images, 1) + 1;
    t->put_image = false;
    image_prepare(m, t->r->pid, &t->self, counts, t->begun, t->reason == TAPE_IMAGE_EXIT);
    t->stamp = recorder_stamp(t->r);
    m->last = t->reason == TAPE_IMAGE_EXIT;
    enum image_result result = image_read(m, &reader);
    if (result == IMAGE_DONE)
        image_put_end(t, m->share->why[0] != 0 ? m->share->why : NULL);
    else if (t->put_image && t->failed)
        image_put_end(t, "the tape has no room");
    return result != IMAGE_DIED;
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
    image_see_caller(s, frame, &t.self);
    stream_call_idle(s, take, &t);
}
