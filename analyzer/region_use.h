/* SPDX-License-Identifier: MIT */
/*
 * Which regions of a heap image are roots: those of kind OTHER only where no block ever lay, which
 * the replay finds out on its way.
 */
#ifndef REGION_USE_H
#define REGION_USE_H

#include "heap_image.h"

struct region_use {
    const struct heap_image *image; /* not owned */
    struct region_span {
        uint64_t start, end;
        uint32_t region; /* number in the image */
        bool used;       /* a block lay in it */
    } * span;            /* of kind OTHER, by address */
    size_t count, last;
};

void region_use_make(struct region_use *, const struct heap_image *);
void region_use_free(struct region_use *);

/* A block of the recording, whether it still lives or not. */
void region_use_note(struct region_use *, uint64_t address, uint64_t size);

/* What notes every block of a replay; the region_use must outlive that. */
struct observer region_use_observer(struct region_use *);

/* By number of the region: whether its words are roots. The caller frees. */
bool *region_use_roots(const struct region_use *);

#endif
