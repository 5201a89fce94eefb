/* SPDX-License-Identifier: MIT */
/*
 * Runs one program as a shell's child would run: standard streams, signal dispositions and exit
 * status pass through as if heaptape were not in between.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <sys/types.h>

struct launch_result {
    pid_t pid;
    int wait_status; /* as waitpid gives it */
    int exec_errno;  /* why the program could not be started; 0 when it was */
};

/*
 * Forks, calls prepare(context) in the child, executes `path` with `argv` there and waits for its
 * end. A file without #! line that the kernel refuses is given to /bin/sh, as shells do.
 *
 * Meanwhile signals do not end the caller: those sent to it alone are passed on to the child,
 * those of the terminal reach the child anyway, and when the child is stopped the caller stops
 * itself. Returns 0, or -1 with errno when there could be no child.
 */
int launch_run(const char *path, char **argv, void (*prepare)(void *context), void *context,
               struct launch_result *result);

/*
 * The exit status that passes `wait_status` on. When the program was killed by a signal, the
 * caller is killed by the same one (without a core file) and this does not return.
 */
int launch_exit_status(int wait_status);

#endif
