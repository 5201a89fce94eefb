/* SPDX-License-Identifier: MIT */
#include "region_use.h"

#include <stdlib.h>

#include "diag.h"

static int by_start(const void *a, const void *b) {
    const struct region_span *s = a, *t = b;
    return s->start < t->start ? -1 : s->start > t->start;
}

void region_use_make(struct region_use *u, const struct heap_image *image) {
    *u = (struct region_use){.image = image};
    u->span = xcalloc(image->region_count + 1UL, sizeof *u->span);
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct tape_image_region *r = &image->region[i].is;
        if (r->kind == TAPE_REGION_OTHER && r->length != 0)
            u->span[u->count++] =
                (struct region_span){.start = r->start, .end = r->start + r->length, .region = i};
    }
    if (u->count != 0)
        qsort(u->span, u->count, sizeof *u->span, by_start);
}

void region_use_free(struct region_use *u) {
    free(u->span);
    *u = (struct region_use){0};
}

void region_use_note(struct region_use *u, uint64_t address, uint64_t size) {
    uint64_t end = size <= UINT64_MAX - address ? address + size : UINT64_MAX;
    if (u->count == 0)
        return;
    const struct region_span *last = &u->span[u->last]; /* of nearly all blocks the same one */
    if (last->used && address >= last->start && end <= last->end)
        return;
    if (end == address)
        end++;
    size_t low = 0, high = u->count;
    while (low < high) { /* the first that ends behind the block's start */
        size_t middle = low + (high - low) / 2;
        if (u->span[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < u->count && u->span[low].start < end; low++) {
        u->span[low].used = true;
        u->last = low;
    }
}

static void note_alloc(void *context, const struct block *b) {
    region_use_note(context, b->address, b->size);
}

struct observer region_use_observer(struct region_use *u) {
    return (struct observer){.context = u, .on_alloc = note_alloc};
}

bool *region_use_roots(const struct region_use *u) {
    bool *root = xcalloc(u->image->region_count + 1UL, sizeof *root);
    for (uint32_t i = 0; i < u->image->region_count; i++) {
        uint32_t kind = u->image->region[i].is.kind;
        root[i] = kind == TAPE_REGION_MODULE || kind == TAPE_REGION_STACK ||
                  kind == TAPE_REGION_REGISTERS;
    }
    for (size_t i = 0; i < u->count; i++)
        root[u->span[i].region] = !u->span[i].used;
    return root;
}
