/* SPDX-License-Identifier: MIT */
/*
 * The completeness line: what a report can and cannot vouch for. Every report ends with it.
 *
 * JSON: {complete, events, lost, chunks, damaged_chunks, damaged_bytes, first_damage,
 * unmatched_frees, inversions, overlaps, truncated_stacks, closed, alive, modules,
 * modules_without_symbols, modules_missing, modules_rebuilt}; `complete` is false when events are
 * known to be lost or damaged. Module counts are there only when names were looked up.
 */
#ifndef COMPLETENESS_H
#define COMPLETENESS_H

#include <json-c/json.h>
#include <stdio.h>

#include "names.h"
#include "replay.h"

/* To be called behind the replay, when the tape's health is final. `names` may be NULL. */
void completeness_print(FILE *out, struct tape_file *, const struct replay_counts *,
                        struct names *names);

/* The caller owns the reference. */
struct json_object *completeness_json(struct tape_file *, const struct replay_counts *,
                                      struct names *names);

/* EXIT_FINDING when events are lost or damaged, otherwise EXIT_FINE. */
int completeness_status(struct tape_file *);

/*
 * Why a recording shows no allocation, a sentence without a full stop, or NULL when it has some.
 * Static text.
 */
const char *completeness_why_empty(struct tape_file *, const struct replay_counts *);

#endif
