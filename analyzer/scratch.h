/* SPDX-License-Identifier: MIT */
/*
 * The directory that a check records into: a temporary one, or one that the user named and keeps.
 *
 * While there is a temporary one, SIGINT, SIGTERM, SIGHUP and SIGQUIT end this process only after
 * a line on stderr that says where it is. One at a time in a process. Not thread-safe.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stdbool.h>

struct scratch {
    char *path; /* absolute */
    bool made;  /* did not exist before */
    bool named; /* by the user */
};

/*
 * Makes the directory `wanted` (seen from the absolute `directory`), which must be empty if it
 * exists, or with NULL a new one below TMPDIR or /tmp that only this user can read. Returns
 * EXIT_FINE, or prints one line and returns EXIT_FINDING.
 */
int scratch_make(struct scratch *, const char *wanted, const char *directory);

/* Removes the directory with the files in it if it was made here. */
void scratch_remove(struct scratch *);

/* Leaves the directory as it is. */
void scratch_keep(struct scratch *);

#endif
