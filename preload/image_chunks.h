/* SPDX-License-Identifier: MIT */
/* The chunks of a heap image. On the stream's own stack. */
#ifndef IMAGE_CHUNKS_H
#define IMAGE_CHUNKS_H

#include "image_look.h"
#include "recorder.h"

/* An image that is being taken. */
struct taking {
    struct recorder *r;
    enum tape_image_reason reason;
    const char *name;
    struct seen_thread self; /* the calling thread */
    uint64_t number, stamp, begun;
    struct image *image;
    bool put_image; /* the IMAGE chunk is on the tape */
    bool failed;    /* a chunk could not be had */
};

/* IMAGE, from what the share says of regions and streams, and the regions' starts for the words. */
bool image_put(struct taking *t);
/* WORDS. */
bool image_put_words(struct taking *t, const struct scan_words *words);
/* IMAGE_END; why: not everything was looked at, or NULL. */
void image_put_end(struct taking *t, const char *why);

/* An image that could not be taken is told of as well. */
void image_put_nothing(struct taking *t, const char *why);

#endif
