/* SPDX-License-Identifier: MIT */
#include "process_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "tape/process_log.h"

static void add(struct process_log *log, size_t *room, const struct process_note *note) {
    if (log->count == *room) {
        *room = *room != 0 ? 2 * *room : 64;
        log->start = xrealloc(log->start, *room * sizeof *log->start);
    }
    log->start[log->count++] =
        (struct logged_start){.path = xasprintf("%.*s", (int)sizeof note->path, note->path),
                              .pid = note->pid,
                              .time = note->time,
                              .replaced = UINT64_MAX,
                              .flags = note->flags};
}

/* What the process had noted last did not come about. */
static void take_back(struct process_log *log, uint64_t pid) {
    for (size_t i = log->count; i-- > 0;)
        if (log->start[i].pid == pid) {
            free(log->start[i].path);
            log->count--;
            memmove(&log->start[i], &log->start[i + 1], (log->count - i) * sizeof *log->start);
            return;
        }
}

static void add_killed(struct process_log *log, const struct process_note *note) {
    log->killed = xrealloc(log->killed, (log->killed_count + 1) * sizeof *log->killed);
    log->killed[log->killed_count++] = (struct logged_end){.pid = note->pid,
                                                           .time = note->time,
                                                           .signal = (int)(note->signal & 0x7f)};
}

static int by_process(const void *a, const void *b) {
    const struct logged_start *s = a, *t = b;
    if (s->pid != t->pid)
        return s->pid < t->pid ? -1 : 1;
    return s->time < t->time ? -1 : s->time > t->time;
}

struct process_log process_log_read(const char *path) {
    struct process_log log = {0};
    struct process_note note;
    size_t room = 0;
    uint64_t bytes = 0;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return log;
    for (; fread(&note, sizeof note, 1, in) == 1; bytes += sizeof note)
        if (note.magic == PROCESS_LOG_MAGIC && note.kind == PROCESS_STARTED)
            add(&log, &room, &note);
        else if (note.magic == PROCESS_LOG_MAGIC && note.kind == PROCESS_FAILED)
            take_back(&log, note.pid);
        else if (note.magic == PROCESS_LOG_MAGIC && note.kind == PROCESS_KILLED)
            add_killed(&log, &note);
    fclose(in);
    log.full = bytes >= PROCESS_LOG_MOST;
    if (log.count != 0)
        qsort(log.start, log.count, sizeof *log.start, by_process);
    for (size_t i = 1; i < log.count; i++)
        if (log.start[i].pid == log.start[i - 1].pid)
            log.start[i - 1].replaced = log.start[i].time;
    return log;
}

void process_log_free(struct process_log *log) {
    for (size_t i = 0; i < log->count; i++)
        free(log->start[i].path);
    free(log->start);
    free(log->killed);
    *log = (struct process_log){0};
}

const struct logged_start *process_log_after(const struct process_log *log, uint64_t pid,
                                             uint64_t time) {
    size_t low = 0, high = log->count; /* the first start of a process behind this one */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->start[middle].pid <= pid)
            low = middle + 1;
        else
            high = middle;
    }
    const struct logged_start *last = low != 0 ? &log->start[low - 1] : NULL;
    return last != NULL && last->pid == pid && last->time > time ? last : NULL;
}

int process_log_signal(const struct process_log *log, uint64_t pid, uint64_t time) {
    for (size_t i = 0; i < log->killed_count; i++)
        if (log->killed[i].pid == pid && log->killed[i].time > time)
            return log->killed[i].signal;
    return 0;
}
