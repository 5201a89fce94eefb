/* SPDX-License-Identifier: MIT */
#include "image_chunks.h"

#include <string.h>
#include <time.h>

static struct worker *claim(const struct taking *t, size_t scratch) {
    struct worker *w = worker_await(t->r);
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

bool image_put(struct taking *t) {
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
    p = tape_put_info_number(p, TAPE_IMAGE_NUMBER, t->number);
    p = tape_put_info_number(p, TAPE_IMAGE_REASON, t->reason);
    p = tape_put_info_number(p, TAPE_IMAGE_STAMP, t->stamp);
    if (t->name != NULL)
        p = tape_put_info_bytes(p, TAPE_IMAGE_NAME, t->name, name);
    p = tape_put_info_number(p, TAPE_IMAGE_FROZEN, share != NULL && t->image->frozen);
    for (size_t i = 0; i < streams; i++) {
        uint8_t *q = tape_put_varint(text, i + 1);
        q = tape_put_varint(q, share->events[i]);
        p = tape_put_info_bytes(p, TAPE_IMAGE_STREAM, text, (size_t)(q - text));
    }
    for (size_t i = 0; i < regions; i++) {
        t->image->starts[i] = share->region[i].is.start;
        uint8_t *q = tape_put_image_region(text, &share->region[i].is);
        p = tape_put_info_bytes(p, TAPE_IMAGE_REGION, text, (size_t)(q - text));
    }
    t->put_image = put_chunk(t, w, TAPE_CHUNK_IMAGE, p);
    return t->put_image;
}

bool image_put_words(struct taking *t, const struct scan_words *words) {
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

void image_put_end(struct taking *t, const char *why) {
    const struct image_share *share = t->image != NULL ? t->image->share : NULL;
    size_t regions = share != NULL ? share->regions : 0, room = 512;
    for (size_t i = 0; i < regions; i++)
        room += (share->region[i].is.flags & TAPE_REGION_PARTLY) != 0 ? 2 + TAPE_VARINT_MAX : 0;
    struct worker *w = claim(t, room + tape_packed_bound(room));
    if (w == NULL)
        return;
    uint8_t *p = w->scratch;
    p = tape_put_info_number(p, TAPE_IMAGE_NUMBER, t->number);
    if (share != NULL) {
        p = tape_put_info_number(p, TAPE_IMAGE_END_WORDS, share->words);
        p = tape_put_info_number(p, TAPE_IMAGE_END_SCANNED, share->scanned);
        p = tape_put_info_number(p, TAPE_IMAGE_END_NS, sys_clock(CLOCK_MONOTONIC) - t->begun);
    }
    if (why != NULL)
        p = tape_put_info_bytes(p, TAPE_IMAGE_END_WHY, why, strnlen(why, IMAGE_WHY));
    for (size_t i = 0; i < regions; i++)
        if ((share->region[i].is.flags & TAPE_REGION_PARTLY) != 0)
            p = tape_put_info_number(p, TAPE_IMAGE_END_PARTLY, i);
    put_chunk(t, w, TAPE_CHUNK_IMAGE_END, p);
}

void image_put_nothing(struct taking *t, const char *why) {
    t->number = atomic_fetch_add(&t->r->images, 1) + 1;
    t->stamp = recorder_stamp(t->r);
    if (image_put(t))
        image_put_end(t, why);
}
