/* SPDX-License-Identifier: MIT */
/*
 * The report of several recordings: the process tree, totals, and the largest sites of all
 * processes together, as text or as JSON.
 *
 * JSON keys: recordings (how many are reported), processes_count (an exec does not make another
 * process); processes [{path, bytes, pid, ppid, parent (index in this array or null), tie (root,
 * fork, exec, child), exe, command, ended, started_ns, duration_ns, allocations, allocated_bytes,
 * frees, peak {bytes, blocks, time_ns}, not_freed {bytes, blocks}, inherited (report.h), reliable,
 * complete, events, lost, damaged_chunks, unmatched_frees, parent_missing}]; heap {allocations,
 * allocated_bytes, frees, reallocs, failed, temporary, not_freed, largest_peak {bytes, process
 * (index)}, sum_of_peaks_bytes (of different instants: never what was in use at one), reliable};
 * pools as in report.h, without a peak; memory as in ledger_family.h, without rows; sites as in
 * report.h, each with `processes`; completeness, the sum over all, with unreadable.
 */
#ifndef REPORT_FAMILY_H
#define REPORT_FAMILY_H

#include "completeness.h"
#include "family.h"
#include "joined.h"
#include "ledger_family.h"
#include "ranking.h"
#include "screen.h"
#include "unseen.h"

struct report_family {
    struct family *family;
    struct joined *joined;
    struct ledger_family *memory;
    uint32_t depth, limit; /* frames of a site, 0: all; sites and processes, 0: all */

    /* Summed up by report_family_new. */
    uint32_t recordings, processes;
    struct replay_counts total; /* peak_*: sums over all, end_time and pools.peak_*: unused */
    struct completeness completeness;
    struct unseen unseen;
    uint32_t doubtful;   /* recordings whose peak and not-freed figures are not reliable */
    uint32_t largest;    /* member with the largest peak */
    uint64_t start, end; /* ns since 1970: the first start, the last end that is known */
    uint32_t alive, unclosed, parents_missing;
    struct joined_site *sites;
    size_t site_count;
};

/* Replays what is selected in the family, which must outlive the object. sites: whether these are
 * wanted, which takes most of the time. */
struct report_family *report_family_new(struct family *, const struct folding *, uint32_t depth,
                                        uint32_t limit, bool sites);
void report_family_free(struct report_family *);

void report_family_print(FILE *out, const struct report_family *, const struct screen *);
void report_family_print_json(FILE *out, const struct report_family *);

/* EXIT_FINDING when a recording is incomplete or could not be read, otherwise EXIT_FINE. */
int report_family_status(const struct report_family *);

/* The sites with something to rank, largest first, into *site (the caller frees); returns how
 * many, the limit not applied. */
size_t report_family_rank(const struct report_family *, const struct ranking_info *,
                          const struct joined_site ***site);

/* What the recordings' completeness comes to, as the last lines of a page and as JSON. */
void report_family_print_completeness(FILE *out, const struct report_family *);
struct json_object *report_family_completeness_json(const struct report_family *);

/* {processes, memory, completeness}: the report's members of these names, memory with rows. */
void report_family_print_memory_json(FILE *out, const struct report_family *);

/* How the recording ended, in a word or two; static text. */
const char *report_family_ending(const struct family_member *);

#endif
