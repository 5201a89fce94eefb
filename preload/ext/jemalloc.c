/* SPDX-License-Identifier: MIT */
/*
 * jemalloc's own interface (jemalloc(3), "Non-standard API"), for programs that are linked with it.
 * Apart from the operators: a program may ask by a weak reference whether jemalloc is there.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "ext.h"
#include "tape/ops.h"

#define EXPORT          __attribute__((visibility("default")))
#define FRAME           __builtin_frame_address(0)
#define LG_ALIGN(flags) ((unsigned)(flags)&63) /* MALLOCX_LG_ALIGN */

static struct {
    void *(*mallocx)(size_t, int);
    void *(*rallocx)(void *, size_t, int);
    size_t (*xallocx)(void *, size_t, size_t, int);
    void (*dallocx)(void *, int);
    void (*sdallocx)(void *, size_t, int);
} real;

static const struct ext *recorder; /* NULL: no libheaptape.so, or not of this version */

/* Also before the constructor, which comes behind those of all libraries. */
static void resolve(void) {
    if (real.mallocx != NULL)
        return;
#define FIND(name) *(void **)(void *)&real.name = dlsym(RTLD_NEXT, #name)
    FIND(rallocx);
    FIND(xallocx);
    FIND(dallocx);
    FIND(sdallocx);
    if (recorder == NULL && heaptape_client_ext != NULL)
        recorder = heaptape_client_ext(EXT_VERSION, (const void *)&resolve);
    FIND(mallocx); /* the last one: then all are there */
#undef FIND
}

__attribute__((constructor)) static void jemalloc_constructor(void) {
    resolve();
}

static struct stream *begin(const void *function, const void *frame) {
    return recorder != NULL ? recorder->begin(function, frame) : NULL;
}

/* Without jemalloc underneath nothing can be had. */
EXPORT void *mallocx(size_t size, int flags) {
    resolve();
    if (real.mallocx == NULL)
        return NULL;
    struct stream *s = begin((const void *)real.mallocx, FRAME);
    void *p = real.mallocx(size, flags);
    if (recorder != NULL)
        recorder->allocated(s, TAPE_OP_mallocx, p, size, LG_ALIGN(flags), FRAME);
    return p;
}

EXPORT void *rallocx(void *old, size_t size, int flags) {
    resolve();
    if (real.rallocx == NULL)
        return NULL;
    if (recorder != NULL)
        recorder->releases(TAPE_OP_REALLOC_FROM, old, FRAME);
    struct stream *s = begin((const void *)real.rallocx, FRAME);
    void *p = real.rallocx(old, size, flags);
    if (recorder != NULL)
        recorder->allocated(s, TAPE_OP_rallocx, p, size, 0, FRAME);
    return p;
}

/* Resizes in place, as far as that goes: the block is as large as was asked for, or as it was. */
EXPORT size_t xallocx(void *p, size_t size, size_t extra, int flags) {
    resolve();
    if (real.xallocx == NULL)
        return 0;
    if (recorder != NULL)
        recorder->releases(TAPE_OP_REALLOC_FROM, p, FRAME);
    struct stream *s = begin((const void *)real.xallocx, FRAME);
    size_t result = real.xallocx(p, size, extra, flags);
    if (recorder != NULL)
        recorder->allocated(s, TAPE_OP_xallocx, result >= size ? p : NULL, size, 0, FRAME);
    return result;
}

EXPORT void dallocx(void *p, int flags) {
    resolve();
    if (real.dallocx == NULL)
        return;
    if (recorder != NULL)
        recorder->releases(TAPE_OP_dallocx, p, FRAME);
    struct stream *s = begin((const void *)real.dallocx, FRAME);
    real.dallocx(p, flags);
    if (recorder != NULL)
        recorder->end(s);
}

EXPORT void sdallocx(void *p, size_t size, int flags) {
    resolve();
    if (real.sdallocx == NULL)
        return;
    if (recorder != NULL)
        recorder->releases(TAPE_OP_sdallocx, p, FRAME);
    struct stream *s = begin((const void *)real.sdallocx, FRAME);
    real.sdallocx(p, size, flags);
    if (recorder != NULL)
        recorder->end(s);
}
