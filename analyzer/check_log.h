/* SPDX-License-Identifier: MIT */
/*
 * Where the results of a check go: opened before the program runs, so that a wrong name costs no
 * run.
 */
#ifndef CHECK_LOG_H
#define CHECK_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include "command.h"

/*
 * A descriptor that the caller of heaptape has opened, as the value of --OPTION. It is taken over:
 * the checked program does not have it, except standard output and error. Returns the descriptor to
 * write to, or reports a usage error and returns -1.
 */
int check_log_take(const struct command *, const char *option, const char *value);

struct check_log {
    const char *name; /* of a file; NULL: none was given; not owned */
    int fd;           /* of check_log_take(), 0: none was given; the later of both counts */
    FILE *out;        /* NULL while it is not open; stderr where neither was given */
};

/* Returns EXIT_FINE, or prints one line and returns EXIT_FINDING. */
int check_log_open(struct check_log *);
/* Returns `status`, or EXIT_FINDING instead of EXIT_FINE, with a line, when something could not be
 * written. May be called again. */
int check_log_close(struct check_log *, int status);

#endif
