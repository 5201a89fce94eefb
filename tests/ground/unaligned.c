/* SPDX-License-Identifier: MIT */
/* A pointer at an address that is no multiple of eight does not count. */
#include "ground.h"

static struct __attribute__((packed)) {
    char c;
    void *volatile p;
} packed;

ALLOCATES(held_unaligned)

static APART void make(void) {
    packed.p = held_unaligned(100);
}

int main(void) {
    expect("definite", 100, 1, "held_unaligned");
    make();
    wipe();
    return 0;
}
