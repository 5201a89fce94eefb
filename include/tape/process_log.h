/* SPDX-License-Identifier: MIT */
/*
 * A log of the programs that the processes of one run start, and of the signals that killed their
 * children, by which `heaptape check` learns of those that left no recording, or none to its end.
 *
 *   log := note*     in the order in which they were written, each by one write(2) that appends
 *
 * The file is made, empty, by who wants to know; recorders append while HEAPTAPE_PROCESSES names
 * it, and make none themselves. Numbers are in the machine's order: it is read where it was
 * written.
 */
#ifndef TAPE_PROCESS_LOG_H
#define TAPE_PROCESS_LOG_H

#include <assert.h>
#include <stdint.h>

#define PROCESS_LOG_MAGIC UINT32_C(0x524e5048) /* "HPNR" */
#define PROCESS_LOG_MOST  (UINT64_C(32) << 20) /* bytes; who finds a longer one adds nothing */
#define PROCESS_PATH_MAX  232                  /* bytes, the zero at the end among them */

enum process_note_kind {
    PROCESS_STARTED = 1, /* the process becomes this program, or was started with it */
    PROCESS_FAILED,      /* its newest PROCESS_STARTED did not come about */
    PROCESS_KILLED,      /* its parent has learned that a signal killed it */
};

enum {
    PROCESS_NO_PRELOAD = 1, /* flag: nothing in its environment loads the recorder */
    PROCESS_ELSEWHERE = 2,  /* flag: its environment does not say where this run records to */
    PROCESS_PATH_CUT = 4,   /* flag: the path was longer; its end is there */
};

struct process_note {
    uint32_t magic;
    uint16_t kind;  /* enum process_note_kind */
    uint16_t flags; /* PROCESS_NO_PRELOAD and so on */
    uint32_t pid;
    uint32_t signal; /* PROCESS_KILLED: which; otherwise 0 */
    uint64_t time;   /* ns of CLOCK_MONOTONIC: before the program began, or at the wait */
    char path[PROCESS_PATH_MAX]; /* of the program, as found; zeroes behind it */
};
static_assert(sizeof(struct process_note) == 256, "layout of a note");

#endif
