/* SPDX-License-Identifier: MIT */
/* A pointer that is kept XORed, and one as an offset: neither is seen, by anyone. */
#include "ground.h"

static uintptr_t volatile xored;
static intptr_t volatile offset;

ALLOCATES(kept_xored)
ALLOCATES(kept_as_offset)

static APART void make(void) {
    xored = (uintptr_t)kept_xored(100) ^ 0xdeadbeefcafef00du;
    offset = (char *)kept_as_offset(200) - (char *)&offset;
}

int main(void) {
    expect("definite", 100, 1, "kept_xored");
    expect("definite", 200, 1, "kept_as_offset");
    make();
    wipe();
    return 0;
}
