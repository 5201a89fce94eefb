/* SPDX-License-Identifier: MIT */
/*
 * Why blocks are not lost: for each the shortest way from a root to it.
 *
 * A way leads over exact pointers alone where there is one (reachable blocks), otherwise over
 * pointers of any kind (possibly lost blocks). Of ways of one length it is one that begins in a
 * region with a smaller number, and at a lower address.
 */
#ifndef LEAK_PATHS_H
#define LEAK_PATHS_H

#include "leak_graph.h"

struct leak_paths {
    struct leak_graph *graph; /* not owned */
    uint64_t *via;            /* by block: the word that leads to it, see leak_paths.c */
};

/* One pointer of a way. */
struct leak_step {
    uint32_t from;    /* block that holds it; BLOCK_NONE: a root */
    uint32_t region;  /* of the image, where it is a root */
    uint64_t address; /* of the pointer (of a register: 8 × its number) */
    uint64_t value;   /* of the pointer */
    uint32_t to;      /* block that it leads to */
};

/* Ways to all blocks of a graph that leak_classify has seen. */
void leak_paths_make(struct leak_paths *, struct leak_graph *);
void leak_paths_free(struct leak_paths *);

/* The steps from a root to the block, in this order, into *step (the caller frees). Their number;
 * 0: nothing leads to it, and there is nothing to free. */
uint32_t leak_paths_to(const struct leak_paths *, uint32_t block, struct leak_step **step);

#endif
