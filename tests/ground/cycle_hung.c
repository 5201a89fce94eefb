/* SPDX-License-Identifier: MIT */
/* A lost block that points to a ring of two: it alone is the leader, wherever the ring lies. */
#include "ground.h"

ALLOCATES(leader)
ALLOCATES(ring)

static APART void make(int leader_first) {
    void **l = leader_first ? (void **)leader(48) : NULL;
    void **a = (void **)ring(64), **b = (void **)ring(64);
    if (l == NULL)
        l = (void **)leader(48);
    a[0] = b;
    b[0] = a;
    l[0] = a;
}

int main(void) {
    expect("definite", 96, 2, "leader");
    expect("indirect", 256, 4, "ring");
    make(1);
    make(0);
    wipe();
    return 0;
}
