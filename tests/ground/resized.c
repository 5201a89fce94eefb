/* SPDX-License-Identifier: MIT */
/* realloc: the block that moved is another one; a pointer to where it was does not hold it. */
#include "ground.h"

static void *(*volatile call_realloc)(void *, size_t) = realloc;
static void *volatile held;
static void *volatile stale;
static void *volatile shrunk;
static uintptr_t volatile sink;

ALLOCATES(small)

static APART void *grown_held(void *p) {
    return call_realloc(p, 200000);
}
static APART void *grown_stale(void *p) {
    return call_realloc(p, 300000);
}
static APART void *cut_held(void *p) {
    return call_realloc(p, 30);
}
static APART void *cut_lost(void *p) {
    return call_realloc(p, 31);
}
static APART void *cut_by_end(void *p) {
    return call_realloc(p, 32);
}

static void *volatile end;

static APART void make(void) {
    held = grown_held(small(50));
    stale = small(50);
    sink = hidden(grown_stale(stale));
    shrunk = cut_held(small(5000));
    sink = hidden(cut_lost(small(5000)));
    /* Into what was cut off. */
    end = (char *)cut_by_end(small(5000)) + 4000;
}

int main(void) {
    expect("reachable", 200000, 1, "grown_held");
    expect("definite", 300000, 1, "grown_stale");
    expect("reachable", 30, 1, "cut_held");
    expect("definite", 31, 1, "cut_lost");
    expect("definite", 32, 1, "cut_by_end");
    make();
    wipe();
    return 0;
}
