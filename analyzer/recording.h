/* SPDX-License-Identifier: MIT */
/*
 * A program about to be recorded: what `record` and `check` share. Not thread-safe.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <sys/types.h>

#include "command.h"
#include "launch.h"

struct recording {
    char **argv;   /* of the program; argv[0] as given; not owned */
    char *path;    /* file to execute */
    char *preload; /* what LD_PRELOAD begins with: the recorder, and what the program needs more */
    char *directory; /* working directory at the start */
};

/* How the program is to run. */
struct recording_options {
    const char *allocator; /* another one to put underneath: its name or a file; NULL: none */
    bool mismatches;       /* C++ operators are recorded as such wherever they come from */
};

/* The option for `allocator` as commands have it. */
#define RECORDING_ALLOCATOR                                                                        \
    { "allocator", 0, "NAME", "put jemalloc, tcmalloc, mimalloc or a library underneath" }
/* False, and a usage error, when the value is neither a known name nor a path. */
bool recording_takes_allocator(const struct command *, const char *value);

/*
 * Finds the program argv[0], the recorder's library beside the command (build tree) or in
 * ../lib/heaptape (installed), and the working directory; and from what the program's start-up
 * scope defines, whether the second objects (preload/ext/ext.h) are needed. Says in a line when the
 * program's own allocator cannot be seen. Returns EXIT_FINE, or prints one line and
 * returns the status to end with: EXIT_FINDING, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND. To be freed
 * with recording_free() in either case.
 */
int recording_prepare(struct recording *, char **argv, const struct recording_options *);
void recording_free(struct recording *);

/* The tape of the process `pid`, an absolute path that the caller frees. Child and parent ask both
 * and must get the same. */
typedef char *recording_tape(void *context, pid_t pid);

/*
 * Runs the program under the recorder, with its first tape where `tape` says, and waits for its
 * end. HEAPTAPE_* that the caller has put into the environment are handed on. Returns EXIT_FINE
 * with *result filled in, or prints one line and returns a status as above: then it never ran.
 */
int recording_run(const struct recording *, recording_tape *tape, void *context,
                  struct launch_result *result);

#endif
