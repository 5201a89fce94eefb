/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "diag.h"

#define LARGE                                                                                      \
    ((size_t)4 << 20) /* from here on huge pages are worth the memory they round up to             \
                       */

static void *checked(void *p, size_t bytes) {
    if (p == MAP_FAILED) {
        diag("out of memory: %zu bytes", bytes);
        exit(EXIT_FINDING);
    }
    if (bytes >= LARGE)
        madvise(p, bytes, MADV_HUGEPAGE); /* without it everything is as before, but slower */
    return p;
}

void *pages_new(size_t bytes) {
    return checked(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                   bytes);
}

void *pages_grow(void *p, size_t old_bytes, size_t bytes) {
    return checked(mremap(p, old_bytes, bytes, MREMAP_MAYMOVE), bytes);
}

void pages_free(void *p, size_t bytes) {
    if (p != NULL)
        munmap(p, bytes);
}
