/* SPDX-License-Identifier: MIT */
#include "leak_graph.h"

#include <stdlib.h>

#include "diag.h"
#include "leak_heuristics.h"
#include "pages.h"

/* What a sort moves: blocks are larger. */
struct place {
    uint64_t address;
    uint32_t given;
};

static int by_address(const void *a, const void *b) {
    const struct place *p = a, *q = b;
    if (p->address != q->address)
        return p->address < q->address ? -1 : 1;
    return p->given < q->given ? -1 : p->given > q->given;
}

static void sort_blocks(struct leak_graph *g, struct leak_block *given, uint32_t count) {
    struct place *place = xmalloc((count + 1UL) * sizeof *place);
    for (uint32_t i = 0; i < count; i++)
        place[i] = (struct place){given[i].address, i};
    if (count != 0)
        qsort(place, count, sizeof *place, by_address);
    g->block = xmalloc((count + 1UL) * sizeof *g->block);
    g->count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || place[i].address != place[i - 1].address)
            g->block[g->count++] = given[place[i].given];
    free(place);
    free(given);
}

/* The extents of the blocks, and the words in each. */
static void measure(struct leak_graph *g) {
    struct block_extent *extent = pages_new((g->count + 1UL) * sizeof *extent);
    const struct tape_word *word = g->image->memory;
    size_t at = 0, words = g->image->memory_count;
    g->words = xmalloc((g->count + 1UL) * sizeof *g->words);
    for (uint32_t i = 0; i < g->count; i++) {
        uint64_t start = g->block[i].address, size = g->block[i].size;
        uint64_t room = (i + 1 < g->count ? g->block[i + 1].address : UINT64_MAX) - start;
        if (size > room)
            size = room;
        uint64_t end = start + size;
        extent[i] = (struct block_extent){start, size != 0 ? end : end + 1};
        while (at < words && word[at].address < start)
            at++;
        size_t first = at;
        while (at < words && word[at].address < end && end - word[at].address >= 8)
            at++;
        g->words[i] = (struct leak_words){first, at - first};
    }
    block_index_make(&g->index, extent, g->count);
}

void leak_graph_make(struct leak_graph *g, struct leak_block *block, uint32_t count) {
    sort_blocks(g, block, count);
    measure(g);
}

static void forget_blocks(struct leak_graph *g) {
    pages_free(g->index.extent, (g->count + 1UL) * sizeof *g->index.extent);
    block_index_free(&g->index);
    free(g->words);
    free(g->block);
}

void leak_graph_again(struct leak_graph *g, struct leak_block *block, uint32_t count) {
    forget_blocks(g);
    leak_graph_make(g, block, count);
}

void leak_graph_free(struct leak_graph *g) {
    forget_blocks(g);
    *g = (struct leak_graph){0};
}

bool leak_graph_is_exact(const struct leak_graph *g, uint32_t block, uint64_t value) {
    return value == g->index.extent[block].start ||
           (g->heuristics != 0 && leak_heuristics_hold(g, block, value));
}
