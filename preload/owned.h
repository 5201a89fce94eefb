/* SPDX-License-Identifier: MIT */
/*
 * Which memory is the recorder's own: every mapping that sys.c makes, until it takes it away. A
 * heap image leaves it out.
 *
 * Lock-free and async-signal-safe. A piece is taken away by whoever has it, so no two threads
 * change the same entry.
 */
#ifndef OWNED_H
#define OWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNED_MOST 8192

struct owned_range {
    uint64_t start, end;
};

/* Notes a mapping and returns it. */
void *owned_add(void *p, size_t bytes);

/* Forgets it, or a part of it; call before the place can be somebody else's. */
void owned_remove(void *p, size_t bytes);

/* Forgets everything: in a forked child what its parent owned is gone, or reads as zeroes. */
void owned_forget(void);

/* Copies what is noted, in order of the addresses, to `to` (room for OWNED_MOST): how many. */
size_t owned_list(struct owned_range *to);

#endif
