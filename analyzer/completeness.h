/* SPDX-License-Identifier: MIT */
/*
 * The completeness line: what a report can and cannot vouch for. Every report ends with it.
 *
 * JSON: {complete, events, lost, chunks, damaged_chunks, damaged_bytes, first_damage,
 * unmatched_frees, inversions, overlaps, truncated_stacks, processes_not_followed, closed, alive,
 * modules, modules_without_symbols, modules_missing, modules_rebuilt, debug_files_rebuilt,
 * modules_without_dwo, bypassed, unhooked, past, unrecorded}; `complete` is false when events are
 * known to be lost or damaged. Module counts are there only when names were looked up. bypassed,
 * unhooked and past name modules whose blocks are not seen (unseen.h); absent: none. Of a forked
 * child `parent_read` says whether frees of inherited blocks were matched with its parent's tape.
 */
#ifndef COMPLETENESS_H
#define COMPLETENESS_H

#include <json-c/json.h>
#include <stdio.h>

#include "names.h"
#include "replay.h"

/* The numbers of the line, of one recording or summed over several. */
struct completeness {
    uint64_t events, lost, damaged_chunks, damaged_bytes;
    uint64_t unmatched_frees, inversions, overlaps, truncated, unfollowed;
};

/* Adds those of one recording. */
void completeness_add(struct completeness *, const struct tape_health *,
                      const struct replay_counts *, uint64_t truncated);

/* Whether nothing is known to be lost or damaged. */
bool completeness_whole(const struct completeness *);

/* The line itself; `names` may be NULL. */
void completeness_print_line(FILE *out, const struct completeness *, struct names *names);

/* Adds its keys, down to processes_not_followed and those of modules, to an object. */
void completeness_put(struct json_object *, const struct completeness *, struct names *names);

/*
 * Lost events make peak and not-freed figures wrong: lost frees too high, lost allocations too low.
 * "not reliable: 1,234 events lost", or NULL when nothing is missing. The caller frees. The second
 * form puts it behind a title: " (not reliable: …)", or "".
 */
char *completeness_doubt(const struct tape_health *);
char *completeness_doubt_suffix(const struct tape_health *);

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
