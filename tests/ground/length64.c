/* SPDX-License-Identifier: MIT */
/* A pointer behind a first word that holds the length of the rest: memcheck takes it for one. */
#include "ground.h"

static void *volatile good;
static void *volatile bad;
static void *volatile large;

ALLOCATES(length_right)
ALLOCATES(length_wrong)
ALLOCATES(length_mapped)

static APART void make(void) {
    uint64_t *p = (uint64_t *)length_right(108);
    p[0] = 100;
    good = p + 1;
    p = (uint64_t *)length_wrong(108);
    p[0] = 99;
    bad = p + 1;
    p = (uint64_t *)length_mapped(1 << 20);
    p[0] = (1 << 20) - 8;
    large = p + 1;
}

int main(void) {
    expect("reachable", 108, 1, "length_right");
    expect("possible", 108, 1, "length_wrong");
    expect("reachable", 1 << 20, 1, "length_mapped");
    make();
    wipe();
    return 0;
}
