/* SPDX-License-Identifier: MIT */
/* A pointer in memory that is shared with children: anonymous, and of a file. */
#include <sys/mman.h>

#include "ground.h"

static uintptr_t volatile hidden_page[2];

ALLOCATES(in_anonymous)
ALLOCATES(in_file)

static APART void **page(int flags, int fd) {
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
    if (p == MAP_FAILED)
        abort();
    return (void **)p;
}

static APART void make(void) {
    void **p = page(MAP_ANONYMOUS, -1);
    p[77] = in_anonymous(100);
    hidden_page[0] = hidden((void *)p);
    int fd = memfd_create("ground", 0);
    if (ftruncate(fd, 4096) != 0)
        abort();
    p = page(0, fd);
    p[77] = in_file(200);
    hidden_page[1] = hidden((void *)p);
}

int main(void) {
    expect("reachable", 100, 1, "in_anonymous");
    expect("reachable", 200, 1, "in_file");
    make();
    wipe();
    return 0;
}
