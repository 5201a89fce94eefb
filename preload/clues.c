/* SPDX-License-Identifier: MIT */
#include "clues.h"

/* ---- order -------------------------------------------------------------------------------- */

/* By one byte of (value - least) / 16, keeping the order of equal ones. */
static void sort_by(const uint64_t *from, uint64_t *to, size_t count, uint64_t least,
                    unsigned shift) {
    uint32_t place[257] = {0};
    for (size_t i = 0; i < count; i++)
        place[((from[i] - least) >> shift & 255) + 1]++;
    for (unsigned digit = 0; digit < 256; digit++)
        place[digit + 1] += place[digit];
    for (size_t i = 0; i < count; i++)
        to[place[(from[i] - least) >> shift & 255]++] = from[i];
}

/* libc's qsort may allocate. */
static void sort(struct clues *c) {
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < c->count; i++) {
        least = c->pointer[i] < least ? c->pointer[i] : least;
        most = c->pointer[i] > most ? c->pointer[i] : most;
    }
    for (unsigned shift = 4; c->count != 0 && shift < 64 && (most - least) >> shift != 0;
         shift += 8) {
        sort_by(c->pointer, c->spare, c->count, least, shift);
        uint64_t *sorted = c->spare;
        c->spare = c->pointer;
        c->pointer = sorted;
    }
}

void clues_sort(struct clues *c) {
    size_t kept = 0;
    sort(c);
    for (size_t i = 0; i < c->count; i++)
        if (i == 0 || c->pointer[i] != c->pointer[i - 1])
            c->pointer[kept++] = c->pointer[i];
    c->count = kept;
}

/* ---- what they say ------------------------------------------------------------------------ */

/* How much a block can hold, by the word in front of it, if one starts here; room: from there on.
 * glibc's word is the size with both its own words, a multiple of 16, and three bits more. */
static uint64_t holds(uint64_t header, uint64_t room, bool headers) {
    if (!headers)
        return room;
    uint64_t size = header & ~UINT64_C(7);
    return size % 16 != 0 || size < 32 || size - 16 > room ? 0 : size - 8;
}

unsigned clues_judge(const uint64_t word[CLUES_WORDS], uint64_t room, bool headers) {
    enum { HEADER_OF_STRING, LENGTH, CAPACITY, COUNT, HEADER_OF_ARRAY = CAPACITY };
    unsigned found = 0;
    uint64_t most = holds(word[HEADER_OF_ARRAY], room + 8, headers);
    if (word[COUNT] != 0 && most >= 8 && word[COUNT] <= most - 8)
        found |= 1U << COUNT;
    most = holds(word[HEADER_OF_STRING], room + 24, headers);
    if (word[LENGTH] <= word[CAPACITY] && most > 24 && word[CAPACITY] < most - 24)
        found |= 1U << LENGTH | 1U << CAPACITY;
    return found;
}
