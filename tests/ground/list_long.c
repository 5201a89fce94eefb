/* SPDX-License-Identifier: MIT */
/* A list of 100,000, which is held, and one of 50,000 that is lost: no recursion does this. */
#include "ground.h"

static void *volatile held;

ALLOCATES(held_link)
ALLOCATES(lost_head)
ALLOCATES(lost_link)

static APART void make(void) {
    void **last = NULL;
    for (int i = 0; i < 100000; i++) {
        void **p = (void **)held_link(24);
        p[0] = (void *)last;
        last = p;
    }
    held = last;
    last = NULL;
    for (int i = 0; i < 50000; i++) {
        void **p = (void **)lost_link(24);
        p[0] = (void *)last;
        last = p;
    }
    ((void **)lost_head(24))[0] = (void *)last;
}

int main(void) {
    expect("reachable", 2400000, 100000, "held_link");
    expect("definite", 24, 1, "lost_head");
    expect("indirect", 1200000, 50000, "lost_link");
    make();
    wipe();
    return 0;
}
