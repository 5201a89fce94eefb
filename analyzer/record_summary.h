/* SPDX-License-Identifier: MIT */
/*
 * The end of `heaptape record`: the recordings of dead processes become one file each, and a
 * closing line.
 */
#ifndef RECORD_SUMMARY_H
#define RECORD_SUMMARY_H

#include "output.h"

/*
 * Settles (settle.h) the recordings of all processes of the run that are dead, and returns how many
 * still run. At most one line on stderr, when one could not be settled.
 *
 * tape and before as below.
 */
size_t record_settle(const char *tape, const struct output_list *before);

/*
 * Does that and prints one line on stderr: events, peak, where the recording is and the next
 * command to type; how many other processes were recorded, and how many of all still run; or why
 * there is no recording.
 *
 * tape: absolute path. directory: the user's working directory. program: what was run.
 * before: files that were there before the run and so belong to no process of it.
 */
void record_summary(const char *tape, const char *directory, const char *program,
                    const struct output_list *before);

#endif
