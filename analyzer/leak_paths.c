/* SPDX-License-Identifier: MIT */
#include "leak_paths.h"

#include <stdlib.h>

#include "diag.h"

/* A word as one number: 0 is none, then heap_image.word of roots at odd, heap_image.memory in
 * blocks at even ones. */
#define ROOT_WORD(i)  (2 * (uint64_t)(i) + 1)
#define BLOCK_WORD(i) (2 * (uint64_t)(i) + 2)

struct search {
    struct leak_paths *paths;
    uint32_t *queue; /* blocks in the order in which they were met */
    uint32_t first, end;
    bool exact; /* only exact pointers count */
};

static void meet(struct search *s, uint64_t value, uint64_t word) {
    struct leak_graph *g = s->paths->graph;
    uint32_t to = block_index_find(&g->index, value);
    if (to == BLOCK_NONE || s->paths->via[to] != 0 ||
        (s->exact && !leak_graph_is_exact(g, to, value)))
        return;
    s->paths->via[to] = word;
    s->queue[s->end++] = to;
}

static void meet_roots(struct search *s) {
    const struct leak_graph *g = s->paths->graph;
    for (uint32_t i = 0; i < g->image->region_count; i++) {
        const struct image_region *r = &g->image->region[i];
        for (size_t k = r->first; g->root[i] && k < r->first + r->count; k++)
            meet(s, g->image->word[k].value, ROOT_WORD(k));
    }
}

static void go_on(struct search *s) {
    const struct leak_graph *g = s->paths->graph;
    for (; s->first < s->end; s->first++) {
        const struct leak_words *w = &g->words[s->queue[s->first]];
        for (size_t k = w->first; k < w->first + w->count; k++)
            meet(s, g->image->memory[k].value, BLOCK_WORD(k));
    }
}

void leak_paths_make(struct leak_paths *p, struct leak_graph *g) {
    *p = (struct leak_paths){.graph = g, .via = xcalloc(g->count + 1UL, sizeof *p->via)};
    struct search s = {.paths = p, .exact = true};
    s.queue = xmalloc((g->count + 1UL) * sizeof *s.queue);
    for (int round = 0; round < 2; round++) { /* exact pointers; then any, from what these met */
        s.exact = round == 0;
        s.first = 0;
        meet_roots(&s);
        go_on(&s);
    }
    free(s.queue);
}

void leak_paths_free(struct leak_paths *p) {
    free(p->via);
    *p = (struct leak_paths){0};
}

static uint32_t region_of(const struct heap_image *image, size_t word) {
    uint32_t i = 0;
    while (word < image->region[i].first || word - image->region[i].first >= image->region[i].count)
        i++;
    return i;
}

/* The step to a block that something leads to. */
static struct leak_step step_to(const struct leak_paths *p, uint32_t block) {
    const struct heap_image *image = p->graph->image;
    uint64_t via = p->via[block] - 1;
    bool root = via % 2 == 0;
    const struct tape_word *w = root ? &image->word[via / 2] : &image->memory[via / 2];
    return (struct leak_step){.from = root ? BLOCK_NONE
                                           : block_index_find(&p->graph->index, w->address),
                              .region = root ? region_of(image, via / 2) : 0,
                              .address = w->address,
                              .value = w->value,
                              .to = block};
}

uint32_t leak_paths_to(const struct leak_paths *p, uint32_t block, struct leak_step **step) {
    uint32_t length = 0;
    for (uint32_t b = block; b != BLOCK_NONE && p->via[b] != 0; b = step_to(p, b).from)
        length++;
    if (length == 0)
        return 0;
    *step = xmalloc(length * sizeof **step);
    for (uint32_t i = length, b = block; i-- > 0; b = (*step)[i].from)
        (*step)[i] = step_to(p, b);
    return length;
}
