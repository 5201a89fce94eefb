/* SPDX-License-Identifier: MIT */
#include "block_index.h"

#include <stdlib.h>

#include "diag.h"

#define GAP (UINT64_C(1) << 20) /* bytes between two areas, at least */

/* Blocks near each other. */
struct block_area {
    uint64_t start, end; /* of its first and last block */
    unsigned shift;      /* bytes of a part, as a power of two */
    uint32_t *first;     /* by part: the first block that ends behind the part's start; one more */
};

static void make_area(struct block_index *x, struct block_area *a, uint32_t from, uint32_t to) {
    a->start = x->extent[from].start;
    a->end = x->extent[to - 1].end;
    uint64_t length = a->end - a->start;
    while (length >> a->shift > 2 * (uint64_t)(to - from))
        a->shift++;
    uint64_t parts = (length >> a->shift) + 1;
    a->first = xmalloc((parts + 1) * sizeof *a->first);
    uint32_t block = from;
    for (uint64_t i = 0; i <= parts; i++) {
        while (block < to - 1 && x->extent[block].end - a->start <= i << a->shift)
            block++;
        a->first[i] = block;
    }
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
        make_area(x, &x->area[n], from, to);
    }
}

void block_index_free(struct block_index *x) {
    for (size_t i = 0; i < x->area_count; i++)
        free(x->area[i].first);
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

uint32_t block_index_find(struct block_index *x, uint64_t address) {
    const struct block_area *a = area_of(x, address);
    if (a == NULL)
        return BLOCK_NONE;
    uint64_t part = (address - a->start) >> a->shift;
    uint32_t low = a->first[part], high = a->first[part + 1];
    while (low < high) { /* the first that ends behind the address */
        uint32_t middle = low + (high - low) / 2;
        if (x->extent[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return x->extent[low].start <= address ? low : BLOCK_NONE;
}
