/* SPDX-License-Identifier: MIT */
/*
 * The PACKED chunk, the last one of a packed tape: what the recording was before, in fields of the
 * form of info.h.
 */
#ifndef TAPE_PACKED_H
#define TAPE_PACKED_H

#include "info.h"

enum tape_packed_tag {
    TAPE_PACKED_BY = 1,      /* text: version of the packer */
    TAPE_PACKED_BYTES = 2,   /* number: size of the recording as it was recorded */
    TAPE_PACKED_CHUNKS = 3,  /* number: chunks and buffers with events that it had */
    TAPE_PACKED_GRAIN = 4,   /* number: log2 of the unit of its time columns in ticks */
    TAPE_PACKED_CLOCK = 5,   /* numbers: stamp, CLOCK_MONOTONIC: the last pair that is known */
    TAPE_PACKED_DAMAGED = 6, /* numbers: damaged places, bytes skipped there; absent: none */
    TAPE_PACKED_DAMAGE = 7,  /* text: one line about the first of them */
};

/* A field of two numbers. */
static inline uint8_t *tape_put_packed_pair(uint8_t *p, enum tape_packed_tag tag, uint64_t a,
                                            uint64_t b) {
    uint8_t bytes[2 * TAPE_VARINT_MAX];
    size_t n = (size_t)(tape_put_varint(tape_put_varint(bytes, a), b) - bytes);
    return tape_put_info_bytes(p, tag, bytes, n);
}

#endif
