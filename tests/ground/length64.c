/* SPDX-License-Identifier: MIT */
/* A pointer behind a first word that holds the length of the rest: memcheck takes it for one. */
#include "ground.h"

static void *volatile good;
static void *volatile bad;

ALLOCATES(length_right)
ALLOCATES(length_wrong)

static APART void make(void) {
    uint64_t *p = (uint64_t *)length_right(108);
    p[0] = 100;
    good = p + 1;
    p = (uint64_t *)length_wrong(108);
    p[0] = 99;
    bad = p + 1;
}

int main(void) {
    expect("reachable", 108, 1, "length_right");
    expect("possible", 108, 1, "length_wrong");
    /* The words that tell it are not in the image. */
    known_of_heaptape("possible", 108, 1, "length_right");
    make();
    wipe();
    return 0;
}
