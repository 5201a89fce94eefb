/* SPDX-License-Identifier: MIT */
/*
 * Parts of pages that the report of one recording and that of several have in common.
 */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include <json-c/json.h>

#include "report.h"

/* A line of the totals: "  peak    1.20 MiB   in 3 blocks". */
void report_total(FILE *out, const char *what, const char *value, const char *more);

/* "in 1,024 blocks"; the caller frees. */
char *report_in_blocks(uint64_t blocks);

/* The lines about calls: allocated in all, temporary, failed; and the numbers of all calls. */
void report_calls(FILE *out, const struct replay_counts *);
void report_calls_json(struct json_object *, const struct replay_counts *);

/* The columns in front of a site's stack are printed already and took `used` columns: the frames,
 * innermost first, one a line; `cut`: there are further ones. */
void report_stack(FILE *out, struct names *, const uint32_t *path, uint32_t length, bool cut,
                  size_t used, const struct screen *);

/* Blocks that a forked child has from its parent; nothing when none are known. */
void report_inherited(FILE *out, const struct replay_counts *);
struct json_object *report_inherited_json(const struct replay_counts *);

/* Blocks of the program's own allocators: a line; nothing when there were none. Of several
 * recordings
 * (`joined`) there is no peak. */
void report_pools(FILE *out, const struct replay_counts *, bool joined);
struct json_object *report_pools_json(const struct replay_counts *, bool joined);

/* report_tests.c: the tests that a program marks, and its loops. Nothing when there are none. */
void report_tests(FILE *out, const struct profile *, const struct screen *);
void report_loops(FILE *out, const struct report *, const struct screen *);
/* Adds tests and iterations to the object. */
void report_tests_json(struct json_object *, const struct report *);

/* report_threads.c: the table of threads, and who frees whose blocks. */
void report_threads(FILE *out, const struct profile *, const struct screen *);
/* Adds threads, threads_folded and freed_by to the object. */
void report_threads_json(struct json_object *, const struct profile *);

#endif
