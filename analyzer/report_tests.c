/* SPDX-License-Identifier: MIT */
/* What a program says of itself: its tests, and loops that should not grow. */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "growing.h"
#include "json_put.h"
#include "report_parts.h"
#include "tree_print.h"
#include "units.h"

#define TESTS_SHOWN 20

/* ---- tests --------------------------------------------------------------------------------- */

/* Those that left most first, then those that allocated most. */
static int compare_tests(const void *pa, const void *pb) {
    const struct test_figures *a = *(const struct test_figures *const *)pa,
                              *b = *(const struct test_figures *const *)pb;
    const uint64_t x[] = {a->left_bytes, a->left_blocks, a->bytes, a->allocations},
                   y[] = {b->left_bytes, b->left_blocks, b->bytes, b->allocations};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? 1 : -1;
    return strcmp(a->name, b->name);
}

static const struct test_figures **sort_tests(const struct test_log *l) {
    uint32_t count = test_log_count(l);
    const struct test_figures **test = xcalloc(count + 1UL, sizeof *test);
    for (uint32_t i = 0; i < count; i++)
        test[i] = test_log_figures(l, i);
    if (count != 0)
        qsort(test, count, sizeof *test, compare_tests);
    return test;
}

static void print_test(FILE *out, const struct test_figures *t) {
    char a[UNITS_ROOM], b[UNITS_ROOM], p[UNITS_ROOM], l[UNITS_ROOM], n[UNITS_ROOM];
    char *name = names_printable(t->name, strlen(t->name));
    fprintf(out, "  %13s  %10s  %10s  %10s  %10s  %s", units_count(a, t->allocations),
            units_bytes(b, t->bytes), units_bytes(p, t->peak_bytes), units_bytes(l, t->left_bytes),
            units_count(n, t->left_blocks), name);
    if (t->runs != 1)
        fprintf(out, " (%s runs)", units_count(a, t->runs));
    if (t->unended != 0)
        fputs(t->runs == 1 ? " (not ended)" : " (not all ended)", out);
    fputc('\n', out);
    free(name);
}

void report_tests(FILE *out, const struct profile *p, const struct screen *screen) {
    char count[UNITS_ROOM];
    uint32_t all = p->tests != NULL ? test_log_count(p->tests) : 0;
    if (all == 0)
        return;
    fprintf(out, "\n%sTests%s (%s; what each allocated, and had not freed at its end)\n",
            screen_bold(screen), screen_plain(screen), units_count(count, all));
    fprintf(out, "  %13s  %10s  %10s  %10s  %10s  %s\n", "allocations", "allocated", "peak",
            "not freed", "blocks", "test");
    const struct test_figures **test = sort_tests(p->tests);
    for (uint32_t i = 0; i < all && i < TESTS_SHOWN; i++)
        print_test(out, test[i]);
    free(test);
    if (all > TESTS_SHOWN)
        fprintf(out, "  %s%s more%s\n", screen_dim(screen), units_count(count, all - TESTS_SHOWN),
                screen_plain(screen));
}

static void put_tests(struct json_object *o, const struct profile *p) {
    struct json_object *tests = json_object_new_array();
    for (uint32_t i = 0; p->tests != NULL && i < test_log_count(p->tests); i++) {
        const struct test_figures *t = test_log_figures(p->tests, i);
        struct json_object *test = json_object_new_object();
        json_put_text(test, "name", t->name);
        json_put(test, "runs", t->runs);
        json_put(test, "unended", t->unended);
        json_put(test, "duration_ns", t->ns);
        json_put(test, "allocations", t->allocations);
        json_put(test, "allocated_bytes", t->bytes);
        json_put(test, "peak_bytes", t->peak_bytes);
        json_object_object_add(test, "not_freed", json_amounts(t->left_bytes, t->left_blocks));
        json_object_array_add(tests, test);
    }
    json_object_object_add(o, "tests", tests);
}

/* ---- loops --------------------------------------------------------------------------------- */

static void print_growing(FILE *out, const struct report *r, const struct growth_loop *l,
                          const struct growing *g, const struct screen *screen) {
    char *sentence = growing_sentence(g->blocks, g->bytes, g->grew, l);
    fprintf(out, "    %s\n%*s", sentence, 6, "");
    free(sentence);
    report_stack(out, r->names, g->path, g->length, g->cut, 6, screen);
}

