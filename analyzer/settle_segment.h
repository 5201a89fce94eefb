/* SPDX-License-Identifier: MIT */
/*
 * A segment of a tape that is put together in memory: the events of tail buffers as chunks.
 *
 * Everything is in its final form but the magic number of the first chunk, which is still zero: a
 * reader that meets the segment without it finds an empty one.
 */
#ifndef SETTLE_SEGMENT_H
#define SETTLE_SEGMENT_H

#include "tape_chunks.h"

/* Where the missing magic number belongs: it makes all chunks of the segment exist. */
#define SETTLE_COMMIT_AT TAPE_SEGMENT_HEADER_BYTES

struct settle_segment {
    uint8_t *bytes; /* the header first */
    uint64_t used;  /* bytes; 0: no chunk so far */
    uint64_t room;
};

/* The events of a buffer, all of them, as an EVENTS chunk with exact stamps. False when they are
 * more than a chunk may have. */
bool settle_segment_add_events(struct settle_segment *, const struct tape_piece *);

/* An empty buffer, the payload of a LATE chunk: it tells how far a stream has got and what it has
 * lost. */
struct tape_region settle_end_region(const uint8_t *id, uint32_t stream, uint64_t end,
                                     uint64_t lost);

/* A LATE chunk with an empty buffer: it tells how far a stream has got and what it has lost. */
void settle_segment_add_end(struct settle_segment *, const uint8_t *id, uint32_t stream,
                            uint64_t end, uint64_t lost);

/* A chunk of this type that is of no stream, compressed where that makes it smaller; `bytes` is at
 * most TAPE_CHUNK_MAX. */
void settle_segment_add_payload(struct settle_segment *, uint8_t type, const void *payload,
                                size_t bytes);

/* The segment will lie at this offset of the file. */
void settle_segment_place(struct settle_segment *, uint64_t at);

void settle_segment_free(struct settle_segment *);

#endif
