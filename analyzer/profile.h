/* SPDX-License-Identifier: MIT */
/*
 * Profile: one pass over a tape, everything counted per call stack. A report is a metric and a
 * label over this one aggregate.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include "growth.h"
#include "ledger.h"
#include "mismatches.h"
#include "replay.h"
#include "test_log.h"
#include "thread_matrix.h"

enum metric {
    METRIC_PEAK_BYTES, /* live at the instant of the heap's peak */
    METRIC_PEAK_BLOCKS,
    METRIC_TOTAL_BYTES, /* allocated over the whole run */
    METRIC_TOTAL_BLOCKS,
    METRIC_LIVE_BYTES, /* live at the end (not freed), or at the instant asked for */
    METRIC_LIVE_BLOCKS,
    METRIC_TEMPORARY, /* allocations freed before their thread allocated again */
    METRIC_COUNT
};

struct metric_info {
    const char *name;  /* for options and JSON, e.g. "peak-bytes" */
    const char *label; /* for column heads, e.g. "peak bytes" */
    bool bytes;        /* unit is bytes, otherwise a count */
};
extern const struct metric_info metric_info[METRIC_COUNT];

/* Values of one call stack (self, not including deeper stacks). */
struct site {
    uint32_t stack;
    uint64_t value[METRIC_COUNT];
};

struct profile_mark {
    char *text;
    uint64_t time; /* ns */
};

/* Blocks of the program's own allocators that live at the end, by call stack. */
struct profile_pool_site {
    uint32_t stack;
    uint64_t bytes, blocks;
};

struct profile_sample {
    uint64_t time, rss_bytes, heap_bytes;
};

struct profile {
    struct replay *replay; /* owned: stacks, threads, counts */
    struct site *sites;    /* one per stack that ever allocated, by stack id */
    size_t site_count;
    uint64_t total[METRIC_COUNT];
    struct profile_mark *marks; /* of heaptape_mark() */
    size_t mark_count;
    struct test_log *tests; /* NULL: the program marks none; as the next */
    struct growth *growth;
    struct profile_pool_site *pool_sites; /* by stack */
    size_t pool_site_count;
    uint64_t ignored_bytes, ignored_blocks; /* that profile_range.leaks left out */
    struct profile_sample *samples;
    size_t sample_count;
    struct thread_matrix *threads; /* owned; behind the run, as the next */
    struct ledger *ledger;
    struct mismatches *mismatches;
};

/* Which part of the recording is looked at. */
struct profile_range {
    uint64_t until;    /* ns: replay stops here; UINT64_MAX: at the end */
    bool between;      /* LIVE metrics count only blocks born in (from, to] and live past to */
    uint64_t from, to; /* ns */
    bool leaks;        /* what LIVE metrics count is not freed: they leave out what is ignored, and
                          blocks of the heap in which those of pools live */
};

/* Runs the whole tape (or the range; NULL means all). The caller frees with profile_free before
 * closing the tape. */
struct profile *profile_run(struct tape_file *, const struct profile_range *);

/* The same over the whole tape; `prepare` is called before the run, with the replay to prepare
 * (what is inherited, where to stop). */
struct profile *profile_run_prepared(struct tape_file *,
                                     void (*prepare)(void *context, struct replay *),
                                     void *context);
void profile_free(struct profile *);

/*
 * Reads a time as users write it: "1.5s", "250ms", "10us", "7" (seconds), "50%" of the run,
 * "peak", "end", or the name of a mark. Percentages, peak and marks need a first pass over the
 * tape, which is made when needed. Returns false and sets *error (static text) when it is none.
 *
 * Names of tests and of loops are names, too, when no mark has them. Where a time span begins a
 * test stands for the instant at which it begins, for the first time, and a loop for the end of its
 * first round; otherwise for the test's end, and the end of the last round.
 */
enum profile_bound { PROFILE_FROM, PROFILE_TO };
bool profile_parse_time(struct tape_file *, const char *text, enum profile_bound, uint64_t *ns,
                        const char **error);

#endif
