/* SPDX-License-Identifier: MIT */
/*
 * Names of code made at run time, kept in the tape: the file that a runtime writes for perf
 * (jit_map.h) lies in /tmp, and is gone, or another process's, when somebody opens the tape later.
 */
#ifndef CODE_MAP_H
#define CODE_MAP_H

#include <stdbool.h>

/*
 * Appends the lines of the recorded process's map that name frames of the recording as a CODE_MAP
 * chunk, if there are any. For a tape that settle_tape() called done: a recording that still runs,
 * has damage, or has such a chunk, is left as it is.
 *
 * NULL, or one line that says what failed; the caller frees it. SIGIO and SIGXFSZ are ignored
 * meanwhile.
 */
char *code_map_keep(const char *path);

/* Whether any process has left such a file: without one nothing above is worth its time. */
bool code_map_any(void);

#endif
