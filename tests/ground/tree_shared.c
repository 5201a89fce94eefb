/* SPDX-License-Identifier: MIT */
/* A child that a lost parent and a root point to is reachable; of two lost parents it is one. */
#include "ground.h"

static void *volatile held;

ALLOCATES(parent)
ALLOCATES(held_child)
ALLOCATES(lost_child)

static APART void make(void) {
    void **a = (void **)parent(64), **b = (void **)parent(64);
    a[0] = held = held_child(100);
    a[1] = b[1] = lost_child(200);
}

int main(void) {
    expect("definite", 128, 2, "parent");
    expect("reachable", 100, 1, "held_child");
    expect("indirect", 200, 1, "lost_child");
    make();
    wipe();
    return 0;
}
