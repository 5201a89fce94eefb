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
    expect("indirect", 128, 2, "ring");
    /* It looks at blocks by address, and took the first of the ring for a leader. */
    expect_of_memcheck("definite", 64, 1, "ring");
    expect_of_memcheck("indirect", 64, 1, "ring");
    make();
    wipe();
    return 0;
}
