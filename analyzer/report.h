/* SPDX-License-Identifier: MIT */
/*
 * The report: everything about one recording on a page, as text or as JSON.
 *
 * JSON keys, all numbers exact: recording {path, bytes}; process {argv, exe, cwd, pid, ppid, host,
 * kernel, arch, environment, recorder, unwinder, parent, started_ns (since 1970), ended}; heap
 * {duration_ns, allocations, allocated_bytes, frees, reallocs, failed, temporary, peak {bytes,
 * blocks, time_ns}, not_freed {bytes, blocks}}; rss {samples, peak_bytes, peak_time_ns}; samples
 * [{time_ns, heap_bytes, rss_bytes}]; threads [{tid, name, allocations, frees}]; marks [{time_ns,
 * text}]; sites {by_peak, by_allocated_bytes, by_allocations, not_freed}: arrays of {bytes, blocks}
 * or {allocations, temporary}, with stack [{label, …}] innermost first and cut when there are
 * further frames; completeness.
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
};

void report_print(FILE *out, const struct report *, const struct screen *);
void report_print_json(FILE *out, const struct report *);

/* How the recorded process ended, for people: "ended by exit", "still running", … Static text. */
const char *report_ending(const struct tape_process *);

/* The command line as a shell would read it, printable; the caller frees. */
char *report_command_line(const struct tape_process *);

#endif
