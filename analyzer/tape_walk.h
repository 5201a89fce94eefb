/* SPDX-License-Identifier: MIT */
/*
 * The pieces of one stream by ordinal, every event exactly once: what an earlier piece has already
 * is passed over, or skipped at a piece's front. Headers are read again from the file, so that
 * memory does not grow with the number of chunks.
 *
 * Several walks may go on at once, also in several threads; the tape must stay open and its streams
 * sorted.
 */
#ifndef TAPE_WALK_H
#define TAPE_WALK_H

#include "tape_chunks.h"

/* A run whose next piece is known. */
struct tape_walk_run {
    struct tape_piece piece;
    uint64_t after; /* where the header behind it lies */
    uint32_t left;  /* chunks of the run that come after it */
};

struct tape_walk {
    const struct tape_file *tape;
    size_t next, end; /* runs that are not open yet */
    struct tape_walk_run *open;
    uint32_t open_count, open_room;
    uint64_t expected; /* ordinal of the next event */
    uint64_t missing;  /* events in gaps so far */
    uint64_t lost;     /* as the recorder counted, so far */
};

/* Goes to the front of a stream. tape_walk_end must follow. */
void tape_walk_begin(struct tape_walk *, const struct tape_file *, const struct tape_stream *);
/* The next piece with events that are new; false: there is none. A chunk whose header has changed
 * since the tape was opened is passed over, as are those behind it in its run: see
 * tape_note_change. */
bool tape_walk_next(struct tape_walk *, struct tape_piece *);
void tape_walk_end(struct tape_walk *);

#endif
