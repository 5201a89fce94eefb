/* SPDX-License-Identifier: MIT */
/* _exit: no handler runs. */
#include "ground.h"

static void *volatile held;
static uintptr_t volatile sink;

ALLOCATES(reached)
ALLOCATES(lost)

static APART void make(void) {
    held = reached(100);
    sink = hidden(lost(200));
}

int main(void) {
    expect("reachable", 100, 1, "reached");
    expect("definite", 200, 1, "lost");
    make();
    wipe();
    _exit(0);
}
