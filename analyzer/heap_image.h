/* SPDX-License-Identifier: MIT */
/*
 * A heap image of a tape: the words of the process's memory that looked like pointers at one
 * instant, and where each lay (docs/FORMAT.md, "Heap images").
 *
 * An image is read whole, 32 bytes a word, or not at all: a word that is missing would make a leak
 * of a block that is none. Nothing of it depends on the tape once it is open. Not thread-safe.
 */
#ifndef HEAP_IMAGE_H
#define HEAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "replay.h"
#include "tape/image.h"

/* A part of the memory, and its words in heap_image.word. */
struct image_region {
    struct tape_image_region is;
    size_t first, count;
};

struct heap_image {
    uint64_t number, stamp; /* stamp: ticks */
    enum tape_image_reason reason;
    char *name;                /* of the mark that asked for it; NULL: none */
    bool frozen;               /* false: the memory may have changed while it was read */
    struct replay_cut *stream; /* how many events of each had happened: for replay_cut_at */
    size_t stream_count;
    struct image_region *region; /* by the numbers that the tape gives them */
    uint32_t region_count;
    struct tape_word *word; /* region by region, in each by address */
    size_t word_count;
    struct tape_word *memory; /* all of them but those of registers, by address, each place once */
    size_t memory_count;
    uint64_t scanned, ns; /* bytes looked at; how long that took */
    char *incomplete;     /* why not everything was looked at, as part of a sentence; NULL: it was.
                             Then what no word points to need not be lost. */
};

/* Which image of a tape. */
struct image_choice {
    enum {
        IMAGE_NUMBER, /* the one of this number */
        IMAGE_EXIT,   /* the newest that the end of the process asked for */
        IMAGE_MARK,   /* the newest that a mark of this name asked for */
        IMAGE_NEWEST, /* of the end, and where there is none of a mark */
    } by;
    uint64_t number;
    const char *name;
};

/*
 * Reads an image. NULL when there is none that fits, or when it is damaged or was not finished;
 * then *reason says so as the part of a sentence that follows "no leak classes: " (the caller frees
 * it). The caller frees the image with heap_image_free().
 */
bool heap_image_exists(const struct tape_file *); /* any, whole or not */
struct heap_image *heap_image_open(struct tape_file *, const struct image_choice *, char **reason);
void heap_image_free(struct heap_image *);

/* The word at an address (a multiple of 8) of the memory, no register; NULL: the image has none. */
const struct tape_word *heap_image_word(const struct heap_image *, uint64_t address);

/* The first of heap_image.memory at or behind an address; memory_count when there is none. */
size_t heap_image_find(const struct heap_image *, uint64_t address);

#endif
