/* SPDX-License-Identifier: MIT */
/*
 * Heap images: which words of a process's memory look like pointers into its heap, at one instant.
 * docs/FORMAT.md, "Heap images", is the law.
 *
 *   image := IMAGE chunk, WORDS chunk*, IMAGE_END chunk
 *
 * The three kinds name the image by its number, from 1; other chunks may stand between them. IMAGE
 * and IMAGE_END hold fields as INFO does (info.h). An image without its end was not finished.
 *
 * All functions are pure, allocate nothing, and are safe in signal handlers and inside malloc.
 */
#ifndef TAPE_IMAGE_H
#define TAPE_IMAGE_H

#include "info.h"

enum tape_image_tag {
    TAPE_IMAGE_NUMBER = 1, /* number (IMAGE, IMAGE_END) */
    TAPE_IMAGE_REASON = 2, /* number: enum tape_image_reason */
    TAPE_IMAGE_STAMP = 3,  /* number: ticks */
    TAPE_IMAGE_NAME = 4,   /* text: of the mark that asked for it; absent: none */
    TAPE_IMAGE_FROZEN = 5, /* number: 1 a frozen copy of the memory was read, 0 the memory itself,
                              which may have changed meanwhile */
    TAPE_IMAGE_STREAM = 6, /* numbers: stream, its events at that instant; one field a stream */
    TAPE_IMAGE_REGION = 7, /* struct tape_image_region; one field a region, in the order of the
                              numbers that WORDS use, from 0 */
    TAPE_IMAGE_END_WORDS = 32,   /* number: words written (IMAGE_END) */
    TAPE_IMAGE_END_SCANNED = 33, /* number: bytes looked at (IMAGE_END) */
    TAPE_IMAGE_END_NS = 34,      /* number: how long it took, ns (IMAGE_END) */
    TAPE_IMAGE_END_WHY = 35,     /* text: why not everything was looked at; absent: it was */
    TAPE_IMAGE_END_PARTLY = 36,  /* number of a region of which not all was looked at; one field
                                    each (IMAGE_END) */
};

enum tape_image_reason { TAPE_IMAGE_EXIT = 0, TAPE_IMAGE_MARK = 1 };

enum tape_region_kind {
    TAPE_REGION_MODULE = 1,    /* writable data of a loaded module: a root */
    TAPE_REGION_STACK = 2,     /* a thread's, from its stack pointer on if known, with its static
                                  thread-local storage: a root */
    TAPE_REGION_REGISTERS = 3, /* of a thread; addresses count from 0: a root */
    TAPE_REGION_OTHER = 4,     /* any other writable mapping: a root where no block ever lay */
    TAPE_REGION_ALLOCATOR = 5, /* the allocator's own: never a root, but for blocks in it */
};

struct tape_image_region {
    uint64_t start, length; /* bytes */
    uint32_t kind;          /* enum tape_region_kind */
    uint64_t tid;           /* of STACK and REGISTERS; 0: unknown */
    uint32_t flags;         /* TAPE_REGION_* below */
};
#define TAPE_REGION_REGISTERS_UNSEEN 1u /* a stack whose thread's registers could not be had */
#define TAPE_REGION_PARTLY           2u /* not all of it was looked at */

#define TAPE_REGION_FIELD_MAX (5 * TAPE_VARINT_MAX)

/* The value of a TAPE_IMAGE_REGION field; room: TAPE_REGION_FIELD_MAX bytes. */
static inline uint8_t *tape_put_image_region(uint8_t *p, const struct tape_image_region *r) {
    p = tape_put_varint(p, r->start);
    p = tape_put_varint(p, r->length);
    p = tape_put_varint(p, r->kind);
    p = tape_put_varint(p, r->tid);
    return tape_put_varint(p, r->flags);
}

static inline enum tape_error tape_get_image_region(struct tape_in *in,
                                                    struct tape_image_region *r) {
    r->start = tape_get_varint(in, UINT64_MAX);
    r->length = tape_get_varint(in, UINT64_MAX - r->start);
    r->kind = (uint32_t)tape_get_varint(in, UINT32_MAX);
    r->tid = tape_get_varint(in, UINT64_MAX);
    r->flags = (uint32_t)tape_get_varint(in, UINT32_MAX);
    return in->error;
}

