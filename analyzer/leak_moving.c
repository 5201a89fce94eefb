/* SPDX-License-Identifier: MIT */
#include "leak_moving.h"

#include <stdlib.h>

#include "diag.h"

/* Live blocks lie in such regions; so does the memory that becomes one. */
static bool may_be_heap(const struct heap_image *image, uint64_t address) {
    bool may = false;
    for (uint32_t i = 0; i < image->region_count && !may; i++) {
        const struct tape_image_region *r = &image->region[i].is;
        may = (r->kind == TAPE_REGION_OTHER || r->kind == TAPE_REGION_ALLOCATOR) &&
              address - r->start < r->length;
    }
    return may;
}

struct leak_block *leak_moving(struct leak_graph *g, const struct replay *replay, uint32_t tag,
                               uint32_t *count) {
    struct leak_block *found = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->image->region_count; i++) {
        const struct image_region *region = &g->image->region[i];
        if (region->is.kind != TAPE_REGION_STACK && region->is.kind != TAPE_REGION_REGISTERS)
            continue;
        uint64_t size = replay_resizing(replay, region->is.tid);
        for (size_t k = 0; size != 0 && k < region->count; k++) {
            uint64_t value = g->image->word[region->first + k].value;
            if (block_index_find(&g->index, value) != BLOCK_NONE || !may_be_heap(g->image, value))
                continue;
            if ((n & (n - 1)) == 0)
                found = xrealloc(found, (n != 0 ? 2UL * n : 1) * sizeof *found);
            found[n++] =
                (struct leak_block){.address = value, .size = size, .tag = tag, .rooted = true};
        }
    }
    *count = n;
    return found;
}
