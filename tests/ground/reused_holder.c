/* SPDX-License-Identifier: MIT */
/* Pointers in memory that was freed and given out again: the new owner has written over them. */
#include "ground.h"

static void *volatile held[50];

ALLOCATES(holder)
ALLOCATES(lost)

static APART void make(void) {
    for (int i = 0; i < 50; i++) {
        void **p = (void **)holder(512);
        p[40] = lost(24);
        held[i] = p;
    }
    for (int i = 0; i < 50; i++)
        ground_free(held[i]);
    for (int i = 0; i < 50; i++)
        held[i] = holder(512);
}

int main(void) {
    expect("reachable", 50 * 512, 50, "holder");
    expect("definite", 50 * 24, 50, "lost");
    make();
    wipe();
    return 0;
}
