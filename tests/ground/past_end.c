/* SPDX-License-Identifier: MIT */
/* A pointer one past the end, or just before the start, points to nothing. */
#include "ground.h"

static void *volatile past;
static void *volatile past_odd;
static void *volatile before;

ALLOCATES(by_past)
ALLOCATES(by_past_odd)
ALLOCATES(by_before)

static APART void make(void) {
    past = (char *)by_past(104) + 104;
    past_odd = (char *)by_past_odd(99) + 99;
    before = (char *)by_before(104) - 8;
}

int main(void) {
    expect("definite", 104, 1, "by_past");
    expect("definite", 99, 1, "by_past_odd");
    expect("definite", 104, 1, "by_before");
    make();
    wipe();
    return 0;
}
