/* SPDX-License-Identifier: MIT */
/* A pointer in a page that the program mapped itself; and in one that it has unmapped again. */
#include <sys/mman.h>

#include "ground.h"

static uintptr_t volatile hidden_page;

ALLOCATES(in_page)
ALLOCATES(in_unmapped)

static APART void **page(void) {
    void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return (void **)p;
}

static APART void make(void) {
    void **p = page();
    p[777] = in_page(100);
    hidden_page = hidden((void *)p);
    p = page();
    p[777] = in_unmapped(200);
    munmap((void *)p, 8192);
}

int main(void) {
    expect("reachable", 100, 1, "in_page");
    expect("definite", 200, 1, "in_unmapped");
    make();
    wipe();
    return 0;
}
