/* SPDX-License-Identifier: MIT */
/*
 * Words in front of the place that a pointer leads to, by which a reader tells that the pointer is
 * as good as one to its block's start (memcheck's heuristics stdstring, length64, newarray): they
 * are numbers, so the scan itself does not write them. Which words these are is known once the
 * pointer is; where the block starts is not. So every pointer to 8 bytes behind a multiple of 16,
 * where a block may start, is noted, and what lies in front of it is judged later, in order of the
 * addresses.
 */
#ifndef CLUES_H
#define CLUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clues {
    uint64_t *pointer; /* the caller's memory, for as many as it lets come */
    uint64_t *spare;   /* as much again */
    size_t count;
};

/* Notes a pointer, if it may be one of these. */
static inline void clues_note(struct clues *c, uint64_t value) {
    if (value % 16 == 8 && (c->count == 0 || c->pointer[c->count - 1] != value))
        c->pointer[c->count++] = value;
}

/* Brings them in order, each once. */
void clues_sort(struct clues *c);

/* The words in front of a pointer, the last one next to it. */
#define CLUES_WORDS 4

/*
 * Which of the words may tell something: bits 1 << index. room: bytes from the pointer to the end
 * of its region. headers: blocks are glibc's, whose size lies in front of each.
 */
unsigned clues_judge(const uint64_t word[CLUES_WORDS], uint64_t room, bool headers);

#endif
