/* SPDX-License-Identifier: MIT */
/*
 * The container: file header, segments, chunks. Normative text: docs/FORMAT.md.
 *
 *   tape    := file-header segment*
 *   segment := segment-header chunk* zero-bytes*
 *   chunk   := chunk-header payload (padded to 8)
 *
 * The writer fills a segment through a mapping and stores a chunk's magic number last, so a zero
 * word where a chunk header belongs is the end of what was written in that segment. Segments
 * start at multiples of TAPE_SEGMENT_ALIGN (the first one right behind the file header), which
 * lets a reader find the next one when a segment header is damaged.
 *
 * Thread safety: all functions are pure. None allocates.
 */
#ifndef TAPE_FORMAT_H
#define TAPE_FORMAT_H

#include "bytes.h"

#define TAPE_VERSION_MAJOR  1           /* a reader refuses a higher one */
#define TAPE_VERSION_MINOR  0           /* a reader accepts any */
#define TAPE_FEATURE_PACKED UINT64_C(1) /* EVENTS chunks of layout 3 */
#define TAPE_FEATURES_KNOWN TAPE_FEATURE_PACKED

#define TAPE_ID_BYTES             16
#define TAPE_FILE_HEADER_BYTES    64
#define TAPE_SEGMENT_HEADER_BYTES 32
#define TAPE_SEGMENT_ALIGN        65536
#define TAPE_CHUNK_HEADER_BYTES   64
#define TAPE_CHUNK_ALIGN          8
#define TAPE_CHUNK_MAX            (UINT32_C(1) << 30) /* payload bytes, stored or decoded */

#define TAPE_SEGMENT_MAGIC UINT32_C(0x47455348) /* "HSEG" */
#define TAPE_CHUNK_MAGIC   UINT32_C(0x4b484348) /* "HCHK" */

static const uint8_t tape_file_magic[8] = {0x89, 'H', 'T', 'A', 'P', 'E', '\r', '\n'};

/* ---- file header -------------------------------------------------------------------------- */

struct tape_file_header {
    uint16_t major, minor;
    uint64_t features; /* a reader must know every bit */
    uint8_t id[TAPE_ID_BYTES];
};

static inline void tape_put_file_header(uint8_t *at, const struct tape_file_header *h) {
    uint8_t *p = tape_put_bytes(at, tape_file_magic, sizeof tape_file_magic);
    p = tape_put_u16(p, h->major);
    p = tape_put_u16(p, h->minor);
    p = tape_put_u32(p, TAPE_FILE_HEADER_BYTES);
    p = tape_put_u64(p, h->features);
    p = tape_put_bytes(p, h->id, TAPE_ID_BYTES);
    memset(p, 0, (size_t)(at + 60 - p));
    tape_put_u32(at + 60, tape_crc32c(at, 60));
}

/* in: at least TAPE_FILE_HEADER_BYTES from the start of the file. */
static inline enum tape_error tape_get_file_header(struct tape_in *in, struct tape_file_header *h) {
    const uint8_t *at = tape_get_bytes(in, TAPE_FILE_HEADER_BYTES);
    if (at == NULL)
        return in->error;
    struct tape_in f = tape_in_of(at, TAPE_FILE_HEADER_BYTES);
    if (memcmp(tape_get_bytes(&f, 8), tape_file_magic, 8) != 0)
        return TAPE_E_MAGIC;
    h->major = tape_get_u16(&f);
    h->minor = tape_get_u16(&f);
    uint32_t length = tape_get_u32(&f);
    h->features = tape_get_u64(&f);
    memcpy(h->id, tape_get_bytes(&f, TAPE_ID_BYTES), TAPE_ID_BYTES);
    f = tape_in_of(at + 60, 4);
    if (tape_get_u32(&f) != tape_crc32c(at, 60))
        return TAPE_E_CHECKSUM;
    if (h->major > TAPE_VERSION_MAJOR)
        return TAPE_E_VERSION;
    if ((h->features & ~TAPE_FEATURES_KNOWN) != 0)
        return TAPE_E_FEATURE;
    return length == TAPE_FILE_HEADER_BYTES ? TAPE_OK : TAPE_E_LIMIT;
}

/* ---- segment header ----------------------------------------------------------------------- */

struct tape_segment_header {
    uint64_t offset; /* of this segment in the file, bytes */
    uint64_t length; /* from this header to the end of the segment, bytes */
};

static inline void tape_put_segment_header(uint8_t *at, const struct tape_segment_header *h) {
    uint8_t *p = tape_put_u32(at, TAPE_SEGMENT_MAGIC);
    p = tape_put_u64(p, h->offset);
    p = tape_put_u64(p, h->length);
    memset(p, 0, (size_t)(at + 28 - p));
    tape_put_u32(at + 28, tape_crc32c(at, 28));
}

static inline enum tape_error tape_get_segment_header(struct tape_in *in,
                                                      struct tape_segment_header *h) {
    const uint8_t *at = tape_get_bytes(in, TAPE_SEGMENT_HEADER_BYTES);
    if (at == NULL)
        return in->error;
    struct tape_in f = tape_in_of(at, TAPE_SEGMENT_HEADER_BYTES);
    if (tape_get_u32(&f) != TAPE_SEGMENT_MAGIC)
        return TAPE_E_MAGIC;
    h->offset = tape_get_u64(&f);
    h->length = tape_get_u64(&f);
    f = tape_in_of(at + 28, 4);
    return tape_get_u32(&f) == tape_crc32c(at, 28) ? TAPE_OK : TAPE_E_CHECKSUM;
}

