/* SPDX-License-Identifier: MIT */
/*
 * Tables of address ranges. Lock-free and async-signal-safe. A piece is taken away by whoever has
 * it, so no two threads change the same entry. A table that is full forgets what comes.
 */
#ifndef RANGES_H
#define RANGES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES_MOST 8192

struct range {
    uint64_t start, end;
};

struct range_table {
    atomic_uint used; /* entries that were ever filled: the rest is free */
    struct {
        _Atomic uint64_t start, end; /* start 0: free */
    } entry[RANGES_MOST];
};

/* Ranges are of whole pages: the last one counts as a whole. */
void ranges_add(struct range_table *t, const void *p, size_t bytes);
/* Takes the range out of all others; call before the place can be somebody else's. */
void ranges_remove(struct range_table *t, const void *p, size_t bytes);
void ranges_forget(struct range_table *t);

/* In order of their starts; takes time as n log n, and no memory. */
void ranges_sort(struct range *, size_t count);

/* Copies them, in order of the addresses, to `to` (room for RANGES_MOST): how many. */
size_t ranges_list(struct range_table *t, struct range *to);

#endif
