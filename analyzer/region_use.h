/* SPDX-License-Identifier: MIT */
/*
 * Which words of a heap image are roots: those of regions of kind OTHER only on pages where no
 * block ever lay, which the replay finds out on its way. By pages and not by regions: the kernel
 * joins what an allocator maps to what the program does.
 */
#ifndef REGION_USE_H
#define REGION_USE_H

#include "heap_image.h"

struct region_use {
    struct heap_image *image; /* not owned */
    struct region_span {
        uint64_t start, end;
        uint32_t region; /* number in the image */
        uint64_t *page;  /* a bit for each page: a block lay in it; NULL: in none */
    } * span;            /* of kind OTHER, by address */
    size_t count, last;
};
#define REGION_USE_PAGE 4096

void region_use_make(struct region_use *, struct heap_image *);
void region_use_free(struct region_use *);

/* A block of the recording, whether it still lives or not. */
void region_use_note(struct region_use *, uint64_t address, uint64_t size);

/* It is freed. What was a mapping of its own has been unmapped, and may be anything by now. */
void region_use_forget(struct region_use *, uint64_t address, uint64_t size);

/* What notes every block of a replay; the region_use must outlive that. */
struct observer region_use_observer(struct region_use *);

/* By number of the region: whether its words are roots. The caller frees. The regions of the image
 * lose the words that are none. */
bool *region_use_roots(const struct region_use *);

#endif
