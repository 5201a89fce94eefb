/* SPDX-License-Identifier: MIT */
/*
 * Memcheck's heuristics (its manual, --leak-check-heuristics): pointers into the inside of a block
 * that are as good as pointers to its start, known by words in the block.
 *
 *   stdstring            to byte 24, behind length, capacity and reference count of an old
 *                        std::string whose size fits the capacity
 *   length64             to byte 8, behind the number of the bytes that follow
 *   newarray             to byte 8, behind a number of elements that divides the rest
 *   multipleinheritance  to a word that points to a table of functions, as the block's first does
 *
 * An image need not hold these words: numbers and pointers to code are no pointers into the heap.
 * Where one is missing a heuristic does not hold, and the block stays possibly lost. Whether a word
 * points to a table of functions is the writer's word: of pointers into modules it writes only
 * those that do.
 */
#ifndef LEAK_HEURISTICS_H
#define LEAK_HEURISTICS_H

#include "leak_graph.h"

enum leak_heuristic {
    LEAK_STDSTRING,
    LEAK_LENGTH64,
    LEAK_NEWARRAY,
    LEAK_MULTIPLE_INHERITANCE,
    LEAK_HEURISTICS
};

#define LEAK_HEURISTICS_ALL ((1U << LEAK_HEURISTICS) - 1)

/* Reads "stdstring,newarray", "all" or "none" to a set of bits. False: not such a list. */
bool leak_heuristics_parse(const char *text, unsigned *set);

/* Whether one of the graph's heuristics holds for a pointer into the inside of the block of this
 * number. */
bool leak_heuristics_hold(const struct leak_graph *, uint32_t block, uint64_t pointer);

#endif
