/* SPDX-License-Identifier: MIT */
/* Workers, segments and chunks: how full buffers become tape. */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zstd.h>

#include "recorder.h"
#include "sys.h"
#include "tape/events.h"

#define ZSTD_LEVEL 1
/* Segments behind the first two grow with the tape, in parts of it, up to this. */
#define SEGMENT_BYTES (1024 * 1024)
#define TAPE_PARTS    8
#define WORKER_YIELDS 100000 /* far more than compressing a full queue takes */

struct worker *worker_claim(struct recorder *r) {
    for (uint32_t i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->worker[i];
        unsigned expected = 0;
        if (atomic_load_explicit(&w->busy, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&w->busy, &expected, 1))
            return w;
    }
    return NULL;
}

struct worker *worker_await(struct recorder *r) {
    struct worker *w = worker_claim(r);
    for (int i = 0; w == NULL && i < WORKER_YIELDS; i++) {
        sys_yield();
        w = worker_claim(r);
    }
    return w;
}

void worker_release(struct worker *w) {
    atomic_store(&w->busy, 0);
}

bool worker_scratch(struct worker *w, size_t bytes) {
    if (bytes <= w->scratch_bytes)
        return true;
    bytes = tape_align(bytes, 4096);
    uint8_t *p = sys_map(bytes);
    if (p == NULL)
        return false;
    sys_absent_in_child(p, bytes);
    if (w->scratch != NULL)
        sys_unmap(w->scratch, w->scratch_bytes);
    w->scratch = p;
    w->scratch_bytes = bytes;
    return true;
}

static bool worker_zstd(struct worker *w) {
    if (w->zstd != NULL)
        return true;
    size_t bytes = tape_align(ZSTD_estimateCCtxSize(ZSTD_LEVEL), 4096);
    if (w->zstd_memory == NULL)
        w->zstd_memory = sys_map(bytes);
    if (w->zstd_memory == NULL)
        return false;
    sys_absent_in_child(w->zstd_memory, bytes);
    ZSTD_CCtx *zstd = ZSTD_initStaticCCtx(w->zstd_memory, bytes);
    if (zstd == NULL)
        return false;
    /* A static context starts with every parameter at zero, not at its default. */
    ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    w->zstd = zstd;
    return true;
}

void worker_provide(struct worker *w) {
    size_t columns = tape_events_scratch(MOST_RECORDS, MOST_RECORDS * 2, MOST_RECORDS);
    worker_scratch(w, columns + ZSTD_compressBound(columns));
    worker_zstd(w);
}

static void use_window(struct worker *w, uint8_t *p, uint64_t at, uint64_t bytes, uint64_t used) {
    if (w->window != NULL)
        sys_unmap(w->window, w->window_bytes);
    w->window = p;
    w->window_at = at;
    w->window_bytes = bytes;
    w->window_used = used;
}

int tape_create(struct recorder *r) {
    int error;
    uint8_t *p = sys_create_and_map(r->tape_path, 0, 2 * TAPE_SEGMENT_ALIGN, &r->tape_file, &error);
    if (p == NULL)
        return error;
    sys_absent_in_child(p, 2 * TAPE_SEGMENT_ALIGN);
    struct tape_file_header h = {.major = TAPE_VERSION_MAJOR, .minor = TAPE_VERSION_MINOR};
    memcpy(h.id, r->id, sizeof h.id);
    tape_put_file_header(p, &h);
    struct tape_segment_header segment = {.offset = TAPE_FILE_HEADER_BYTES,
                                          .length = TAPE_SEGMENT_ALIGN - TAPE_FILE_HEADER_BYTES};
    tape_put_segment_header(p + TAPE_FILE_HEADER_BYTES, &segment);
    use_window(&r->worker[0], p, 0, TAPE_SEGMENT_ALIGN,
               TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES);
    region_make_home(r, p + TAPE_SEGMENT_ALIGN, TAPE_SEGMENT_ALIGN);
    atomic_store(&r->tape_end, 2 * TAPE_SEGMENT_ALIGN);
    return 0;
}

/* What does not fit any more is left alone: smaller pieces may. */
static uint8_t *take_reserve(struct recorder *r, uint64_t bytes, uint64_t *at) {
    uint64_t left = atomic_load(&r->reserve_left);
    do {
        if (left < bytes)
            return NULL;
    } while (!atomic_compare_exchange_weak(&r->reserve_left, &left, left - bytes));
    uint64_t used = r->reserve_bytes - left; /* from the front, so that the rest can be cut off */
    *at = r->reserve_at + used;
    return r->reserve + used;
}

