/* SPDX-License-Identifier: MIT */
/*
 * The modules of one tape: which one holds an address in a generation of the address space.
 *
 * Announcements come from several threads, in any order and repeatedly; the same module loaded
 * again after it was gone is another one. Not thread-safe.
 */
#ifndef MODULES_H
#define MODULES_H

#include "stacks.h"

struct modules {
    struct module **module; /* by index, in the order of the first announcement; owned */
    uint32_t *by_start;     /* indices, by start, then generation */
    uint32_t count, room;
    uint64_t longest; /* bytes of the longest module */
    struct unload {
        uint64_t start, generation;
    } * unload; /* by start, then generation */
    size_t unload_count, unload_room;
};

void modules_free(struct modules *);
void modules_add(struct modules *, const struct module *);
void modules_unload(struct modules *, uint64_t start, uint64_t generation);

/* The module that held the address in this generation; with `any`, otherwise one that held it in
 * another. UINT32_MAX when there is none. */
uint32_t modules_find(const struct modules *, uint64_t address, uint64_t generation, bool any);

#endif
