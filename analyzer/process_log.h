/* SPDX-License-Identifier: MIT */
/*
 * The log of what the processes of a run have started, and what killed them
 * (include/tape/process_log.h), read.
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

/* A process that a signal killed. */
struct logged_end {
    uint64_t pid, time;
    int signal;
};

struct process_log {
    struct logged_start *start; /* by process, then by time */
    size_t count;
    struct logged_end *killed; /* in the order in which their parents learned of it */
    size_t killed_count;
    bool full; /* there were more than it could hold */
};

/* Reads a log. What is no note is passed over; a file that is not there is an empty log. To be
 * freed with process_log_free(). */
struct process_log process_log_read(const char *path);
void process_log_free(struct process_log *);

/* The newest start of this process later than `time`, or NULL. */
const struct logged_start *process_log_after(const struct process_log *, uint64_t pid,
                                             uint64_t time);

/* The signal that killed the process of this number that lived at `time`, or 0: not known. */
int process_log_signal(const struct process_log *, uint64_t pid, uint64_t time);

#endif
