/* SPDX-License-Identifier: MIT */
#include "leak_survey.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "leak_classes.h"
#include "leak_moving.h"

/* ---- the replay --------------------------------------------------------------------------- */

struct gathering {
    struct leak_survey *survey;
    uint32_t room;
};

static void gather(void *context, const struct block *b) {
    struct gathering *g = context;
    struct leak_survey *s = g->survey;
    if (b->filled)
        return;
    if (s->count == g->room) {
        g->room = g->room != 0 ? 2 * g->room : 256;
        s->block = xrealloc(s->block, (uint64_t)g->room * sizeof *s->block);
    }
    enum leak_kind kind = b->ignored ? LEAK_IGNORED : LEAK_UNKNOWN;
    s->block[s->count++] = (struct survey_block){.block = *b, .kind = kind};
}

static void open_image(struct leak_survey *s, struct tape_file *tape,
                       const struct survey_plan *plan) {
    if (plan->image == NULL)
        return;
    if (tape_file_process(tape)->parent_id != NULL && plan->inherited == NULL) {
        s->reason = xstrdup("it is a forked process, and the recording of its parent is not there");
        return;
    }
    s->image = heap_image_open(tape, plan->image, &s->reason);
    if (s->image == NULL || s->image->incomplete == NULL)
        return;
    s->reason = xasprintf("the heap image is incomplete: %s", s->image->incomplete);
    heap_image_free(s->image);
    s->image = NULL;
}

static void run(struct leak_survey *s, const struct survey_plan *plan, struct region_use *use) {
    struct gathering gathering = {.survey = s};
    replay_observe(s->replay, &(struct observer){.context = &gathering,
                                                 .on_live = gather,
                                                 .on_pool_live = gather});
    for (size_t i = 0; i < plan->observers; i++)
        replay_observe(s->replay, &plan->observer[i]);
    if (plan->stops != NULL)
        replay_stop_at(s->replay, plan->stops);
    if (plan->inherited != NULL)
        replay_inherit(s->replay, plan->inherited);
    if (s->image != NULL) {
        struct observer noting = region_use_observer(use);
        replay_observe(s->replay, &noting);
        replay_cut_at(s->replay, s->image->stream, s->image->stream_count);
        for (size_t i = 0; plan->inherited != NULL && i < plan->inherited->count; i++)
            region_use_note(use, plan->inherited->block[i].address, plan->inherited->block[i].size);
    }
    replay_run(s->replay, UINT64_MAX);
}

/* ---- the graph ---------------------------------------------------------------------------- */

/* Whether words that point there are in the image: it holds those that point to what may be heap.
 */
static bool is_seen(const struct heap_image *image, uint64_t address) {
    bool seen = false;
    for (uint32_t i = 0; i < image->region_count && !seen; i++) {
        const struct tape_image_region *r = &image->region[i].is;
        seen = (r->kind == TAPE_REGION_OTHER || r->kind == TAPE_REGION_ALLOCATOR) &&
               address - r->start < r->length;
    }
    return seen;
}

static bool is_rooted(const struct heap_image *image, const struct block *b) {
    return b->resizing || (b->op == TAPE_OP_POOL_ALLOC && !is_seen(image, b->address));
}

/* Own blocks, then inherited ones. */
static struct leak_block *list_blocks(const struct leak_survey *s, uint32_t *count) {
    struct inherited *all = replay_snapshot(s->replay); /* own ones, too: they come twice */
    struct leak_block *block = xmalloc((s->count + all->count + 1) * sizeof *block);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->count; i++)
        block[n++] = (struct leak_block){.address = s->block[i].block.address,
                                         .size = s->block[i].block.size,
                                         .tag = i,
                                         .ignored = s->block[i].block.ignored,
                                         .rooted = is_rooted(s->image, &s->block[i].block)};
    for (size_t i = 0; i < all->count; i++)
        if (replay_counts(s->replay)->inherited_known && !all->block[i].filled)
            block[n++] = (struct leak_block){.address = all->block[i].address,
                                             .size = all->block[i].size,
                                             .tag = SURVEY_INHERITED,
                                             .ignored = all->block[i].ignored,
                                             .rooted = all->block[i].pool &&
                                                       !is_seen(s->image, all->block[i].address)};
    inherited_free(all);
    *count = n;
    return block;
}

