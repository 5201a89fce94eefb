/* SPDX-License-Identifier: MIT */
/* Blocks so large that each is a mapping of its own, held, lost, held from within one. */
#include "ground.h"

static void *volatile held;
static uintptr_t volatile sink;

ALLOCATES(reached)
ALLOCATES(lost)
ALLOCATES(through_reached)
ALLOCATES(through_lost)

static APART void make(void) {
    void **p = (void **)reached(3000000);
    p[300000] = through_reached(100);
    held = p;
    p = (void **)lost(2000000);
    p[200000] = through_lost(200);
    sink = hidden((void *)p);
}

int main(void) {
    expect("reachable", 3000000, 1, "reached");
    expect("reachable", 100, 1, "through_reached");
    expect("definite", 2000000, 1, "lost");
    expect("indirect", 200, 1, "through_lost");
    make();
    wipe();
    return 0;
}
