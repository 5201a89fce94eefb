/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <stdlib.h>

#include "diag.h"

#define FIRST_BITS 12

static void make(struct live *l, unsigned bits) {
    l->mask = ((size_t)1 << bits) - 1;
    l->shift = 64 - bits;
    l->slot = xcalloc(l->mask + 1, sizeof *l->slot);
}

void live_init(struct live *l) {
    make(l, FIRST_BITS);
    l->count = 0;
}

void live_free(struct live *l) {
    free(l->slot);
}

void live_grow(struct live *l) {
    struct live old = *l;
    make(l, 64 - old.shift + 1);
    for (size_t i = 0; i <= old.mask; i++) {
        if (old.slot[i].address == 0)
            continue;
        size_t to = live_home(l, old.slot[i].address);
        while (l->slot[to].address != 0)
            to = (to + 1) & l->mask;
        l->slot[to] = old.slot[i];
    }
    free(old.slot);
}

/* Closes the gap: whatever follows without an empty slot in between and would no longer be found
 * from its home moves up. */
void live_remove(struct live *l, struct block *b) {
    size_t gap = (size_t)(b - l->slot), i = gap;
    for (;;) {
        i = (i + 1) & l->mask;
        if (l->slot[i].address == 0)
            break;
        size_t home = live_home(l, l->slot[i].address);
        if (((i - home) & l->mask) >= ((i - gap) & l->mask)) {
            l->slot[gap] = l->slot[i];
            gap = i;
        }
    }
    l->slot[gap].address = 0;
    l->count--;
}