/* Modules are few; those that were unloaded may have been anywhere. */
static void list_modules(struct leak_survey *s) {
    struct stacks *stacks = replay_stacks(s->replay);
    s->module = xcalloc(stacks_module_count(stacks) + 1UL, sizeof *s->module);
    for (uint32_t i = 0; i < stacks_module_count(stacks); i++) {
        const struct module *m = stacks_module(stacks, i);
        if (m->gone == UINT64_MAX)
            s->module[s->graph.module_count++] = (struct address_range){m->start, m->end};
    }
    s->graph.module = s->module;
}

/* Own blocks take their class from the graph. Those that are not in it had given their address to
 * another by then: they are no more. */
static void take_classes(struct leak_survey *s) {
    uint32_t *place = xcalloc(s->count + 1UL, sizeof *place), kept = 0; /* in the graph + 1 */
    for (uint32_t i = 0; i < s->graph.count; i++)
        if (survey_has(s->graph.block[i].tag))
            place[s->graph.block[i].tag] = i + 1;
    for (uint32_t i = 0; i < s->count; i++) {
        if (place[i] == 0)
            continue;
        struct leak_block *b = &s->graph.block[place[i] - 1];
        b->tag = kept;
        s->block[kept++] = (struct survey_block){.block = s->block[i].block,
                                                 .kind = b->kind,
                                                 .indirect_bytes = b->indirect_bytes,
                                                 .indirect_blocks = b->indirect_blocks};
    }
    s->count = kept;
    free(place);
}

/* Blocks that were being resized may lie elsewhere already: then the graph is made once more, with
 * the memory where they may be. */
static void add_moving(struct leak_survey *s) {
    uint32_t count, moving;
    struct leak_block *more = leak_moving(&s->graph, s->replay, SURVEY_MOVING, &moving);
    if (moving == 0)
        return;
    struct leak_block *block = list_blocks(s, &count);
    block = xrealloc(block, (count + (size_t)moving) * sizeof *block);
    memcpy(block + count, more, moving * sizeof *block);
    free(more);
    leak_graph_again(&s->graph, block, count + moving);
}

static void classify(struct leak_survey *s) {
    uint32_t count;
    struct leak_block *block = list_blocks(s, &count);
    leak_graph_make(&s->graph, block, count);
    add_moving(s);
    leak_classify(&s->graph);
    take_classes(s);
}

/* Ignored blocks go behind the others, which keep their order; so do the graph's tags. */
static void part_ignored(struct leak_survey *s) {
    struct survey_block *sorted = xmalloc((s->count + 1UL) * sizeof *sorted);
    uint32_t *place = xcalloc(s->count + 1UL, sizeof *place), kept = 0;
    for (int ignored = 0; ignored < 2; ignored++)
        for (uint32_t i = 0; i < s->count; i++)
            if ((s->block[i].kind == LEAK_IGNORED) == ignored) {
                place[i] = kept;
                sorted[kept++] = s->block[i];
                s->ignored_count += (uint32_t)ignored;
                s->ignored_bytes += ignored ? s->block[i].block.size : 0;
            }
    for (uint32_t i = 0; i < s->graph.count; i++)
        if (survey_has(s->graph.block[i].tag))
            s->graph.block[i].tag = place[s->graph.block[i].tag];
    s->count -= s->ignored_count;
    free(s->block);
    s->block = sorted;
    free(place);
}

static bool has_ignored(const struct leak_survey *s) {
    for (uint32_t i = 0; i < s->count; i++)
        if (s->block[i].kind == LEAK_IGNORED)
            return true;
    return false;
}

struct leak_survey *leak_survey_new(struct tape_file *tape, const struct survey_plan *plan) {
    struct leak_survey *s = xcalloc(1, sizeof *s);
    struct region_use use = {0};
    open_image(s, tape, plan);
    s->replay = replay_new(tape);
    if (s->image != NULL)
        region_use_make(&use, s->image);
    run(s, plan, &use);
    if (s->image != NULL) {
        s->root = region_use_roots(&use);
        s->graph.image = s->image;
        s->graph.root = s->root;
        s->graph.heuristics = plan->heuristics;
        list_modules(s);
        classify(s);
    }
    if (has_ignored(s))
        part_ignored(s);
    region_use_free(&use);
    return s;
}

void leak_survey_free(struct leak_survey *s) {
    if (s == NULL)
        return;
    if (s->image != NULL)
        leak_graph_free(&s->graph);
    heap_image_free(s->image);
    replay_free(s->replay);
    free(s->root);
    free(s->module);
    free(s->block);
    free(s->reason);
    free(s);
}
