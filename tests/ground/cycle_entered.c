/* SPDX-License-Identifier: MIT */
/* A lost block that points to a ring of two, by the one of them that was allocated last. */
#include "ground.h"

ALLOCATES(ring)
ALLOCATES(leader)

static APART void make(void) {
    void **a = (void **)ring(64), **b = (void **)ring(64), **l = (void **)leader(48);
    a[0] = b;
    b[0] = a;
    l[0] = b;
}

int main(void) {
    expect("definite", 48, 1, "leader");
    /* Leaders are looked for by address: the first of the ring is one before its leader's turn. */
    expect("definite", 64, 1, "ring");
    expect("indirect", 64, 1, "ring");
    make();
    wipe();
    return 0;
}