/*
 * The payload of a WORDS chunk: words of 8 bytes at multiples of 8, in runs of one region each,
 * addresses ascending within a run.
 *
 *   words := version:u8 image runs words { region count }×runs { address }×words { value }×words
 *
 * All are varints. address: in units of 8 bytes, of a run's first word its distance from the
 * region's start, of others from the word before. value: zigzag difference to the value before.
 */
#define TAPE_WORDS_VERSION 1
#define TAPE_WORDS_MAX     (UINT32_C(1) << 24) /* words, and runs, in a chunk */

struct tape_word {
    uint64_t address, value;
};

struct tape_word_run {
    uint32_t region, count; /* words of it, behind those of the run before */
};

/* Room for a payload of these numbers. */
static inline size_t tape_words_room(size_t runs, size_t words) {
    return 1 + 3 * TAPE_VARINT_MAX + runs * 10 + words * 2 * TAPE_VARINT_MAX;
}

/* starts: by region number, where each starts. */
static inline uint8_t *tape_put_words(uint8_t *p, uint64_t image, const struct tape_word_run *run,
                                      size_t runs, const struct tape_word *word, size_t words,
                                      const uint64_t *starts) {
    p = tape_put_u8(p, TAPE_WORDS_VERSION);
    p = tape_put_varint(p, image);
    p = tape_put_varint(p, runs);
    p = tape_put_varint(p, words);
    for (size_t r = 0; r < runs; r++) {
        p = tape_put_varint(p, run[r].region);
        p = tape_put_varint(p, run[r].count);
    }
    for (size_t r = 0, w = 0; r < runs; r++) {
        uint64_t before = starts[run[r].region];
        for (uint32_t i = 0; i < run[r].count; i++, w++) {
            p = tape_put_varint(p, (word[w].address - before) / 8);
            before = word[w].address;
        }
    }
    for (size_t w = 0; w < words; w++)
        p = tape_put_varint(p, tape_zigzag(
                                   (int64_t)(word[w].value - (w > 0 ? word[w - 1].value : 0))));
    return p;
}

/* What a WORDS payload holds; read by tape_get_words_head, then tape_get_words. */
struct tape_words_head {
    uint64_t image;
    uint32_t runs, words;
};

static inline enum tape_error tape_get_words_head(struct tape_in *in, struct tape_words_head *h) {
    if (tape_get_u8(in) != TAPE_WORDS_VERSION && in->error == TAPE_OK)
        tape_in_fail(in, TAPE_E_VERSION);
    h->image = tape_get_varint(in, UINT64_MAX);
    h->runs = (uint32_t)tape_get_varint(in, TAPE_WORDS_MAX);
    h->words = (uint32_t)tape_get_varint(in, TAPE_WORDS_MAX);
    /* Each takes at least two bytes: no more memory can be asked for than there is input. */
    if (in->error == TAPE_OK && ((uint64_t)h->runs + h->words) * 2 > tape_in_left(in))
        tape_in_fail(in, TAPE_E_SHORT);
    return in->error;
}

/* The rest: run[] has room for h->runs, word[] for h->words. starts: by region number, `regions` of
 * them. Everything is consistent when the result is TAPE_OK. */
static inline enum tape_error tape_get_words(struct tape_in *in, const struct tape_words_head *h,
                                             const uint64_t *starts, uint32_t regions,
                                             struct tape_word_run *run, struct tape_word *word) {
    uint64_t sum = 0, value = 0;
    for (uint32_t r = 0; r < h->runs; r++) {
        run[r].region = (uint32_t)tape_get_varint(in, regions == 0 ? 0 : regions - 1);
        run[r].count = (uint32_t)tape_get_varint(in, h->words);
        sum += run[r].count;
    }
    if (in->error == TAPE_OK && (sum != h->words || (regions == 0 && h->runs != 0)))
        tape_in_fail(in, TAPE_E_COLUMN);
    if (in->error != TAPE_OK)
        return in->error;
    for (uint32_t r = 0, w = 0; r < h->runs; r++) {
        uint64_t at = starts[run[r].region];
        for (uint32_t i = 0; i < run[r].count; i++)
            word[w++].address = at += tape_get_varint(in, UINT64_MAX / 8) * 8;
    }
    for (uint32_t w = 0; w < h->words; w++)
        word[w].value = value += (uint64_t)tape_unzigzag(tape_get_varint(in, UINT64_MAX));
    if (in->error == TAPE_OK && tape_in_left(in) != 0)
        tape_in_fail(in, TAPE_E_COLUMN);
    return in->error;
}

#endif
