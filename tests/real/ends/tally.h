/* SPDX-License-Identifier: MIT */
/*
 * What a program has completed, in a file mapping that outlives it however it ends: the calls of
 * each slot, whose blocks have SIZE_OF(slot) bytes. A slot has one thread at a time.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>

#define SLOTS         8
#define SIZE_OF(slot) (700 + (slot))

struct tally {
    volatile unsigned long mallocs[SLOTS], frees[SLOTS];
    volatile unsigned long late; /* blocks freed when the recorder had put its tail away */
};

/* Of the program, for its libraries too. */
void *make(int slot);
void give_back(int slot, void *p);

/* Counts a call that comes behind the end of the recording: the tail file is gone. */
void note_late(void);

#endif
