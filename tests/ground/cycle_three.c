/* SPDX-License-Identifier: MIT */
/* Three blocks that point to each other in a ring: one is lost, the others through it. */
#include "ground.h"

enum { RING = 3 };

ALLOCATES(cycle)

static APART void make(void) {
    void **ring[RING];
    for (int i = 0; i < RING; i++)
        ring[i] = (void **)cycle(64);
    for (int i = 0; i < RING; i++)
        ring[i][1] = ring[(i + 1) % RING];
}

int main(void) {
    expect("definite", 64, 1, "cycle");
    expect("indirect", 64 * (RING - 1), RING - 1, "cycle");
    make();
    wipe();
    return 0;
}
