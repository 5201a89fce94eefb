/* SPDX-License-Identifier: MIT */
/* Blocks that lie between freed ones: what the allocator keeps of those must hold none of them. */
#include "ground.h"

enum { LEAKED = 100 };

static uintptr_t volatile freed[LEAKED + 1];
static uintptr_t volatile sink;

ALLOCATES(of_24)
ALLOCATES(of_64)
ALLOCATES(of_2048)
ALLOCATES(of_20480)

static APART void make(void *(*take)(size_t), size_t bytes) {
    for (int i = 0; i < LEAKED; i++) {
        freed[i] = hidden(take(bytes));
        sink = hidden(take(bytes));
    }
    freed[LEAKED] = hidden(take(bytes));
    for (int i = 0; i <= LEAKED; i++)
        ground_free((void *)(freed[i] ^ HIDDEN));
}

int main(void) {
    expect("definite", LEAKED * 24, LEAKED, "of_24");
    expect("definite", LEAKED * 64, LEAKED, "of_64");
    expect("definite", LEAKED * 2048, LEAKED, "of_2048");
    expect("definite", LEAKED * 20480, LEAKED, "of_20480");
    make(of_24, 24);
    make(of_64, 64);
    make(of_2048, 2048);
    make(of_20480, 20480);
    wipe();
    return 0;
}
