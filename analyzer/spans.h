/* SPDX-License-Identifier: MIT */
/*
 * Tables of address ranges that may nest and overlap, sorted by start. The span is the first member
 * of a table's elements, so that one search serves tables of any kind.
 */
#ifndef SPANS_H
#define SPANS_H

#include <stddef.h>
#include <stdint.h>

struct span {
    uint64_t start, end; /* [start, end) */
    uint64_t reach;      /* largest end so far in the table: where a search may stop */
};

/* For qsort comparison: by start. */
int spans_by_start(const struct span *a, const struct span *b);

/* Fills `reach` of a sorted table of n elements of `stride` bytes. */
void spans_finish(void *table, size_t stride, size_t n);

/* How many spans start at or below addr. Those that hold it are found from there downwards, as long
 * as their reach lies above it. */
size_t spans_upto(const void *table, size_t stride, size_t n, uint64_t addr);

#endif
