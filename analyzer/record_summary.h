/* SPDX-License-Identifier: MIT */
/*
 * The closing line of `heaptape record`.
 */
#ifndef RECORD_SUMMARY_H
#define RECORD_SUMMARY_H

#include "output.h"

/*
 * Prints one line on stderr: events, peak, where the recording is and the next command to type;
 * how many other processes were recorded; or why there is no recording.
 *
 * tape: absolute path. directory: the user's working directory. program: what was run.
 * before: files that were there before the run and so belong to no process of it.
 */
void record_summary(const char *tape, const char *directory, const char *program,
                    const struct output_list *before);

#endif
