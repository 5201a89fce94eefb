/* SPDX-License-Identifier: MIT */
/* What the copy of the process does for an image: it looks, and tells through shared memory. */
#ifndef IMAGE_LOOK_H
#define IMAGE_LOOK_H

#include <stdatomic.h>

#include "scan.h"

#define IMAGE_THREADS 1024
#define IMAGE_STREAMS 4096
/* image.counts: a stream's is at its number times the stride; of 0 the greatest number. */
#define IMAGE_COUNTS_STRIDE 8
#define IMAGE_COUNTS_MORE   1    /* not 0: there were streams beyond IMAGE_STREAMS */
#define IMAGE_NAME          1023 /* bytes of a mark's name */
#define IMAGE_WHY           128

/* Shared between the process and its copy. `said` counts what the copy has said, to wait for. */
struct image_share {
    atomic_uint said;
    atomic_uint ready;    /* regions and events are there */
    atomic_uint finished; /* all of it was said */
    size_t regions, streams;
    uint64_t words, scanned;
    bool blind;                     /* memory cannot be read at all */
    char why[IMAGE_WHY];            /* not everything was looked at; "": it was */
    uint64_t events[IMAGE_STREAMS]; /* of stream 1, 2, … */
    struct {
        atomic_uint full; /* set by the copy, cleared by the process */
        struct scan_words words;
    } slot[2];
    struct region region[]; /* room for struct image.room */
};

/* Lies in the process's private memory, which the copy has too. */
struct image {
    struct image_share *share;
    size_t room;               /* mappings, and regions */
    bool frozen;               /* it is a copy that looks */
    bool careful;              /* a copy before this one has died of what it read */
    bool last;                 /* the process ends behind it: they go on waiting */
    bool parked;               /* the other threads wait until the copy is made */
    const struct target *only; /* NULL: all of the heap is looked for; else pointers into these */
    size_t only_count;
    uint32_t pid;
    uint64_t tid_at, deadline;
    const uint64_t *counts;     /* image_count_of */
    struct seen_thread *thread; /* the calling thread's first; IMAGE_THREADS */
    size_t threads;
    bool all_threads; /* there was room for all */
    uint64_t *starts; /* of the regions; for the process */
    struct map_entry *map;
    size_t maps;
    struct range *owned, *mapped;
    struct target *target;
    uint64_t *buffer;
    struct tables *tables;
    struct tape_word *aside; /* SCAN_ASIDE */
    uint64_t *clues;         /* twice that */
    bool headers;            /* blocks are glibc's */
    uint8_t *scratch;
    void *stack_top;           /* of the copy */
    size_t bytes, share_bytes; /* of memory that starts with this; of the share */
};

/* Gets the memory that an image takes; NULL when there is none. */
struct image *image_provide(void);
void image_free(struct image *m);

/* Looks at everything; full words are given to `take`, what remains is in slot 0 (or, of a copy,
 * the one in use). proc: it is a copy, which may keep descriptors open. */
struct scan_words *image_look(struct image *m,
                              struct scan_words *(*take)(void *, struct scan_words *),
                              void *context, bool proc);

/* The copy's life; arg: struct image. */
void image_copy(void *arg);

#endif
