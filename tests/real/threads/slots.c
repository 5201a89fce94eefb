/* SPDX-License-Identifier: MIT */
/*
 * An allocator without locks, preloaded behind the recorder: safe in a signal handler at any point
 * of itself, and a thread may be cancelled there. Small blocks are slots claimed by one atomic
 * exchange; large ones are never given back.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLOTS       65536
#define SLOT_BYTES  64
#define LARGE_BYTES (256u << 20)

static struct { _Alignas(SLOT_BYTES) char bytes[SLOT_BYTES]; } slot[SLOTS];
static atomic_bool taken[SLOTS];
static atomic_uint hint;
static _Alignas(4096) char large[LARGE_BYTES];
static _Atomic size_t large_used;

static int is_slot(const void *p) {
    return (uintptr_t)p - (uintptr_t)slot < sizeof slot;
}

/* A large block has its size in front. */
static void *large_block(size_t alignment, size_t size) {
    if (size > LARGE_BYTES / 2 || alignment > LARGE_BYTES / 2) {
        errno = ENOMEM;
        return NULL;
    }
    size_t at = atomic_fetch_add(&large_used, size + alignment + 64);
    if (at + size + alignment + 64 > LARGE_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t p = ((uintptr_t)large + at + 16 + alignment - 1) / alignment * alignment;
    memcpy((void *)(p - sizeof size), &size, sizeof size);
    return (void *)p;
}

/* static: a call of an exported function would come back to the recorder's hook */
static void *block(size_t alignment, size_t size) {
    if (size > SLOT_BYTES || alignment > SLOT_BYTES)
        return large_block(alignment < 64 ? 64 : alignment, size);
    for (unsigned tries = 0; tries < SLOTS; tries++) {
        unsigned i = atomic_fetch_add(&hint, 1) % SLOTS;
        if (!atomic_exchange(&taken[i], 1))
            return &slot[i];
    }
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size) {
    return block(16, size);
}

void *memalign(size_t alignment, size_t size) {
    return block(alignment, size);
}

static void give_back(void *p) {
    if (is_slot(p))
        atomic_store(&taken[((uintptr_t)p - (uintptr_t)slot) / SLOT_BYTES], 0);
}

void free(void *p) {
    give_back(p);
}

void *calloc(size_t n, size_t size) {
    if (size != 0 && n > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = block(16, n * size);
    return p != NULL ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *old, size_t size) {
    void *p = block(16, size);
    if (p != NULL && old != NULL) {
        size_t bytes = SLOT_BYTES;
        if (!is_slot(old))
            memcpy(&bytes, (char *)old - sizeof bytes, sizeof bytes);
        memcpy(p, old, bytes < size ? bytes : size);
        give_back(old);
    }
    return p;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return block(alignment, size);
}

int posix_memalign(void **to, size_t alignment, size_t size) {
    void *p = block(alignment, size);
    if (p == NULL)
        return ENOMEM;
    *to = p;
    return 0;
}
