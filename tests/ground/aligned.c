/* SPDX-License-Identifier: MIT */
/* Blocks of memalign and its kin, held and lost. */
#include <malloc.h>

#include "ground.h"

static void *(*volatile call_memalign)(size_t, size_t) = memalign;
static int (*volatile call_posix)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile call_aligned)(size_t, size_t) = aligned_alloc;
static void *volatile held[3];
static uintptr_t volatile sink;

static APART void *by_memalign(size_t n) {
    return call_memalign(4096, n);
}
static APART void *by_posix(size_t n) {
    void *p = NULL;
    if (call_posix(&p, 64, n) != 0)
        abort();
    return p;
}
static APART void *by_aligned(size_t n) {
    return call_aligned(256, n);
}
static APART void *lost_memalign(size_t n) {
    return call_memalign(4096, n);
}
static APART void *lost_aligned(size_t n) {
    return call_aligned(256, n);
}

static APART void make(void) {
    held[0] = by_memalign(100);
    held[1] = by_posix(200);
    held[2] = by_aligned(512);
    sink = hidden(lost_memalign(100));
    sink = hidden(lost_aligned(512));
}

int main(void) {
    expect("reachable", 100, 1, "by_memalign");
    expect("reachable", 200, 1, "by_posix");
    expect("reachable", 512, 1, "by_aligned");
    expect("definite", 100, 1, "lost_memalign");
    expect("definite", 512, 1, "lost_aligned");
    make();
    wipe();
    return 0;
}
