/* SPDX-License-Identifier: MIT */
/*
 * Who points to whom at the instant of a heap image: the live blocks, and the words in them.
 *
 * As memcheck sees it: the words of a block are those at multiples of 8 that lie in it whole. A
 * value points to the block whose bytes hold it, a block of no bytes is held to have one; so a
 * pointer one past the end points to nothing. It is exact when it points to the block's start, or
 * when a heuristic says that it is as good (leak_heuristics.h). Not thread-safe.
 */
#ifndef LEAK_GRAPH_H
#define LEAK_GRAPH_H

#include "block_index.h"
#include "heap_image.h"
#include "leak_kind.h"

struct leak_block {
    uint64_t address, size;
    uint64_t indirect_bytes, indirect_blocks; /* LEAK_DEFINITE: what is lost through it besides */
    uint32_t tag;                             /* the caller's */
    enum leak_kind kind;                      /* by leak_classify */
    bool ignored;                             /* kept on purpose, with what it leads to */
    bool rooted; /* counts as reachable: of a pool in static data or on a stack, where pointers are
                    in no image; or being resized */
};

/* The words of a block, in heap_image.memory. */
struct leak_words {
    size_t first, count;
};

struct address_range {
    uint64_t start, end;
};

struct leak_graph {
    const struct heap_image *image;     /* not owned, nor is what follows but the blocks */
    const bool *root;                   /* by region of the image: its words are roots */
    unsigned heuristics;                /* bits 1 << enum leak_heuristic */
    const struct address_range *module; /* where modules lie, for the heuristics */
    size_t module_count;

    struct leak_block *block; /* by address, each address once */
    uint32_t count;
    struct leak_words *words; /* by block */
    struct block_index index;
};

/*
 * `g` with its first members, down to module_count, filled in. Takes over `block` (malloc'd), which
 * may be in any order. Of several blocks at one address the first given stays: the others have
 * given it back, though nobody said so. Of blocks that overlap the lower one ends where the next
 * begins.
 */
void leak_graph_make(struct leak_graph *g, struct leak_block *block, uint32_t count);
/* The same with other blocks. */
void leak_graph_again(struct leak_graph *g, struct leak_block *block, uint32_t count);
void leak_graph_free(struct leak_graph *);

/* Whether a value that points to the block of this number (g->index says so) is exact. */
bool leak_graph_is_exact(const struct leak_graph *, uint32_t block, uint64_t value);

#endif
