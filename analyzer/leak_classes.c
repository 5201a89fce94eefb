/* SPDX-License-Identifier: MIT */
/*
 * Two rounds over the graph, with a stack of blocks whose words are yet to be looked at: from the
 * roots, then from every block that was not reached. While they run `kind` is what is known so far;
 * LEAK_DEFINITE stands for "not reached".
 */
#include "leak_classes.h"

#include <stdlib.h>

#include "diag.h"

struct marking {
    struct leak_graph *graph;
    uint32_t *stack;
    uint32_t depth;
    bool *waiting; /* by block: it is on the stack, where each is once */
};

static void push(struct marking *m, uint32_t block) {
    if (m->waiting[block])
        return;
    m->waiting[block] = true;
    m->stack[m->depth++] = block;
}

static uint32_t pop(struct marking *m) {
    uint32_t block = m->stack[--m->depth];
    m->waiting[block] = false;
    return block;
}

/* ---- from the roots ----------------------------------------------------------------------- */

/* A value in a root, or in a block: `firm` unless that is only possibly reached itself. */
static void reach(struct marking *m, uint64_t value, bool firm) {
    bool exact;
    uint32_t i = leak_graph_target(m->graph, value, &exact);
    if (i == BLOCK_NONE)
        return;
    enum leak_kind *kind = &m->graph->block[i].kind;
    if (*kind == LEAK_REACHABLE)
        return;
    if (exact && firm)
        *kind = LEAK_REACHABLE;
    else if (*kind == LEAK_DEFINITE)
        *kind = LEAK_POSSIBLE;
    else
        return;
    push(m, i);
}

static void mark_from_roots(struct marking *m) {
    const struct leak_graph *g = m->graph;
    const struct heap_image *image = g->image;
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct image_region *r = &image->region[i];
        for (size_t k = 0; g->root[i] && k < r->count; k++)
            reach(m, image->word[r->first + k].value, true);
    }
    while (m->depth != 0) {
        uint32_t block = pop(m);
        bool firm = g->block[block].kind == LEAK_REACHABLE;
        const struct tape_word *w = image->memory + g->words[block].first;
        for (size_t k = 0; k < g->words[block].count; k++)
            reach(m, w[k].value, firm);
    }
}

/* ---- what is lost ------------------------------------------------------------------------- */

/* A value in a block that hangs on the block `leader`. Whether it points to a start does not
 * matter. */
static void hang(struct marking *m, uint64_t value, uint32_t leader) {
    uint32_t i = block_index_find(&m->graph->index, value);
    if (i == BLOCK_NONE || i == leader)
        return;
    struct leak_block *b = &m->graph->block[i], *l = &m->graph->block[leader];
    if (b->kind != LEAK_DEFINITE)
        return;
    b->kind = LEAK_INDIRECT;
    l->indirect_bytes += b->size + b->indirect_bytes;
    l->indirect_blocks += 1 + b->indirect_blocks;
    b->indirect_bytes = b->indirect_blocks = 0;
    push(m, i);
}

static void gather(struct marking *m, uint32_t leader) {
    const struct leak_graph *g = m->graph;
    push(m, leader);
    while (m->depth != 0) {
        uint32_t block = pop(m);
        const struct tape_word *w = g->image->memory + g->words[block].first;
        for (size_t k = 0; k < g->words[block].count; k++)
            hang(m, w[k].value, leader);
    }
}

void leak_classify(struct leak_graph *g) {
    struct marking m = {.graph = g};
    m.stack = xmalloc((g->count + 1UL) * sizeof *m.stack);
    m.waiting = xcalloc(g->count + 1UL, sizeof *m.waiting);
    for (uint32_t i = 0; i < g->count; i++) {
        g->block[i].kind = LEAK_DEFINITE;
        g->block[i].indirect_bytes = g->block[i].indirect_blocks = 0;
    }
    mark_from_roots(&m);
    for (uint32_t i = 0; i < g->count; i++)
        if (g->block[i].kind == LEAK_DEFINITE)
            gather(&m, i);
    free(m.stack);
    free(m.waiting);
}
