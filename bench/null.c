/* SPDX-License-Identifier: MIT */
/* A preload that only forwards: what interposing costs before anything is recorded. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static void (*real_free)(void *);

/* dlsym may allocate before it has found anything. */
static char early[4096];
static size_t early_used;

static void *early_block(size_t n) {
    size_t at = (early_used + 15) / 16 * 16;
    if (n > sizeof early - at)
        return NULL;
    early_used = at + n;
    return early + at;
}

static int is_early(const void *p) {
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

__attribute__((constructor)) static void resolve(void) {
    real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    real_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
}

void *malloc(size_t n) {
    if (__builtin_expect(real_malloc == NULL, 0))
        return early_block(n);
    return real_malloc(n);
}

void *calloc(size_t n, size_t size) {
    if (__builtin_expect(real_malloc == NULL, 0))
        return early_block(n * size);
    return real_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    if (__builtin_expect(is_early(p), 0)) {
        void *q = malloc(n);
        size_t room = (size_t)(early + sizeof early - (char *)p);
        return q != NULL ? memcpy(q, p, n < room ? n : room) : NULL;
    }
    return real_realloc(p, n);
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    return real_posix_memalign(p, alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n) {
    return real_aligned_alloc(alignment, n);
}

void free(void *p) {
    if (__builtin_expect(!is_early(p), 1))
        real_free(p);
}
