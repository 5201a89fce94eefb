/* SPDX-License-Identifier: MIT */
/* A pointer in a page that was made read-only after it was written. */
#include <sys/mman.h>

#include "ground.h"

static uintptr_t volatile hidden_page;

ALLOCATES(in_page)

static APART void make(void) {
    void **p =
        (void **)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((void *)p == MAP_FAILED)
        abort();
    p[77] = in_page(100);
    if (mprotect((void *)p, 4096, PROT_READ) != 0)
        abort();
    hidden_page = hidden((void *)p);
}

int main(void) {
    expect("reachable", 100, 1, "in_page");
    /* Its rule is that only memory that can be written holds pointers. */
    expect_of_memcheck("definite", 100, 1, "in_page");
    make();
    wipe();
    return 0;
}
