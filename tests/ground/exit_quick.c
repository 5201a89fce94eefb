/* SPDX-License-Identifier: MIT */
/* quick_exit, with a handler of its kind that frees one block. */
#include "ground.h"

static void *volatile held;
static void *volatile freed_late;
static uintptr_t volatile sink;

ALLOCATES(reached)
ALLOCATES(lost)
ALLOCATES(freed)

static void handler(void) {
    ground_free(freed_late);
}

static APART void make(void) {
    held = reached(100);
    freed_late = freed(300);
    sink = hidden(lost(200));
}

int main(void) {
    expect("reachable", 100, 1, "reached");
    expect("definite", 200, 1, "lost");
    at_quick_exit(handler);
    make();
    wipe();
    quick_exit(0);
}
