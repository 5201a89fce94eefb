/* SPDX-License-Identifier: MIT */
#include "block_index.h"

#include <stdlib.h>

#include "diag.h"
#include "pages.h"

#define GAP (UINT64_C(1) << 20) /* bytes between two areas, at least */

/* Blocks near each other. */
struct block_area {
    uint64_t start, end; /* of its first and last block */
    unsigned shift;      /* bytes of a part, as a power of two */
    size_t parts, first; /* how many, and where they begin in the table, which has one more */
};

/* The area of blocks from, from + 1, …, to - 1. */
static void measure_area(struct block_index *x, struct block_area *a, uint32_t from, uint32_t to) {
    a->start = x->extent[from].start;
    a->end = x->extent[to - 1].end;
    uint64_t length = a->end - a->start;
    while (length >> a->shift > 2 * (uint64_t)(to - from))
        a->shift++;
    a->parts = (length >> a->shift) + 1;
    a->first = x->table_count;
    x->table_count += a->parts + 1;
}

/* Its part of the table: by part, the first block that ends behind the part's start. */
static uint32_t fill_area(struct block_index *x, const struct block_area *a, uint32_t block) {
    for (size_t i = 0; i <= a->parts; i++) {
        while (x->extent[block].end < a->end && x->extent[block].end - a->start <= (uint64_t)i
                                                                                       << a->shift)
            block++;
        x->table[a->first + i] = block;
    }
    while (x->extent[block].end < a->end)
        block++;
    return block + 1;
}

void block_index_make(struct block_index *x, struct block_extent *extent, uint32_t count) {
    *x = (struct block_index){.extent = extent, .count = count};
    for (uint32_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && extent[to].start - extent[to - 1].end < GAP; to++)
            ;
        size_t n = x->area_count++;
        if ((n & (n - 1)) == 0)
            x->area = xrealloc(x->area, (n != 0 ? 2 * n : 1) * sizeof *x->area);
        x->area[n] = (struct block_area){0};
        measure_area(x, &x->area[n], from, to);
    }
    x->table = pages_new((x->table_count + 1) * sizeof *x->table);
    for (size_t i = 0, block = 0; i < x->area_count; i++)
        block = fill_area(x, &x->area[i], (uint32_t)block);
}

void block_index_free(struct block_index *x) {
    pages_free(x->table, (x->table_count + 1) * sizeof *x->table);
    free(x->area);
    *x = (struct block_index){0};
}

/* The area that holds the address; NULL: none. */
static const struct block_area *area_of(struct block_index *x, uint64_t address) {
    if (x->area_count == 0)
        return NULL;
    const struct block_area *a = &x->area[x->last];
    if (address >= a->start && address < a->end)
        return a;
    size_t low = 0, high = x->area_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->area[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == x->area_count || address < x->area[low].start)
        return NULL;
    x->last = low;
    return &x->area[low];
}

/* The place in its area's table that says where to look, or NULL. */
static const uint32_t *part_of(struct block_index *x, uint64_t address) {
    const struct block_area *a = area_of(x, address);
    return a != NULL ? &x->table[a->first + ((address - a->start) >> a->shift)] : NULL;
}

static uint32_t find_in_part(const struct block_index *x, const uint32_t *part, uint64_t address) {
    uint32_t low = part[0], high = part[1];
    while (low < high) { /* the first that ends behind the address */
        uint32_t middle = low + (high - low) / 2;
        if (x->extent[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return x->extent[low].start <= address ? low : BLOCK_NONE;
}

uint32_t block_index_find(struct block_index *x, uint64_t address) {
    const uint32_t *part = part_of(x, address);
    return part != NULL ? find_in_part(x, part, address) : BLOCK_NONE;
}

void block_index_find_many(struct block_index *x, const uint64_t *address, unsigned count,
                           uint32_t *found) {
    const uint32_t *part[BLOCK_INDEX_MANY];
    for (unsigned i = 0; i < count; i++) {
        part[i] = part_of(x, address[i]);
        __builtin_prefetch(part[i]);
    }
    for (unsigned i = 0; i < count; i++)
        if (part[i] != NULL)
            __builtin_prefetch(&x->extent[*part[i]]);
    for (unsigned i = 0; i < count; i++)
        found[i] = part[i] != NULL ? find_in_part(x, part[i], address[i]) : BLOCK_NONE;
}
