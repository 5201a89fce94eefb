/* SPDX-License-Identifier: MIT */
/*
 * The log of programs that the processes of a run have started (include/tape/process_log.h), read.
 * Not thread-safe.
 */
#ifndef PROCESS_LOG_H
#define PROCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A program that a process became, or was started with. */
struct logged_start {
    char *path;              /* as it was found; of a very long one its end */
    uint64_t pid;            /* of the process */
    uint64_t time, replaced; /* CLOCK_MONOTONIC, ns; replaced: when the process became the next
                                program, UINT64_MAX: it did not */
    unsigned flags;          /* PROCESS_NO_PRELOAD and so on */
};

struct process_log {
    struct logged_start *start; /* by process, then by time */
    size_t count;
    bool full; /* there were more than it could hold */
};

/* Reads a log. What is no note is passed over; a file that is not there is an empty log. To be
 * freed with process_log_free(). */
struct process_log process_log_read(const char *path);
void process_log_free(struct process_log *);

/* The newest start of this process later than `time`, or NULL. */
const struct logged_start *process_log_after(const struct process_log *, uint64_t pid,
                                             uint64_t time);

#endif
