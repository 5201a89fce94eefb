/* SPDX-License-Identifier: MIT */
/*
 * Tables of functions, by which an object of a class with virtual functions is known: memcheck's
 * rule for them (mc_leakcheck.c). A table begins at a word of a file's mapping that can be read,
 * and among its first words, up to the second that is not zero, there are only zeroes and addresses
 * in files' mappings that can be executed.
 */
#ifndef TABLES_H
#define TABLES_H

#include "maps.h"
#include "memory.h"

#define TABLES_KNOWN 2048 /* values whose verdict is remembered */

/* Begins as zeroes, with the first members filled in. */
struct tables {
    const struct memory *memory;
    const struct map_entry *map; /* in order of the addresses */
    size_t maps;
    uint64_t known[TABLES_KNOWN]; /* a value, plus 1 when it is a table's address */
};

/* Whether a table begins at this address. A value seen before costs one load. */
bool tables_hold(struct tables *t, uint64_t value);

#endif
