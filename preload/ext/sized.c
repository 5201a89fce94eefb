/* SPDX-License-Identifier: MIT */
/*
 * free_sized and free_aligned_sized (C23, 7.24.3.4 and 7.24.3.5), for programs whose libraries
 * define them. Apart from the others: a program may ask by a weak reference whether they are there.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#include "ext.h"
#include "tape/ops.h"

#define EXPORT __attribute__((visibility("default")))
#define FRAME  __builtin_frame_address(0)

static struct {
    void (*free_sized)(void *, size_t);
    void (*free_aligned_sized)(void *, size_t, size_t);
} real;

static const struct ext *recorder; /* NULL: no libheaptape.so, or not of this version */

/* Also before the constructor, which comes behind those of all libraries. */
static void resolve(void) {
    if (recorder == NULL && heaptape_client_ext != NULL)
        recorder = heaptape_client_ext(EXT_VERSION, (const void *)&resolve);
    if (real.free_sized == NULL)
        *(void **)(void *)&real.free_sized = dlsym(RTLD_NEXT, "free_sized");
    if (real.free_aligned_sized == NULL)
        *(void **)(void *)&real.free_aligned_sized = dlsym(RTLD_NEXT, "free_aligned_sized");
}

__attribute__((constructor)) static void sized_constructor(void) {
    resolve();
}

/* What finds nothing behind it is left to free(): the size is there to help, no more. */
EXPORT void free_sized(void *p, size_t size) {
    if (real.free_sized == NULL)
        resolve();
    if (real.free_sized == NULL) {
        free(p);
        return;
    }
    struct stream *s = NULL;
    if (recorder != NULL) {
        recorder->releases(TAPE_OP_free_sized, p, FRAME);
        s = recorder->begin((const void *)real.free_sized, FRAME);
    }
    real.free_sized(p, size);
    if (recorder != NULL)
        recorder->end(s);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size) {
    if (real.free_aligned_sized == NULL)
        resolve();
    if (real.free_aligned_sized == NULL) {
        free(p);
        return;
    }
    struct stream *s = NULL;
    if (recorder != NULL) {
        recorder->releases(TAPE_OP_free_aligned_sized, p, FRAME);
        s = recorder->begin((const void *)real.free_aligned_sized, FRAME);
    }
    real.free_aligned_sized(p, alignment, size);
    if (recorder != NULL)
        recorder->end(s);
}