/* ---- chunk header ------------------------------------------------------------------------- */

enum tape_chunk_type {
    TAPE_CHUNK_INFO = 1,        /* what ran: info.h fields */
    TAPE_CHUNK_EVENTS = 2,      /* consecutive events of one stream: events.h */
    TAPE_CHUNK_LATE = 3,        /* an event buffer in tail form (tail.h), appended to in place */
    TAPE_CHUNK_CLOSE = 4,       /* the recording was ended in order: info.h fields */
    TAPE_CHUNK_IMAGE = 5,       /* a heap image begins: image.h fields */
    TAPE_CHUNK_WORDS = 6,       /* some of its words: image.h */
    TAPE_CHUNK_IMAGE_END = 7,   /* it is whole: image.h fields */
    TAPE_CHUNK_SYMBOLS = 16,    /* names of code, in packed tapes: symbols.h */
    TAPE_CHUNK_PACKED = 17,     /* the end of a packed tape: packed.h fields */
    TAPE_CHUNK_CODE_MAP = 20,   /* names of code made at run time: lines of text */
    TAPE_CHUNK_UNRECORDED = 21, /* programs that were started and left no recording: list of texts,
                                   a path and a reason each */
};

enum tape_codec { TAPE_CODEC_STORED = 0, TAPE_CODEC_ZSTD = 1 };

struct tape_chunk_header {
    uint8_t type;          /* enum tape_chunk_type; unknown ones are skipped */
    uint8_t codec;         /* enum tape_codec */
    uint16_t flags;        /* reserved, 0 */
    uint32_t stored_bytes; /* payload as stored */
    uint32_t raw_bytes;    /* payload when decompressed */
    uint32_t stream;       /* whose events; 0 for chunks that have none */
    uint32_t events;       /* number of events */
    uint64_t first_event;  /* ordinal of the first event within its stream, from 0 */
    uint64_t first_stamp;  /* ticks */
    uint64_t last_stamp;   /* ticks */
    uint64_t lost;         /* events of this stream lost so far, not counted by the ordinals */
    uint32_t payload_crc;  /* CRC-32C of the stored payload; 0 in LATE, which changes in place */
};

/* Stores everything but the magic number; tape_commit_chunk makes the chunk exist. */
static inline void tape_put_chunk_header(uint8_t *at, const struct tape_chunk_header *h) {
    uint8_t *p = at + 4;
    p = tape_put_u8(p, h->type);
    p = tape_put_u8(p, h->codec);
    p = tape_put_u16(p, h->flags);
    p = tape_put_u32(p, h->stored_bytes);
    p = tape_put_u32(p, h->raw_bytes);
    p = tape_put_u32(p, h->stream);
    p = tape_put_u32(p, h->events);
    p = tape_put_u64(p, h->first_event);
    p = tape_put_u64(p, h->first_stamp);
    p = tape_put_u64(p, h->last_stamp);
    p = tape_put_u64(p, h->lost);
    p = tape_put_u32(p, h->payload_crc);
    tape_put_u32(p, tape_crc32c(at + 4, 56));
}

/* at: 8-byte aligned. One aligned store behind all others, so a reader sees all or nothing. */
static inline void tape_commit_chunk(uint8_t *at) {
    uint8_t magic[4];
    uint32_t word;
    tape_put_u32(magic, TAPE_CHUNK_MAGIC);
    memcpy(&word, magic, sizeof word);
    __atomic_store_n((uint32_t *)(void *)at, word, __ATOMIC_RELEASE);
}

static inline enum tape_error tape_get_chunk_header(struct tape_in *in,
                                                    struct tape_chunk_header *h) {
    const uint8_t *at = tape_get_bytes(in, TAPE_CHUNK_HEADER_BYTES);
    if (at == NULL)
        return in->error;
    struct tape_in f = tape_in_of(at, TAPE_CHUNK_HEADER_BYTES);
    if (tape_get_u32(&f) != TAPE_CHUNK_MAGIC)
        return TAPE_E_MAGIC;
    h->type = tape_get_u8(&f);
    h->codec = tape_get_u8(&f);
    h->flags = tape_get_u16(&f);
    h->stored_bytes = tape_get_u32(&f);
    h->raw_bytes = tape_get_u32(&f);
    h->stream = tape_get_u32(&f);
    h->events = tape_get_u32(&f);
    h->first_event = tape_get_u64(&f);
    h->first_stamp = tape_get_u64(&f);
    h->last_stamp = tape_get_u64(&f);
    h->lost = tape_get_u64(&f);
    h->payload_crc = tape_get_u32(&f);
    if (tape_get_u32(&f) != tape_crc32c(at + 4, 56))
        return TAPE_E_CHECKSUM;
    if (h->stored_bytes > TAPE_CHUNK_MAX || h->raw_bytes > TAPE_CHUNK_MAX)
        return TAPE_E_LIMIT;
    return TAPE_OK;
}

static inline uint64_t tape_align(uint64_t n, uint64_t to) {
    return (n + to - 1) / to * to;
}

/* Bytes of a chunk in the file, header and padding included. */
static inline uint64_t tape_chunk_span(uint32_t stored_bytes) {
    return tape_align(TAPE_CHUNK_HEADER_BYTES + (uint64_t)stored_bytes, TAPE_CHUNK_ALIGN);
}

#endif
