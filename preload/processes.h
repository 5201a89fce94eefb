/* SPDX-License-Identifier: MIT */
/*
 * Notes of the programs that this process starts and of what kills its children, for whoever asked
 * for them by HEAPTAPE_PROCESSES (include/tape/process_log.h). Without that every function here
 * does nothing.
 *
 * All of them may be called in a vfork child, and in signal handlers: nothing but the caller's own
 * stack is written, and errno stays as it is. A note that cannot be written is left out: behind a
 * filter of the program's own, in another root, where no descriptor is free, of a path of more
 * than 1,023 bytes, or when the log is full.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "tape/process_log.h"

/* From the constructor, behind config_read(): the program may overwrite its environment later. */
void processes_prepare(void);

/* Whether anybody asked. */
bool processes_wanted(void);

/*
 * Fills a note of the program that `file` names for exec or posix_spawn, with the environment that
 * it will have; `search`: in PATH, when there is no slash in it; `directory`: descriptor that a
 * relative name starts from, or that is the program when the name is "", or AT_FDCWD. False when
 * nothing is to be noted: nobody asked, the file does not exist, or the program is recorded for
 * somebody else.
 */
bool processes_describe(struct process_note *, int directory, const char *file, bool search,
                        char *const *environment);

/* Appends the note as one of this kind and process. */
void processes_note(struct process_note *, enum process_note_kind, uint32_t pid);

/* Notes that a signal killed a child. */
void processes_note_killed(uint32_t pid, int signal);

#endif