static void print_loop(FILE *out, const struct report *r, const struct growth_loop *l,
                       const struct screen *screen) {
    char rounds[UNITS_ROOM], sites[UNITS_ROOM];
    char *name = names_printable(l->name, strlen(l->name));
    uint32_t count;
    struct growing *all = growing_list(r->names, l, r->depth, &count);
    fprintf(out, "  %s: %s round%s, ", name, units_count(rounds, l->rounds),
            l->rounds == 1 ? "" : "s");
    free(name);
    if (l->rounds < GROWTH_ROUNDS)
        fprintf(out, "too few to tell (%d)\n", GROWTH_ROUNDS);
    else if (count == 0)
        fputs("no call site grows\n", out);
    else
        fprintf(out, "%s call site%s\n", units_count(sites, count),
                count == 1 ? " grows" : "s grow");
    uint32_t shown = r->limit != 0 && r->limit < count ? r->limit : count;
    for (uint32_t i = 0; i < shown; i++)
        print_growing(out, r, l, &all[i], screen);
    if (shown < count)
        fprintf(out, "    %s%u more site%s (-n)%s\n", screen_dim(screen), count - shown,
                count - shown == 1 ? "" : "s", screen_plain(screen));
    growing_free(all, count);
}

void report_loops(FILE *out, const struct report *r, const struct screen *screen) {
    const struct growth *g = r->profile->growth;
    char others[UNITS_ROOM];
    if (g == NULL)
        return;
    fprintf(out, "\n%sIterations%s (live blocks by call site after each round)\n",
            screen_bold(screen), screen_plain(screen));
    for (uint32_t i = 0; i < growth_loops(g); i++)
        print_loop(out, r, growth_loop(g, i), screen);
    if (growth_others(g) != 0)
        fprintf(out, "  %s rounds of loops of further names, not looked at\n",
                units_count(others, growth_others(g)));
}

static struct json_object *growing_json(const struct report *r, const struct growth_loop *l,
                                        const struct growing *g) {
    struct json_object *o = json_object_new_object(), *stack = json_object_new_array();
    double rounds = (double)l->measured;
    json_object_object_add(o, "blocks_per_iteration",
                           json_object_new_double((double)g->blocks / rounds));
    json_object_object_add(o, "bytes_per_iteration",
                           json_object_new_double((double)g->bytes / rounds));
    json_put(o, "blocks", g->blocks);
    json_put(o, "bytes", g->bytes);
    json_put(o, "rounds_with_growth", g->grew);
    for (uint32_t i = 0; i < g->length; i++)
        json_object_array_add(stack, tree_json_name(names_get(r->names, g->path[i])));
    json_object_object_add(o, "stack", stack);
    if (g->cut)
        json_put_bool(o, "cut", true);
    return o;
}

static struct json_object *loop_json(const struct report *r, const struct growth_loop *l) {
    struct json_object *o = json_object_new_object(), *sites = json_object_new_array();
    uint32_t count;
    struct growing *all = growing_list(r->names, l, r->depth, &count);
    json_put_text(o, "name", l->name);
    json_put(o, "rounds", l->rounds);
    json_put(o, "measured_rounds", l->measured);
    json_put_bool(o, "judged", l->rounds >= GROWTH_ROUNDS);
    for (uint32_t i = 0; i < count && (r->limit == 0 || i < r->limit); i++)
        json_object_array_add(sites, growing_json(r, l, &all[i]));
    json_put(o, "growing_sites", count);
    json_put(o, "unsteady_stacks", l->unsteady);
    json_object_object_add(o, "sites", sites);
    growing_free(all, count);
    return o;
}

void report_tests_json(struct json_object *o, const struct report *r) {
    struct json_object *loops = json_object_new_array();
    const struct growth *g = r->profile->growth;
    for (uint32_t i = 0; g != NULL && i < growth_loops(g); i++)
        json_object_array_add(loops, loop_json(r, growth_loop(g, i)));
    put_tests(o, r->profile);
    json_object_object_add(o, "iterations", loops);
}
