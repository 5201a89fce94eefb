/* SPDX-License-Identifier: MIT */
/* Only pointers into the inside: possibly lost, and so is what such a block points to. */
#include "ground.h"

static void *volatile held;
static void *volatile last_byte;
static void *volatile both[2];
static void *volatile parent_held;

ALLOCATES(inside)
ALLOCATES(at_last_byte)
ALLOCATES(start_and_inside)
ALLOCATES(parent)
ALLOCATES(child)
ALLOCATES(lost)
ALLOCATES(inside_by_lost)
ALLOCATES(inside_by_reachable)

static APART void make(void) {
    held = (char *)inside(100) + 40;
    last_byte = (char *)at_last_byte(101) + 100;
    both[1] = start_and_inside(102);
    both[0] = (char *)both[1] + 8;
    void **p = (void **)parent(128);
    p[4] = child(103);
    parent_held = p + 5;
    p = (void **)lost(64);
    p[0] = (char *)inside_by_lost(104) + 16;
    ((void **)both[1])[2] = (char *)inside_by_reachable(105) + 16;
}

int main(void) {
    expect("possible", 100, 1, "inside");
    expect("possible", 101, 1, "at_last_byte");
    expect("reachable", 102, 1, "start_and_inside");
    expect("possible", 128, 1, "parent");
    expect("possible", 103, 1, "child");
    expect("definite", 64, 1, "lost");
    expect("indirect", 104, 1, "inside_by_lost");
    expect("possible", 105, 1, "inside_by_reachable");
    make();
    wipe();
    return 0;
}
