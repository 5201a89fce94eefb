/* SPDX-License-Identifier: MIT */
/*
 * The report: everything about one recording on a page, as text or as JSON.
 *
 * JSON keys, all numbers exact: recording {path, bytes}; process {argv, exe, cwd, pid, ppid, host,
 * kernel, arch, environment, recorder, unwinder, parent, started_ns (since 1970), ended}; heap
 * {duration_ns, allocations, allocated_bytes, frees, reallocs, failed, temporary, peak {bytes,
 * blocks, time_ns}, not_freed {bytes, blocks}, reliable (false: events are lost, peak and not_freed
 * are not to be trusted), and in a forked child whose parent's tape was read inherited {bytes,
 * blocks, freed_bytes, freed_blocks, left_bytes, left_blocks}}; rss {samples, peak_bytes,
 * peak_time_ns}; memory, as ledger_print.h has it, without rows and mappings;
 * mismatches [{allocated_by, released_by, blocks, bytes, first_ns, stack [{label, …}]}]; samples
 * [{time_ns, heap_bytes, rss_bytes}]; thread_count;
 * threads [{tid, name, allocations, allocated_bytes, frees, not_freed_blocks, not_freed_bytes}],
 * those with the most allocations, and threads_folded, the same for all further ones of a name,
 * with `threads` for tid; freed_by {threads [{threads, tid, name, …}], cells [{allocated_by,
 * freed_by (null: unknown), blocks, bytes}]}, of which numbers are indices into its threads; marks
 * [{time_ns, text}] (heaptape_mark); pools {allocations, allocated_bytes, frees, unmatched_frees,
 * dropped, peak {bytes, blocks}, not_freed {bytes, blocks}}, blocks of the program's own
 * allocators; tests [{name, runs, unended, duration_ns, allocations, allocated_bytes, peak_bytes,
 * not_freed {bytes, blocks}}] (test_log.h); iterations [{name, rounds, measured_rounds, judged
 * (there are enough), growing_sites, unsteady_stacks, sites [{blocks_per_iteration,
 * bytes_per_iteration, blocks, bytes (over measured_rounds), rounds_with_growth, stack}]}]
 * (growth.h); sites {by_peak, by_allocated_bytes, by_allocations, not_freed}: arrays of {bytes,
 * blocks} or {allocations, temporary}, with stack [{label, …}] innermost first and cut when there
 * are further frames; completeness.
 */
#ifndef REPORT_H
#define REPORT_H

#include "ranking.h"
#include "screen.h"

struct report {
    struct tape_file *tape;
    const struct profile *profile;
    struct names *names;
    struct ranking *ranking[RANKING_COUNT];
    uint32_t depth, limit; /* of those: frames of a site, sites; 0: all */
};

void report_print(FILE *out, const struct report *, const struct screen *);
void report_print_json(FILE *out, const struct report *);

/* How the recorded process ended, for people: "ended by exit", "still running", … Static text. */
const char *report_ending(const struct tape_process *);

/* The command line as a shell would read it, printable; the caller frees. */
char *report_command_line(const struct tape_process *);

#endif
