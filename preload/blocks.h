/* SPDX-License-Identifier: MIT */
/*
 * A table of blocks: for every address that events have spoken of, what is newest known of it. Fed
 * with the records of several streams, each in its order, the streams in any order: the newest
 * stamp wins. Not thread-safe; all memory is mapped.
 *
 * Beside the blocks it counts, for each open test, those alive that were allocated since the test
 * began, so that a test that leaves nothing costs nothing more.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tape/tail.h"

#define BLOCKS_TESTS 16 /* open at the same time */

enum block_kind {
    BLOCK_OF_HEAP,
    BLOCK_OF_POOL, /* heaptape_pool_alloc: may begin where one of the heap does */
    BLOCK_TRACE    /* once a block began in these 64 KiB (where: `ignored`), no more is kept */
};

enum block_state {
    BLOCK_FREED,
    BLOCK_LIVE,
    BLOCK_RESIZED /* a call of realloc has it: its memory may be here or elsewhere */
};

struct block {
    uint64_t key;     /* address << 2 | kind; 0: the slot is empty */
    uint64_t stamp;   /* of the newest event but IGNORE */
    uint64_t ignored; /* of the newest IGNORE; counts for a block that is not younger */
    uint64_t size : 48, state : 2, stream : 14;
};
_Static_assert(sizeof(struct block) == 32, "two to a line of the cache");

/* A stream on its way into the table. */
struct block_source {
    uint64_t taken;            /* ordinal of the first event that is not in it yet */
    bool resizes;              /* a REALLOC_FROM was the last of them that matters, */
    uint64_t since;            /* with this stamp, */
    struct block_source *next; /* that resizes */
    struct block old;          /* of this block */
};

struct blocks {
    struct block *slot;
    size_t capacity, used; /* slots, a power of two; those that are not empty */
    size_t pools;          /* pool blocks alive */
    struct block_source *resizing;
    uint64_t settled; /* every event up to this stamp is in the table */
    bool incomplete;  /* something is missing: there was no memory, or events were lost */
    unsigned tests;
    struct {
        uint64_t begun;
        size_t live; /* blocks alive since then, less those of the tests within */
    } test[BLOCKS_TESTS];
};

static inline uint64_t block_address(const struct block *b) {
    return b->key >> 2;
}
static inline enum block_kind block_kind(const struct block *b) {
    return (enum block_kind)(b->key & 3);
}
/* Where it ends, for pointers: a block of no bytes is held to have one. */
static inline uint64_t block_end(const struct block *b) {
    return block_address(b) + (b->size != 0 ? b->size : b->state != BLOCK_FREED);
}
static inline bool block_is_ignored(const struct block *b) {
    return b->ignored != 0 && b->ignored >= b->stamp;
}

/* False when there is no memory. */
bool blocks_make(struct blocks *t);
void blocks_free(struct blocks *t);

/* What the event of stream `stream` (its source: from) says. */
void blocks_take(struct blocks *t, struct block_source *from, const struct tape_record *record,
                 uint32_t stream);

/* NULL when nothing is known of it. */
struct block *blocks_find(const struct blocks *t, uint64_t address, enum block_kind kind);

/* It is known by other ways that the block is no more. */
void blocks_end(struct blocks *t, struct block *b);

/* A test begins; every event in the table is older. At most BLOCKS_TESTS. */
void blocks_begin_test(struct blocks *t, uint64_t stamp);
/* The innermost one ends: *begun, and the number of blocks alive since then. */
size_t blocks_end_test(struct blocks *t, uint64_t *begun);

#endif
