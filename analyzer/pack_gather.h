/* SPDX-License-Identifier: MIT */
/*
 * Events of several pieces of a stream gathered into one buffer, to be coded as one chunk.
 *
 * A piece begins with an empty stack. Here its events change the stack that the events gathered
 * before have left, so what many pieces say anew is said once. Stacks, order and stamps stay what
 * they are to a reader of the pieces. Not thread-safe; several may be in use at once.
 */
#ifndef PACK_GATHER_H
#define PACK_GATHER_H

#include "tape_chunks.h"

struct pack_gather {
    struct tape_buffer buffer; /* what has been gathered; shift and generation are all pieces' */
    uint32_t stream;
    uint64_t first, end; /* ordinals; equal: nothing is gathered */
    uint64_t lost;       /* events of the stream lost up to there */
    uint64_t stamp;      /* of the stream's last event: no later one is less */
    struct pack_slot {
        uint64_t address;
        uint32_t index; /* into buffer.address, + 1; 0: free */
    } * slot;           /* open addressing, a power of two, half full at most */
    uint32_t slots;
    uint64_t *stack, *said; /* return addresses: of the piece; behind the last gathered event */
    uint32_t depth, said_depth;
    size_t stack_room, said_room;
};

/* Zeroed memory is a new one. Begins another stream; nothing may be gathered. */
void pack_gather_stream(struct pack_gather *, uint32_t stream);

/* Whether the piece, decoded to `b`, can follow what is gathered: no gap, same generation and unit
 * of time, no more events than `limit` together, nor
 * 16 times as many frames. Always when nothing is gathered. */
bool pack_gather_fits(const struct pack_gather *, const struct tape_piece *,
                      const struct tape_buffer *b, uint32_t limit);

/* Adds the events of a piece that fits, but for those that it skips. Returns how many events of the
 * piece are good, the skipped ones included; *error is why these are not all, or TAPE_OK. */
uint32_t pack_gather_add(struct pack_gather *, const struct tape_piece *,
                         const struct tape_buffer *b, enum tape_error *error);

/* Forgets what is gathered, which has been written. */
void pack_gather_flushed(struct pack_gather *);

void pack_gather_free(struct pack_gather *);

#endif
