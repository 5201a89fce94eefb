/* SPDX-License-Identifier: MIT */
/* Every allocator entry of the C library, with sizes that tell the calls apart, calls that fail
 * and arguments at the edges. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "expect.h"

static struct expect expected;

/* Hidden from the compiler, which knows that such calls cannot succeed. */
static volatile size_t huge = SIZE_MAX / 2;
static volatile size_t odd_alignment = 24;

#define ALLOC(op, size, call)          expect_block(&expected, op, call, size)
#define ALIGNED(op, size, align, call) expect_aligned(&expected, op, call, size, align)

static void *resize(void *old, size_t size) {
    if (old != NULL)
        expect_line(&expected, "realloc_from", old, "");
    return ALLOC("realloc", size, realloc(old, size));
}

static void *aligned_block(size_t alignment, size_t size) {
    void *p = NULL;
    if (posix_memalign(&p, alignment, size) != 0)
        p = NULL;
    return ALIGNED("posix_memalign", size, alignment, p);
}

int main(void) {
    heaptape_mark("begin");

    /* volatile: the block outlives the resizes that fail, which the compiler does not believe */
    void *volatile a = ALLOC("malloc", 101, malloc(101));
    void *b = ALLOC("calloc", 3 * 35, calloc(3, 35));
    void *c = resize(NULL, 107);
    expect_line(&expected, "realloc_from", a, "");
    a = ALLOC("reallocarray", 9 * 1009, reallocarray(a, 9, 1009));
    void *d = aligned_block(64, 113);
    void *e = ALIGNED("aligned_alloc", 4096, 256, aligned_alloc(256, 4096));
    void *f = ALIGNED("memalign", 127, 1024, memalign(1024, 127));
    void *g = ALLOC("valloc", 131, valloc(131));
    void *h = ALLOC("pvalloc", 137, pvalloc(137));
    void *zero = ALLOC("malloc", 0, malloc(0));
    void *none = ALLOC("calloc", 0, calloc(0, 8));

    b = resize(b, 1 << 20); /* moves into a mapping of its own */
    b = resize(b, 3 << 20); /* mremap */
    b = resize(b, 16);
    expect_line(&expected, "realloc_from", c, "");
    if (ALLOC("realloc", 0, realloc(c, 0)) != NULL) /* frees, in glibc */
        return 2;
    c = ALLOC("reallocarray", 7 * 11, reallocarray(NULL, 7, 11));

    /* calls that fail leave their mark, and the block to be resized as it was */
    errno = 0;
    if (ALLOC("malloc", huge, malloc(huge)) != NULL || errno != ENOMEM)
        return 3;
    expect_line(&expected, "realloc_from", a, "");
    if (ALLOC("realloc", huge, realloc(a, huge)) != NULL)
        return 4;
    /* overflowing products have no size that could be told */
    if (ALLOC("calloc", SIZE_MAX, calloc(huge, 3)) != NULL)
        return 5;
    expect_line(&expected, "realloc_from", a, "");
    if (ALLOC("reallocarray", SIZE_MAX, reallocarray(a, huge, 3)) != NULL)
        return 6;
    void *p = NULL;
    if (posix_memalign(&p, odd_alignment, 8) != EINVAL)
        return 7;
    expect_line(&expected, "posix_memalign", NULL, " 8 invalid");
    memset(a, 1, 9 * 1009);

    errno = 77;
    free(NULL); /* no event */
    if (errno != 77)
        return 8;
    expect_free(&expected, a);
    expect_free(&expected, b);
    expect_free(&expected, c);
    expect_free(&expected, d);
    expect_free(&expected, e);
    expect_free(&expected, f);
    expect_free(&expected, g);
    expect_free(&expected, h);
    expect_free(&expected, zero);
    expect_free(&expected, none);
    if (errno != 77)
        return 9;

    heaptape_mark("end");
    expect_print(&expected);
    return 0;
}
