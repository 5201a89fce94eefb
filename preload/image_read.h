/* SPDX-License-Identifier: MIT */
/*
 * A look at the process's memory, from the side of the process: a frozen copy of it looks
 * (image_look.h) and this one takes what it finds; where no copy can be made the memory itself is
 * read. On the stream's own stack.
 */
#ifndef IMAGE_READ_H
#define IMAGE_READ_H

#include "image_look.h"
#include "stream.h"

/* Who takes what is found; false when no more is wanted. */
struct image_reader {
    bool (*regions)(void *context); /* the share's regions and events are there: once, first */
    bool (*words)(void *context, const struct scan_words *words);
    void *context;
};

/* Stack and registers of the calling thread as they are in the caller of the function whose frame
 * address is `frame`. s: its stream, not busy; its unwinder is used. */
void image_see_caller(struct stream *s, const void *frame, struct seen_thread *self);

/* Fills in what a look has to know of the calling thread, whose stack and registers are `self`,
 * and when it has to end. `park`: halts the other threads until the copy is made. counts: as in
 * struct image. */
void image_prepare(struct image *m, uint32_t pid, const struct seen_thread *self,
                   const uint64_t *counts, uint64_t begun, bool park);

/* How a look went. */
enum image_result {
    IMAGE_DONE,
    IMAGE_UNWANTED, /* the reader wanted no more */
    IMAGE_DIED      /* the copy has, before all was found */
};

/* Looks, behind image_prepare; the threads that it halted go on, but for the last image of all
 * (park_keep). */
enum image_result image_read(struct image *m, const struct image_reader *reader);

#endif
