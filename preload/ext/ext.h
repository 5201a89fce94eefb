/* SPDX-License-Identifier: MIT */
/*
 * Between the recorder and the second objects: entries of an allocator that libc does not have. A
 * program that has none of these would change with them in its scope (a weak reference becomes a
 * function, a plugin's operator new is found here with nothing underneath), so they are apart.
 *
 * An entry like operator new calls malloc, mostly, which is hooked too: what it calls between begin
 * and the end makes no events. All functions are safe wherever malloc is.
 */
#ifndef EXT_H
#define EXT_H

#include <stddef.h>
#include <stdint.h>

#define EXT_VERSION 1

struct stream;

struct ext {
    /* An entry is about to call the real function `real`. frame: of the hook, from
     * __builtin_frame_address(0). NULL: it is within another entry, or nothing can be recorded:
     * then it makes no event. What comes back goes to one of the next two. */
    struct stream *(*begin)(const void *real, const void *frame);
    /* It has returned p (NULL: failed). */
    void (*allocated)(struct stream *, unsigned op, const void *p, size_t size, unsigned align_log2,
                      const void *frame);
    /* It has returned, and makes no event. */
    void (*end)(struct stream *);
    /* p is about to be given back, or resized (TAPE_OP_REALLOC_FROM): before begin. */
    void (*releases)(unsigned op, const void *p, const void *frame);
};

/* The recorder's, or NULL: of another version. inside: an address of the calling object's code. */
const struct ext *heaptape_client_ext(unsigned version, const void *inside) __attribute__((weak));

#endif
