/* SPDX-License-Identifier: MIT */
/* A page of the program's own beside a block that is a mapping, too: the kernel joins the two. And
 * one where such a block lay that is freed. */
#include <sys/mman.h>

#include "ground.h"

static void *volatile held;
static uintptr_t volatile hidden_page[2];

ALLOCATES(large)
ALLOCATES(in_page)
ALLOCATES(in_reused)

static APART void **page(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return (void **)p;
}

static APART void make(void) {
    held = large(300000);
    void **p = page(8192);
    p[777] = in_page(100);
    hidden_page[0] = hidden((void *)p);
    /* The largest such blocks alone stay mappings once one of them was freed. */
    ground_free(large(40000000));
    p = page(40000000);
    p[4444444] = in_reused(200);
    hidden_page[1] = hidden((void *)p);
}

int main(void) {
    expect("reachable", 300000, 1, "large");
    expect("reachable", 100, 1, "in_page");
    expect("reachable", 200, 1, "in_reused");
    make();
    wipe();
    return 0;
}
