/* SPDX-License-Identifier: MIT */
/*
 * Settling: the recording of a process that is gone becomes one file.
 *
 * A process that was killed, replaced by exec, or ended while threads were running leaves a tape
 * with unused room at its end, and a tail. The reader takes both as one; settling writes the
 * tail's events into the tape as chunks, removes the tail and cuts the unused room. What a reader
 * finds is the same before, after and at every instant in between, whatever kills the settler:
 * one store of four bytes makes all the new chunks exist at once, the tail goes after that, and
 * events that are in both count once by their ordinals. The tape is appended to, never rewritten.
 */
#ifndef SETTLE_H
#define SETTLE_H

enum settle_result {
    SETTLE_DONE,    /* the tape has everything, and no unused room */
    SETTLE_RUNNING, /* its process still runs: untouched */
    SETTLE_LEFT     /* untouched, or at least as readable as before: see *problem */
};

/*
 * Settles `path` and `path`.tail. Nobody may have the tape mapped or open for writing, in whatever
 * name space, which is found out by asking the kernel for a lease; where it gives none (file
 * systems without leases, files of others without CAP_LEASE) the recording is left as it is. So is
 * one with any damage: what cannot be read may still be of use to somebody, and a report tells.
 *
 * *problem: NULL, or one line without a line break that says what failed (no room, no permission);
 * the caller frees it. SIGIO and SIGXFSZ are ignored meanwhile: not for programs with threads.
 */
enum settle_result settle_tape(const char *path, char **problem);

#endif
