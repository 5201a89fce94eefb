/* SPDX-License-Identifier: MIT */
/*
 * A recording as massif would have seen it: snapshots spread evenly over the run, some of them with
 * a call tree. Like massif's own, but the peak is exact.
 *
 * A snapshot is taken behind heap changes: allocation, free, resize. Every change is offered to a
 * selection that keeps a bounded number: when it is full, half of the snapshots go, one after the
 * other that with the smallest distance between its neighbours, and from then on changes closer
 * than the smallest distance left are not taken. The first, the last and the peak always stay.
 *
 * The peak is the first instant of the greatest number of requested bytes, the one that every other
 * report names.
 */
#ifndef MASSIF_H
#define MASSIF_H

#include <stdio.h>

#include "replay.h"
#include "tree.h"

enum massif_unit { MASSIF_MS, MASSIF_B };

#define MASSIF_SNAPSHOTS_MIN 10
#define MASSIF_DEPTH_MAX     200

/* Names and defaults are valgrind's. */
struct massif_options {
    enum massif_unit unit;  /* of time: milliseconds, or bytes allocated and freed */
    double threshold;       /* percent of a snapshot's total, for its tree */
    uint32_t detailed_freq; /* every Nth snapshot has a tree */
    uint32_t max_snapshots; /* at least MASSIF_SNAPSHOTS_MIN */
    uint32_t depth;         /* frames in a tree, 1 to MASSIF_DEPTH_MAX */
    uint64_t heap_admin;    /* bytes the allocator is taken to need for itself for each block */
    uint64_t alignment;     /* to which sizes are taken to be rounded up; at least 1 */
    bool pages;             /* all pages of the process instead of the heap's blocks */
    struct folding folding; /* what trees leave out at the inner end */
};
extern const struct massif_options massif_defaults;

struct massif_snapshot {
    uint64_t change; /* number of heap changes up to it */
    uint64_t clock;  /* ns since the start, or bytes */
    uint64_t heap;   /* requested bytes */
    uint64_t extra;  /* for the allocator itself and by rounding */
    bool peak, detailed;
    struct tree *tree; /* bottom-up, when detailed */
};

/* ---- selection ---------------------------------------------------------------------------- */

struct massif_selection {
    struct massif_snapshot *snapshot; /* by time */
    uint32_t count, room;
    uint64_t interval, earliest; /* of clock: smallest distance, and when the next may be taken */
};

/* room: snapshots to hold at most, at least 4; the caller ends with massif_selection_free(). */
void massif_selection_init(struct massif_selection *, uint32_t room);
void massif_selection_offer(struct massif_selection *, const struct massif_snapshot *);
void massif_selection_free(struct massif_selection *);

/* ---- a recording -------------------------------------------------------------------------- */

struct massif {
    struct massif_options options;
    struct massif_snapshot *snapshot;
    uint32_t count;
    struct replay *replay; /* done: counts and stacks */
    struct names *names;
    char *doubt; /* why the figures are not reliable (completeness_doubt), or NULL */
};

/* Replays the tape twice: to choose the snapshots, then to fill their trees. The tape must stay
 * open until massif_free(). */
struct massif *massif_new(struct tape_file *, const struct massif_options *);
void massif_free(struct massif *);

/* Time of a snapshot in the unit asked for. */
uint64_t massif_time(const struct massif *, const struct massif_snapshot *);

/* Bytes of admin and rounding for a block of this size. */
uint64_t massif_extra(const struct massif_options *, uint64_t size);

/* A name as massif writes it, "0x401136: leaf (demo.c:10)"; the caller frees. */
char *massif_label(const struct name *, uint64_t address);

/* Writes the file that ms_print and massif-visualizer read. Errors stay in the stream. */
void massif_write(FILE *, const struct massif *, const struct tape_process *);

/* Draws graph, snapshots and trees for the terminal as ms_print does. */
void massif_print(FILE *, const struct massif *, const struct tape_process *);

/* What the root of every tree is called. Static text. */
const char *massif_root_label(const struct massif_options *);

/* What is mapped without a call that was recorded. */
#define MASSIF_PLACELESS "0x0: modules, stacks, and what else samples show without a call"

/* The options as valgrind would have been given them; the caller frees. */
char *massif_arguments(const struct massif_options *);

#endif
