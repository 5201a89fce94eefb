/* SPDX-License-Identifier: MIT */
#include "leak_why.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "leak_paths.h"
#include "suppressions.h"
#include "symbols.h"
#include "tree.h"
#include "units.h"

struct why {
    FILE *out;
    struct leak_survey *survey;
    struct names *names;
    struct symbols *symbols;
    struct leak_paths *paths;
};

/* ---- which stacks ------------------------------------------------------------------------- */

static bool stack_matches(struct names *names, uint32_t stack, const char *site) {
    char *end;
    if (site[0] == '#' && strtoull(site + 1, &end, 10) == stack && *end == '\0' && end != site + 1)
        return true;
    for (uint32_t p = names_place(names, stack); p != 0; p = names_caller(names, p)) {
        const struct name *n = names_get(names, names_of(names, p));
        if ((n->function != NULL && suppressions_glob(site, n->function, true)) ||
            (n->linkage != NULL && suppressions_glob(site, n->linkage, true)))
            return true;
    }
    return false;
}

/* Blocks of one stack and kind. */
struct group {
    uint32_t stack, block; /* block: the first of them in the graph */
    enum leak_kind kind;
    uint64_t bytes, blocks;
};

static int by_stack(const void *a, const void *b) {
    const struct group *g = a, *h = b;
    if (g->stack != h->stack)
        return g->stack < h->stack ? -1 : 1;
    if (g->kind != h->kind)
        return g->kind < h->kind ? -1 : 1;
    return g->block < h->block ? -1 : g->block > h->block;
}

static int largest_first(const void *a, const void *b) {
    const struct group *g = a, *h = b;
    if (g->bytes != h->bytes)
        return g->bytes > h->bytes ? -1 : 1;
    return by_stack(a, b);
}

static struct group *find_groups(struct why *w, const char *site, uint32_t *count) {
    const struct leak_graph *g = &w->survey->graph;
    struct group *group = xcalloc(g->count + 1UL, sizeof *group);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < g->count; i++)
        if (g->block[i].tag != SURVEY_INHERITED)
            group[n++] = (struct group){w->survey->block[g->block[i].tag].block.stack, i,
                                        g->block[i].kind, g->block[i].size, 1};
    if (n != 0)
        qsort(group, n, sizeof *group, by_stack);
    bool matching = false;
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || group[i].stack != group[i - 1].stack)
            matching = stack_matches(w->names, group[i].stack, site);
        if (!matching)
            continue;
        if (kept != 0 && group[kept - 1].stack == group[i].stack &&
            group[kept - 1].kind == group[i].kind) {
            group[kept - 1].bytes += group[i].bytes;
            group[kept - 1].blocks++;
        } else {
            struct group first = group[i];
            group[kept++] = first;
        }
    }
    if (kept != 0)
        qsort(group, kept, sizeof *group, largest_first);
    *count = kept;
    return group;
}

/* ---- a way -------------------------------------------------------------------------------- */

/* "new_node (list.c:7)": where a stack asks for memory. */
static const char *place_of(struct why *w, uint32_t stack) {
    uint32_t place = tree_innermost(w->names, stack);
    return place == 0 ? "an unknown place" : names_get(w->names, names_of(w->names, place))->label;
}

static void print_block(struct why *w, uint32_t block) {
    const struct leak_block *b = &w->survey->graph.block[block];
    char size[UNITS_ROOM];
    fprintf(w->out, "%s byte%s", units_count(size, b->size), b->size == 1 ? "" : "s");
    if (b->tag == SURVEY_INHERITED) {
        fputs(" of the parent process's", w->out);
        return;
    }
    const struct block *made = &w->survey->block[b->tag].block;
    fprintf(w->out, " by %s at %s", tape_op_name(made->op), place_of(w, made->stack));
}

static const struct module *module_at(struct stacks *stacks, uint64_t address) {
    for (uint32_t i = stacks_module_count(stacks); i-- > 0;) {
        const struct module *m = stacks_module(stacks, i);
        if (address >= m->start && address < m->end && m->gone == UINT64_MAX)
            return m;
    }
    return NULL;
}

