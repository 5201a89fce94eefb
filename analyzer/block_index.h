/* SPDX-License-Identifier: MIT */
/*
 * Which block holds an address: for many questions about blocks that do not change.
 *
 * The addresses are divided into areas without large gaps, and each area into parts that hold about
 * one block each; a table says which block comes first in a part. Two cache misses a question, 20
 * bytes a block. Not thread-safe: the area of the last answer is kept.
 */
#ifndef BLOCK_INDEX_H
#define BLOCK_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK_NONE UINT32_MAX

struct block_extent {
    uint64_t start, end; /* [start, end), not empty */
};

struct block_area;

struct block_index {
    struct block_extent *extent; /* the caller's, by address, without overlaps */
    uint32_t count;
    struct block_area *area;
    size_t area_count, last;
    uint32_t *table; /* of all areas */
    size_t table_count;
};

/* extent must live as long as the index. */
void block_index_make(struct block_index *, struct block_extent *extent, uint32_t count);
void block_index_free(struct block_index *);

/* The number of the block that holds the address, or BLOCK_NONE. */
uint32_t block_index_find(struct block_index *, uint64_t address);

/* The same for many addresses, whose cache misses happen at once. */
#define BLOCK_INDEX_MANY 64
void block_index_find_many(struct block_index *, const uint64_t *address, unsigned count,
                           uint32_t *found);

#endif
