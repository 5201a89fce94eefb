/* SPDX-License-Identifier: MIT */
/*
 * glibc's main arena is a static struct malloc_state. It cannot be found by name, but by its bins:
 * 127 lists of free chunks, each a pair of words. An empty one holds, twice, the address of a chunk
 * whose links would be these words: their own address less 16. Bins of the larger sizes are mostly
 * empty, and the last one always is.
 */
#include "allocator_state.h"

#define BINS     127
#define LEAST    8                       /* empty bins that no coincidence makes */
#define IN_FRONT (16 + 10 * 8 + 2 * 8)   /* flags, fast bins, top, last remainder */
#define BEHIND   (4 * 4 + 2 * 8 + 3 * 8) /* bitmap, links, counters */

void allocator_state_find(struct regions *r, uint64_t from, uint64_t to) {
    const uint64_t *word = (const uint64_t *)(const void *)r->scratch;
    uint64_t bytes = to - from < REGIONS_SCRATCH ? to - from : REGIONS_SCRATCH;
    if (!r->peek(r->context, from, r->scratch, bytes))
        return;
    uint64_t last = 0, empty = 0;
    for (uint64_t i = 0; i + 1 < bytes / 8; i++) {
        uint64_t at = from + i * 8;
        if (word[i] == at - 16 && word[i + 1] == at - 16) {
            empty++;
            last = at;
        }
    }
    uint64_t first = last - (BINS - 1) * 16;
    if (empty < LEAST || first < from)
        return;
    r->hole[0] = first - IN_FRONT;
    r->hole[1] = last + 16 + BEHIND;
}