static void print_static(struct why *w, uint64_t address) {
    const struct module *m = module_at(names_stacks(w->names), address);
    uint64_t offset;
    if (m == NULL) {
        fprintf(w->out, "static data at 0x%" PRIx64, address);
        return;
    }
    char *module = names_printable(names_base(m->path), strlen(names_base(m->path)));
    const char *variable = symbols_variable(w->symbols, m->path, m->build_id, m->build_id_len,
                                            address - m->bias, &offset);
    if (variable == NULL) {
        fprintf(w->out, "static data of %s: %s+0x%" PRIx64, module, module, address - m->bias);
    } else {
        char *name = names_printable(variable, strlen(variable));
        fprintf(w->out, offset == 0 ? "static data of %s: %s" : "static data of %s: %s+%" PRIu64,
                module, name, offset);
        free(name);
    }
    free(module);
}

static void print_thread(struct why *w, uint64_t tid) {
    const char *name = NULL;
    for (uint32_t i = 0; i < replay_thread_count(w->survey->replay); i++)
        if (replay_thread(w->survey->replay, i)->tid == tid)
            name = replay_thread(w->survey->replay, i)->name;
    if (tid == 0)
        fputs("a thread", w->out);
    else
        fprintf(w->out, "thread %" PRIu64, tid);
    if (tid != 0 && name != NULL && name[0] != '\0') {
        char *text = names_printable(name, strlen(name));
        fprintf(w->out, " (%s)", text);
        free(text);
    }
}

static void print_root(struct why *w, const struct leak_step *s) {
    const struct tape_image_region *r = &w->survey->image->region[s->region].is;
    switch (r->kind) {
    case TAPE_REGION_MODULE:
        print_static(w, s->address);
        break;
    case TAPE_REGION_STACK:
        fputs("stack of ", w->out);
        print_thread(w, r->tid);
        break;
    case TAPE_REGION_REGISTERS:
        fputs("register of ", w->out);
        print_thread(w, r->tid);
        break;
    default:
        fprintf(w->out, "memory of its own at 0x%" PRIx64, s->address);
    }
}

static void print_way(struct why *w, const struct leak_step *step, uint32_t length) {
    const struct leak_block *block = w->survey->graph.block;
    fputs("    ", w->out);
    print_root(w, &step[0]);
    for (uint32_t i = 0; i < length; i++) {
        const struct leak_step *s = &step[i];
        fputs("\n      ", w->out);
        if (s->from != BLOCK_NONE)
            fprintf(w->out, "its byte %" PRIu64 " ", s->address - block[s->from].address);
        fputs("points to ", w->out);
        if (s->value != block[s->to].address)
            fprintf(w->out, "byte %" PRIu64 " of ", s->value - block[s->to].address);
        print_block(w, s->to);
    }
    fputc('\n', w->out);
}

static void print_group(struct why *w, const struct group *g) {
    char size[UNITS_ROOM], blocks[UNITS_ROOM];
    fprintf(w->out, "%s byte%s in %s block%s %s, at %s (stack #%" PRIu32 ")\n",
            units_count(size, g->bytes), g->bytes == 1 ? "" : "s", units_count(blocks, g->blocks),
            g->blocks == 1 ? "" : "s", leak_kind_info[g->kind].phrase, place_of(w, g->stack),
            g->stack);
    struct leak_step *step;
    uint32_t length = leak_paths_to(w->paths, g->block, &step);
    if (length != 0) {
        print_way(w, step, length);
        free(step);
    } else if (g->kind == LEAK_INDIRECT) {
        fputs("    only lost blocks point to it\n", w->out);
    } else if (w->survey->graph.block[g->block].rooted) {
        fputs("    of a pool in static data or on a stack: what points there is not recorded\n",
              w->out);
    } else if (g->kind == LEAK_IGNORED) {
        fputs("    kept on purpose: heaptape_ignore() was called for it, or for what leads to it\n",
              w->out);
    } else {
        fputs("    nothing points to it\n", w->out);
    }
    fputc('\n', w->out);
}

uint32_t leak_why_print(FILE *out, struct leak_survey *survey, struct names *names,
                        const char *site, uint32_t limit) {
    struct leak_paths paths;
    struct why w = {.out = out, .survey = survey, .names = names, .paths = &paths};
    uint32_t count;
    leak_paths_make(&paths, &survey->graph);
    w.symbols = symbols_new(true);
    struct group *group = find_groups(&w, site, &count);
    for (uint32_t i = 0; i < count && (limit == 0 || i < limit); i++)
        print_group(&w, &group[i]);
    if (limit != 0 && count > limit)
        fprintf(out, "%" PRIu32 " more (-n 0 shows all)\n", count - limit);
    free(group);
    symbols_free(w.symbols);
    leak_paths_free(&paths);
    return count;
}
