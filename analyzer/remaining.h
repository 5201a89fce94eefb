/* SPDX-License-Identifier: MIT */
/*
 * Processes of a run that has ended, found by their environment.
 */
#ifndef REMAINING_H
#define REMAINING_H

#include <stdbool.h>

/*
 * Whether a process that this user may look at was started with HEAPTAPE_OUT=`tape`, and is still
 * there. Finds also those that have not begun to record; not those of other users, nor without
 * /proc.
 */
bool remaining_any(const char *tape);

#endif
