/* SPDX-License-Identifier: MIT */
/*
 * Which memory is the recorder's own: every mapping that sys.c makes, until it takes it away. A
 * heap image leaves it out.
 */
#ifndef OWNED_H
#define OWNED_H

#include "ranges.h"

extern struct range_table owned;

/* Notes a mapping and returns it. */
static inline void *owned_add(void *p, size_t bytes) {
    ranges_add(&owned, p, bytes);
    return p;
}

/* Forgets it, or a part of it; call before the place can be somebody else's. */
static inline void owned_remove(void *p, size_t bytes) {
    ranges_remove(&owned, p, bytes);
}

/* In a forked child what its parent owned is gone, or reads as zeroes. */
static inline void owned_forget(void) {
    ranges_forget(&owned);
}

#endif
