/* SPDX-License-Identifier: MIT */
/*
 * All streams of a tape in one order, each event with its call stack.
 *
 * Order: by stamp, in the grain of the tape's time columns, then by stream; events of one stream
 * keep their order. Chunks are decoded when the order reaches them and dropped behind their last
 * event, so memory depends on the number of streams, not of events.
 */
#ifndef MERGE_H
#define MERGE_H

#include "stacks.h"
#include "tape_chunks.h"

struct merge;

/* Consecutive events of one stream that come before those of all others. */
struct merge_run {
    const struct tape_record *record;
    const uint32_t *stack; /* by event: its stack, or where the bytes of a BLOB begin in frame */
    const uint32_t *frame;
    uint32_t count;
    uint32_t ahead;  /* events from the first on that have just been decoded; 0: the run goes on
                        with ones that were announced before */
    uint32_t index;  /* of the stream: below merge_stream_count */
    uint32_t stream; /* its id on the tape */
    uint64_t first;  /* ordinal of the first event within the stream */
};

/* Takes note of a MODULE_LOAD or MODULE_UNLOAD event, whose bytes these are. */
enum tape_error merge_read_module(struct stacks *, const struct tape_record *,
                                  const uint32_t *bytes);

/* Modules and stacks go to `stacks`; both arguments must outlive the object. */
struct merge *merge_new(struct tape_file *, struct stacks *stacks);
void merge_free(struct merge *);
uint32_t merge_stream_count(const struct merge *);

/* The next run; false behind the last event. */
bool merge_next(struct merge *, struct merge_run *);

/* What the order knows of a stamp: events with the same key may have happened in any order. */
uint64_t merge_key(const struct merge *, uint64_t stamp);

#endif
