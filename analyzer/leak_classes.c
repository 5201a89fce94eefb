/* SPDX-License-Identifier: MIT */
/*
 * Rounds over the graph, with a stack of blocks whose words are yet to be looked at: from the
 * roots by exact pointers; from what other pointers out of that led to, by any; then from every
 * block that was not reached. So each block's words are looked at once, but for those of a leader
 * that came to hang on another. In which order makes no difference within a round, so they are
 * taken by the dozen: what they point to lies anywhere in memory, and waiting for one cache miss
 * after the other would be most of the work.
 */
#include "leak_classes.h"

#include <stdlib.h>

#include "diag.h"

#define LOST LEAK_DEFINITE /* while the rounds run: not reached */

struct marking {
    struct leak_graph *graph;
    uint8_t *kind; /* by block: what is known so far */
    uint32_t *stack;
    uint32_t depth;
    bool *waiting; /* by block: it is on the stack, where each is once */

    uint64_t value[BLOCK_INDEX_MANY]; /* words to be looked at together */
    uint32_t target[BLOCK_INDEX_MANY];
    unsigned count;
    uint32_t leader; /* of the third round */
};

static void push(struct marking *m, uint32_t block) {
    if (m->waiting[block])
        return;
    m->waiting[block] = true;
    m->stack[m->depth++] = block;
    __builtin_prefetch(&m->graph->words[block]);
}

static uint32_t pop(struct marking *m) {
    uint32_t block = m->stack[--m->depth];
    m->waiting[block] = false;
    return block;
}

/* Before the others: a word of a block that is ignored. */
static void spare(struct marking *m, unsigned i) {
    uint32_t to = m->target[i];
    if (m->kind[to] == LEAK_IGNORED)
        return;
    m->kind[to] = LEAK_IGNORED;
    push(m, to);
}

/* First round: a word of a root, or of a reachable block, points to a block. */
static void reach(struct marking *m, unsigned i) {
    uint32_t to = m->target[i];
    if (m->kind[to] == LEAK_REACHABLE || m->kind[to] == LEAK_IGNORED)
        return;
    if (leak_graph_is_exact(m->graph, to, m->value[i])) {
        m->kind[to] = LEAK_REACHABLE;
        push(m, to);
    } else {
        m->kind[to] = LEAK_POSSIBLE; /* it may be reached yet */
    }
}

/* Second round: a word of a block that is possibly lost. */
static void suspect(struct marking *m, unsigned i) {
    uint32_t to = m->target[i];
    if (m->kind[to] != LOST)
        return;
    m->kind[to] = LEAK_POSSIBLE;
    push(m, to);
}

/* Third round: a word of a block that hangs on the leader. */
static void hang(struct marking *m, unsigned i) {
    uint32_t to = m->target[i];
    if (m->kind[to] != LOST || to == m->leader)
        return;
    struct leak_block *b = &m->graph->block[to], *leader = &m->graph->block[m->leader];
    m->kind[to] = LEAK_INDIRECT;
    leader->indirect_bytes += b->size + b->indirect_bytes;
    leader->indirect_blocks += 1 + b->indirect_blocks;
    b->indirect_bytes = b->indirect_blocks = 0;
    push(m, to);
}

static void flush(struct marking *m, void (*take)(struct marking *, unsigned)) {
    block_index_find_many(&m->graph->index, m->value, m->count, m->target);
    for (unsigned i = 0; i < m->count; i++)
        if (m->target[i] != BLOCK_NONE)
            take(m, i);
    m->count = 0;
}

static void look_at(struct marking *m, const struct tape_word *word, size_t count,
                    void (*take)(struct marking *, unsigned)) {
    for (size_t i = 0; i < count; i++) {
        if (m->count == BLOCK_INDEX_MANY)
            flush(m, take);
        m->value[m->count++] = word[i].value;
    }
}

/* Until no block is left whose words have not been seen. */
static void empty_stack(struct marking *m, void (*take)(struct marking *, unsigned)) {
    const struct leak_graph *g = m->graph;
    while (m->depth != 0 || m->count != 0) {
        while (m->depth != 0 && m->count < BLOCK_INDEX_MANY) {
            uint32_t block = pop(m);
            if (m->depth != 0)
                __builtin_prefetch(&g->image->memory[g->words[m->stack[m->depth - 1]].first]);
            look_at(m, g->image->memory + g->words[block].first, g->words[block].count, take);
        }
        flush(m, take);
    }
}

static void mark_ignored(struct marking *m) {
    for (uint32_t i = 0; i < m->graph->count; i++)
        if (m->graph->block[i].ignored) {
            m->kind[i] = LEAK_IGNORED;
            push(m, i);
        }
    empty_stack(m, spare);
}

static void mark_from_roots(struct marking *m) {
    const struct heap_image *image = m->graph->image;
    for (uint32_t i = 0; i < m->graph->count; i++)
        if (m->graph->block[i].rooted && m->kind[i] == LOST) {
            m->kind[i] = LEAK_REACHABLE;
            push(m, i);
        }
    for (uint32_t i = 0; i < image->region_count; i++)
        if (m->graph->root[i])
            look_at(m, image->word + image->region[i].first, image->region[i].count, reach);
    empty_stack(m, reach);
    for (uint32_t i = 0; i < m->graph->count; i++)
        if (m->kind[i] == LEAK_POSSIBLE)
            push(m, i);
    empty_stack(m, suspect);
}

void leak_classify(struct leak_graph *g) {
    struct marking m = {.graph = g};
    m.kind = xcalloc(g->count + 1UL, sizeof *m.kind);
    m.stack = xmalloc((g->count + 1UL) * sizeof *m.stack);
    m.waiting = xcalloc(g->count + 1UL, sizeof *m.waiting);
    for (uint32_t i = 0; i < g->count; i++) {
        m.kind[i] = LOST;
        g->block[i].indirect_bytes = g->block[i].indirect_blocks = 0;
    }
    mark_ignored(&m);
    mark_from_roots(&m);
    for (m.leader = 0; m.leader < g->count; m.leader++)
        if (m.kind[m.leader] == LOST) {
            push(&m, m.leader);
            empty_stack(&m, hang);
        }
    for (uint32_t i = 0; i < g->count; i++)
        g->block[i].kind = (enum leak_kind)m.kind[i];
    free(m.kind);
    free(m.stack);
    free(m.waiting);
}
