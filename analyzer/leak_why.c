/* SPDX-License-Identifier: MIT */
#include "leak_why.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "embedded.h"
#include "json_put.h"
#include "leak_why_parts.h"
#include "naming.h"
#include "suppressions.h"
#include "tree.h"

/* ---- which stacks ------------------------------------------------------------------------- */

static bool stack_matches(struct names *names, uint32_t stack, const char *site) {
    char *end;
    if (site[0] == '#' && strtoull(site + 1, &end, 10) == stack && *end == '\0' && end != site + 1)
        return true;
    for (uint32_t p = names_place(names, stack); p != 0; p = names_caller(names, p)) {
        const struct name *n = names_get(names, names_of(names, p));
        if ((n->readable != NULL && suppressions_glob(site, n->readable, true)) ||
            (n->linkage != NULL && suppressions_glob(site, n->linkage, true)))
            return true;
    }
    return false;
}

static int by_stack(const void *a, const void *b) {
    const struct why_group *g = a, *h = b;
    if (g->stack != h->stack)
        return g->stack < h->stack ? -1 : 1;
    if (g->kind != h->kind)
        return g->kind < h->kind ? -1 : 1;
    return g->block < h->block ? -1 : g->block > h->block;
}

static int largest_first(const void *a, const void *b) {
    const struct why_group *g = a, *h = b;
    if (g->bytes != h->bytes)
        return g->bytes > h->bytes ? -1 : 1;
    return by_stack(a, b);
}

static struct why_group *find_groups(struct why *w, const char *site, uint32_t *count) {
    const struct leak_graph *g = &w->survey->graph;
    struct why_group *group = xcalloc(g->count + 1UL, sizeof *group);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < g->count; i++)
        if (survey_has(g->block[i].tag))
            group[n++] = (struct why_group){w->survey->block[g->block[i].tag].block.stack, i,
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
            struct why_group first = group[i];
            group[kept++] = first;
        }
    }
    if (kept != 0)
        qsort(group, kept, sizeof *group, largest_first);
    *count = kept;
    return group;
}

/* ---- what a way consists of --------------------------------------------------------------- */

const struct name *why_place(struct why *w, uint32_t stack) {
    uint32_t place = tree_innermost(w->names, stack);
    return place == 0 ? NULL : names_get(w->names, names_of(w->names, place));
}

struct why_static why_static_at(struct why *w, uint64_t address) {
    const struct module *m = stacks_loaded_at(names_stacks(w->names), address);
    if (m == NULL)
        return (struct why_static){.offset = address};
    struct why_static s = {.module = m, .offset = address - m->bias};
    struct symbols_variable found;
    embedded_variables(w->symbols, m, 1, &s.offset, &found);
    s.variable = found.name;
    if (s.variable != NULL)
        s.offset = found.offset;
    return s;
}

const char *why_thread_name(struct why *w, uint64_t tid) {
    const char *name = NULL;
    for (uint32_t i = 0; i < replay_thread_count(w->survey->replay); i++)
        if (replay_thread(w->survey->replay, i)->tid == tid)
            name = replay_thread(w->survey->replay, i)->name;
    return tid != 0 && name != NULL && name[0] != '\0' ? name : NULL;
}

/* ---- all ---------------------------------------------------------------------------------- */

/* Calls take() for each group that is shown, largest first; the number of all that match. */
static uint32_t each_group(const struct why_question *q,
                           void (*take)(void *context, struct why *, const struct why_group *),
                           void *context) {
    struct leak_paths paths;
    struct why w = {.survey = q->survey, .names = q->names, .paths = &paths};
    uint32_t count;
    leak_paths_make(&paths, &q->survey->graph);
    w.symbols = naming_symbols();
    struct why_group *group = find_groups(&w, q->site, &count);
    for (uint32_t i = 0; i < count && (q->limit == 0 || i < q->limit); i++)
        take(context, &w, &group[i]);
    free(group);
    symbols_free(w.symbols);
    leak_paths_free(&paths);
    return count;
}

static void print(void *out, struct why *w, const struct why_group *g) {
    why_print_group(out, w, g);
}

uint32_t leak_why_print(FILE *out, const struct why_question *q) {
    uint32_t count = each_group(q, print, out);
    if (q->limit != 0 && count > q->limit)
        fprintf(out, "%" PRIu32 " more (-n 0 shows all)\n", count - q->limit);
    return count;
}

static void put(void *array, struct why *w, const struct why_group *g) {
    json_object_array_add(array, why_json_group(w, g));
}

struct json_object *leak_why_json(const struct why_question *q, uint32_t *count) {
    struct json_object *groups = json_object_new_array();
    *count = each_group(q, put, groups);
    return groups;
}
