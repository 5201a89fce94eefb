/* SPDX-License-Identifier: MIT */
/* A block that points to itself. */
#include "ground.h"

ALLOCATES(cycle)

static APART void make(void) {
    void **p = (void **)cycle(64);
    p[3] = p;
}

int main(void) {
    expect("definite", 64, 1, "cycle");
    make();
    wipe();
    return 0;
}