uint8_t *tape_extend(struct recorder *r, uint64_t bytes, uint64_t *at) {
    if (!sys_confined()) {
        uint64_t begin = atomic_fetch_add(&r->tape_end, bytes), end = begin + bytes;
        int error;
        uint8_t *p = sys_map_file(r->tape_path, &r->tape_file, begin, bytes, &error);
        if (p != NULL) {
            sys_absent_in_child(p, bytes);
            *at = begin;
            return p;
        }
        atomic_compare_exchange_strong(&r->tape_end, &end, begin);
    }
    return take_reserve(r, bytes, at);
}

/* A segment with room for a chunk of `span` bytes becomes the worker's window. */
static bool next_segment(struct recorder *r, struct worker *w, uint64_t span) {
    uint64_t bytes = tape_align(span + TAPE_SEGMENT_HEADER_BYTES, TAPE_SEGMENT_ALIGN);
    if (bytes == TAPE_SEGMENT_ALIGN) {
        uint8_t *p = atomic_exchange(&r->free_segment, NULL);
        if (p != NULL) {
            use_window(w, p, r->home_at, bytes, TAPE_SEGMENT_HEADER_BYTES);
            return true;
        }
    }
    /* Each worker leaves a part of its last segment unused: small tapes grow in small steps. */
    uint64_t step = tape_align(atomic_load(&r->tape_end) / TAPE_PARTS, TAPE_SEGMENT_ALIGN);
    if (bytes < step)
        bytes = step < SEGMENT_BYTES ? step : SEGMENT_BYTES;
    if (!recorder_may_grow(r, bytes))
        return false;
    uint64_t at;
    uint8_t *p = tape_extend(r, bytes, &at);
    if (p == NULL)
        return false;
    struct tape_segment_header h = {.offset = at, .length = bytes};
    tape_put_segment_header(p, &h);
    use_window(w, p, at, bytes, TAPE_SEGMENT_HEADER_BYTES);
    return true;
}

bool tape_append(struct recorder *r, struct worker *w, struct tape_chunk_header *h,
                 const void *payload, size_t bytes) {
    uint64_t span = tape_chunk_span((uint32_t)bytes);
    if (span > w->window_bytes - w->window_used && !next_segment(r, w, span))
        return false;
    uint8_t *at = w->window + w->window_used;
    memcpy(at + TAPE_CHUNK_HEADER_BYTES, payload, bytes);
    h->stored_bytes = (uint32_t)bytes;
    if (h->codec == TAPE_CODEC_STORED) {
        h->raw_bytes = (uint32_t)bytes;
        h->payload_crc = tape_crc32c(payload, bytes);
    }
    tape_put_chunk_header(at, h);
    tape_commit_chunk(at);
    w->window_used += span;
    return true;
}

size_t tape_packed_bound(size_t bytes) {
    return ZSTD_compressBound(bytes);
}

bool tape_append_packed(struct recorder *r, struct worker *w, struct tape_chunk_header *h,
                        const void *payload, size_t bytes, uint8_t *packed) {
    if (!worker_zstd(w))
        return false;
    size_t n = ZSTD_compress2(w->zstd, packed, ZSTD_compressBound(bytes), payload, bytes);
    if (ZSTD_isError(n) || n >= bytes)
        return tape_append(r, w, h, payload, bytes);
    h->codec = TAPE_CODEC_ZSTD;
    h->raw_bytes = (uint32_t)bytes;
    return tape_append(r, w, h, packed, n);
}

bool tape_append_region(struct recorder *r, struct worker *w, struct tape_region *g) {
    size_t count = (size_t)(g->end - g->first), frames = 0;
    if (count == 0)
        return true;
    const struct tape_record *records = region_records(g);
    for (size_t i = 0; i < count; i++)
        frames += records[i].push;
    size_t columns = tape_events_scratch(count, frames, g->addresses_used);
    size_t bound = ZSTD_compressBound(columns);
    if (!worker_scratch(w, columns + bound))
        return false;
    struct tape_encoded e =
        tape_encode_events(records, count, region_frames(g), frames, region_addresses(g),
                           g->addresses_used, g->generation, r->shift, w->scratch);
    struct tape_chunk_header h = {
        .type = TAPE_CHUNK_EVENTS,
        .stream = g->stream,
        .events = (uint32_t)count,
        .first_event = g->first,
        .first_stamp = e.first_stamp,
        .last_stamp = e.last_stamp,
        .lost = g->lost,
    };
    bool done = tape_append_packed(r, w, &h, e.payload, e.bytes, w->scratch + columns);
    if (done) /* one store: from here on the events are on the tape and not in the tail */
        __atomic_store_n(&g->first, g->end, __ATOMIC_RELEASE);
    return done;
}
