/* SPDX-License-Identifier: MIT */
#include "settle_segment.h"

#include <stdlib.h>
#include <zstd.h>

#include "diag.h"

static uint8_t *more(struct settle_segment *s, uint64_t bytes) {
    if (s->used + bytes > s->room) {
        s->room = (s->used + bytes) * 2;
        s->bytes = xrealloc(s->bytes, s->room);
    }
    memset(s->bytes + s->used, 0, bytes);
    s->used += bytes;
    return s->bytes + s->used - bytes;
}

static void add_chunk(struct settle_segment *s, const struct tape_chunk_header *h,
                      const void *payload) {
    bool first = s->used == 0;
    if (first)
        more(s, TAPE_SEGMENT_HEADER_BYTES);
    uint8_t *at = more(s, tape_chunk_span(h->stored_bytes));
    tape_put_chunk_header(at, h);
    tape_put_bytes(at + TAPE_CHUNK_HEADER_BYTES, payload, h->stored_bytes);
    if (!first)
        tape_put_u32(at, TAPE_CHUNK_MAGIC);
}

/* A zstd frame with content size and checksum in `to`, or 0 when it would not be smaller. */
static size_t compress(uint8_t *to, size_t bound, const void *payload, size_t bytes) {
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (zstd == NULL)
        return 0;
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(zstd, to, bound, payload, bytes);
    ZSTD_freeCCtx(zstd);
    return ZSTD_isError(n) || n >= bytes ? 0 : n;
}

/* The header has everything but codec, stored length and checksum. */
static void add_packed(struct settle_segment *s, struct tape_chunk_header *h, const void *payload) {
    size_t bound = ZSTD_compressBound(h->raw_bytes);
    uint8_t *packed = xmalloc(bound);
    h->codec = TAPE_CODEC_ZSTD;
    h->stored_bytes = (uint32_t)compress(packed, bound, payload, h->raw_bytes);
    if (h->stored_bytes == 0) {
        h->codec = TAPE_CODEC_STORED;
        h->stored_bytes = h->raw_bytes;
        h->payload_crc = tape_crc32c(payload, h->stored_bytes);
    }
    add_chunk(s, h, h->codec == TAPE_CODEC_STORED ? payload : packed);
    free(packed);
}

void settle_segment_add_payload(struct settle_segment *s, uint8_t type, const void *payload,
                                size_t bytes) {
    struct tape_chunk_header h = {.type = type, .raw_bytes = (uint32_t)bytes};
    add_packed(s, &h, payload);
}

bool settle_segment_add_events(struct settle_segment *s, const struct tape_piece *p) {
    const struct tape_buffer *b = p->buffer;
    if (b->records == 0 || b->records > TAPE_EVENTS_MAX || b->frames > TAPE_FRAMES_MAX ||
        b->addresses > TAPE_FRAMES_MAX)
        return false;
    const unsigned exact = 0; /* the buffer's stamps are, and `dump` shows them */
    uint8_t *scratch = xmalloc(tape_events_scratch(b->records, b->frames, b->addresses));
    struct tape_encoded e =
        tape_encode_events(b->record, b->records, b->frame, b->frames, b->address, b->addresses,
                           b->generation, exact, scratch);
    bool fits = e.bytes <= TAPE_CHUNK_MAX;
    if (fits) {
        struct tape_chunk_header h = {.type = TAPE_CHUNK_EVENTS,
                                      .raw_bytes = (uint32_t)e.bytes,
                                      .stream = p->stream,
                                      .events = b->records,
                                      .first_event = p->first,
                                      .first_stamp = e.first_stamp,
                                      .last_stamp = e.last_stamp,
                                      .lost = p->lost};
        add_packed(s, &h, e.payload);
    }
    free(scratch);
    return fits;
}

struct tape_region settle_end_region(const uint8_t *id, uint32_t stream, uint64_t end,
                                     uint64_t lost) {
    struct tape_region g = {.magic = TAPE_REGION_MAGIC,
                            .stream = stream,
                            .length = sizeof g,
                            .first = end,
                            .end = end,
                            .lost = lost,
                            .records_at = sizeof g,
                            .frames_at = sizeof g,
                            .addresses_at = sizeof g};
    memcpy(g.id, id, sizeof g.id);
    return g;
}

void settle_segment_add_end(struct settle_segment *s, const uint8_t *id, uint32_t stream,
                            uint64_t end, uint64_t lost) {
    struct tape_region g = settle_end_region(id, stream, end, lost);
    const struct tape_chunk_header h = {.type = TAPE_CHUNK_LATE,
                                        .codec = TAPE_CODEC_STORED,
                                        .stored_bytes = sizeof g,
                                        .raw_bytes = sizeof g,
                                        .stream = stream};
    add_chunk(s, &h, &g);
}

void settle_segment_place(struct settle_segment *s, uint64_t at) {
    const struct tape_segment_header h = {.offset = at, .length = s->used};
    tape_put_segment_header(s->bytes, &h);
}

void settle_segment_free(struct settle_segment *s) {
    free(s->bytes);
    *s = (struct settle_segment){0};
}
