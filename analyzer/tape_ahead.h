/* SPDX-License-Identifier: MIT */
/*
 * Chunks of a tape decoded by a second thread before they are asked for, in the order in which
 * merge will ask: by first stamp. A few are kept ready, so memory is bounded; a chunk that is asked
 * for before its turn is decoded by the asking thread itself. Where there is one processor, or
 * little to decode, there is no second thread.
 *
 * One thread asks. The tape must stay open until tape_ahead_free.
 */
#ifndef TAPE_AHEAD_H
#define TAPE_AHEAD_H

#include "tape_chunks.h"

struct tape_ahead;

struct tape_ahead *tape_ahead_new(const struct tape_file *);
void tape_ahead_free(struct tape_ahead *);

/* The events of a chunk of tape->stream[stream], as tape_walk gave it. The chunks of a stream are
 * asked for in order, each once at most. It belongs to the caller until it is given back, and may
 * be changed. */
struct tape_buffer *tape_ahead_take(struct tape_ahead *, uint32_t stream,
                                    const struct tape_piece *);
void tape_ahead_give_back(struct tape_ahead *, struct tape_buffer *);

#endif
