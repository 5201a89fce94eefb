/* SPDX-License-Identifier: MIT */
/* Blocks that are lost, and held, by a handler of atexit() and by a destructor. */
#include "ground.h"

static void *volatile held;
static uintptr_t volatile sink;

ALLOCATES(lost_by_handler)
ALLOCATES(held_by_handler)
ALLOCATES(lost_by_destructor)

static APART void make_early(void) {
    sink = hidden(lost_by_handler(100));
    held = held_by_handler(200);
}
static APART void make_late(void) {
    sink = hidden(lost_by_destructor(300));
}

static void handler(void) {
    make_early();
    wipe();
}

static void __attribute__((destructor)) destructor(void) {
    make_late();
    wipe();
}

int main(void) {
    expect("definite", 100, 1, "lost_by_handler");
    expect("reachable", 200, 1, "held_by_handler");
    expect("definite", 300, 1, "lost_by_destructor");
    atexit(handler);
    return 0;
}
