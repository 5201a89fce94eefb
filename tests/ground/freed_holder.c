/* SPDX-License-Identifier: MIT */
/* The only pointer lies in memory that is freed. */
#include "ground.h"

static void *volatile small;
static void *volatile large;

ALLOCATES(holder)
ALLOCATES(by_small)
ALLOCATES(by_large)

static APART void make(void) {
    void **p = (void **)holder(512);
    p[40] = by_small(100);
    small = p;
    p = (void **)holder(20000);
    p[1000] = by_large(200);
    large = p;
    /* Lest the freed one becomes part of the top. */
    ground_free(small);
    ground_free(large);
}

int main(void) {
    expect("definite", 100, 1, "by_small");
    expect("definite", 200, 1, "by_large");
    make();
    wipe();
    return 0;
}
