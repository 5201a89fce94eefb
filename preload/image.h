/* SPDX-License-Identifier: MIT */
/*
 * Heap images: which words of memory point into the heap, at one instant, written to the tape
 * (include/tape/image.h). docs/decisions/0008-heap-image.md says why it is done as it is.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "recorder.h"
#include "tape/image.h"

/*
 * Takes an image when HEAPTAPE_IMAGE asks for one of this kind. name: of the mark, or NULL. frame:
 * that of the function that the program called: its caller's registers and stack from there on are
 * the calling thread's. s: its stream, not busy. Harmless when the image cannot be taken.
 */
void image_take(struct stream *s, enum tape_image_reason reason, const char *name,
                const void *frame);

/* Where the number of a stream's events is kept for images, in memory that a copy of the process
 * sees, which the stream's own is not. NULL: no images are wanted, or there are too many streams.
 */
uint64_t *image_count_of(uint32_t stream);

/* The recording begins: numbers start anew. */
void image_begin(void);

#endif
