/* SPDX-License-Identifier: MIT */
/* Names of frames, call trees and rankings over hand-built stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tree.h"
#include "tree_print.h"

/* A module of 4 KiB at 0x10000 with bias 0x10000: every 0x100 bytes are one source line. */
struct line {
    const char *function, *file;
    unsigned line;
    unsigned into; /* the line that it was put inline at, 0: none */
};

static size_t look_up(void *context, const struct module *m, uint64_t vaddr, struct symbol *out,
                      size_t room) {
    const struct line *all = context;
    size_t count = 0;
    (void)m;
    for (uint64_t at = vaddr / 0x100; count < room; at = all[at].into) {
        const struct line *l = &all[at];
        if (l->function == NULL)
            break;
        out[count++] = (struct symbol){.function = l->function, .file = l->file, .line = l->line};
        if (l->into == 0)
            break;
    }
    return count;
}

enum { UNKNOWN, LEAF, MIDDLE, MIDDLE_2, OTHER, MAIN, START, NEW, NO_LINE, DEEP, SHALLOW };
static const struct line lines[16] = {
    [LEAF] = {"leaf", "/src/leaf.c", 10, 0},
    [MIDDLE] = {"middle", "/src/middle.c", 20, 0},
    [MIDDLE_2] = {"middle", "/src/middle.c", 21, 0},
    [OTHER] = {"other", "/src/other.c", 30, 0},
    [MAIN] = {"main", "/src/main.c", 40, 0},
    [START] = {"_start", NULL, 0, 0},
    [NEW] = {"operator new(unsigned long)", NULL, 0, 0},
    [NO_LINE] = {"bare(int)", NULL, 0, 0},
    [DEEP] = {"operator new(unsigned long)", "/src/new.h", 60, SHALLOW},
    [SHALLOW] = {"shallow", "/src/shallow.h", 61, MIDDLE},
};

struct fixture {
    struct stacks *stacks;
    struct names *names;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->stacks = stacks_new();
    struct module m = {.start = 0x10000,
                       .end = 0x11000,
                       .bias = 0x10000,
                       .gone = UINT64_MAX,
                       .path = (char *)"/usr/lib/libdemo.so"};
    stacks_add_module(f->stacks, &m);
    f->names = names_new_lookup(f->stacks, look_up, (void *)lines);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    names_free(f->names);
    stacks_free(f->stacks);
    free(f);
    return 0;
}

/* The return address behind the `call`th call in a line. */
static uint32_t frame(struct fixture *f, unsigned line, unsigned call) {
    return stacks_intern_frame(f->stacks, 0x10000 + line * 0x100 + call + 1, 0);
}

/* A stack from the outside in; each frame is line * 16 + call; 0 ends it. */
static uint32_t stack_of(struct fixture *f, const unsigned *frames) {
    uint32_t s = 0;
    for (; *frames != 0; frames++)
        s = stacks_push(f->stacks, s, frame(f, *frames / 16, *frames % 16));
    return s;
}

#define F(line, call)  ((line)*16 + (call))
#define STACK(f, ...)  stack_of(f, (const unsigned[]){__VA_ARGS__, 0})
#define LABEL(f, t, i) (names_get((f)->names, (t)->node[i].name)->label)
#define LEN(array)     (sizeof(array) / sizeof(array)[0])

static const char *label_of(struct fixture *f, unsigned line, unsigned call) {
    return names_get(f->names, names_of(f->names, names_place(f->names, STACK(f, F(line, call)))))
        ->label;
}

static uint32_t name_at(struct fixture *f, unsigned line, unsigned call) {
    return names_of(f->names, names_place(f->names, STACK(f, F(line, call))));
}

static void labels(void **state) {
    struct fixture *f = *state;
    assert_string_equal(label_of(f, LEAF, 0), "leaf (leaf.c:10)");
    assert_string_equal(label_of(f, NO_LINE, 3), "bare(int) (in libdemo.so)");
    assert_string_equal(label_of(f, UNKNOWN, 5), "libdemo.so+0x5");
    uint32_t outside = stacks_intern_frame(f->stacks, 0x99001, 0);
    uint32_t place = names_place(f->names, stacks_push(f->stacks, 0, outside));
    assert_string_equal(names_get(f->names, names_of(f->names, place))->label, "0x99000");
    /* one line, one name; unknown code: one name an address */
    assert_int_equal(name_at(f, LEAF, 0), name_at(f, LEAF, 7));
    assert_int_equal(name_at(f, NO_LINE, 0), name_at(f, NO_LINE, 7));
    assert_int_not_equal(name_at(f, MIDDLE, 0), name_at(f, MIDDLE_2, 0));
    assert_int_not_equal(name_at(f, UNKNOWN, 1), name_at(f, UNKNOWN, 2));
}

/* Frames with functions inline: each is a place; operator new is left out as ever. */
static void inlined(void **state) {
    struct fixture *f = *state;
    uint32_t stack = STACK(f, F(MAIN, 0), F(DEEP, 3));
    uint32_t place = names_place(f->names, stack);
    static const char *const expected[] = {"operator new(unsigned long) (new.h:60) [inlined]",
                                           "shallow (shallow.h:61) [inlined]",
                                           "middle (middle.c:20)", "main (main.c:40)"};
    for (size_t i = 0; i < LEN(expected); i++, place = names_caller(f->names, place)) {
        assert_int_not_equal(place, 0);
        assert_string_equal(names_get(f->names, names_of(f->names, place))->label, expected[i]);
        assert_int_equal(names_frame(f->names, place),
                         i < 3 ? frame(f, DEEP, 3) : frame(f, MAIN, 0));
    }
    assert_int_equal(place, 0);
    /* another call to the same line joins it further out, not where it is inline itself */
    struct tree_site sites[] = {{stack, 10, 1},
                                {STACK(f, F(MAIN, 1), F(SHALLOW, 1)), 5, 1},
                                {STACK(f, F(MAIN, 2), F(MIDDLE, 0)), 2, 1}};
    for (int top_down = 0; top_down < 2; top_down++) {
        struct tree_options options = {.top_down = top_down};
        struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
        const struct tree_node *n = t->node;
        assert_int_equal(n[0].bytes, 17);
        uint32_t first = n[0].first, second = n[first].first, third = n[second].first;
        assert_string_equal(LABEL(f, t, first), expected[top_down ? 3 : 1]);
        assert_int_equal(n[first].bytes, top_down ? 17 : 15);
        assert_string_equal(LABEL(f, t, second), expected[2]);
        assert_int_equal(n[second].bytes, top_down ? 17 : 15);
        assert_int_equal(n[second].own_bytes, top_down ? 2 : 0);
        assert_string_equal(LABEL(f, t, third), expected[top_down ? 1 : 3]);
        assert_int_equal(n[third].own_bytes, 15);
        tree_free(t);
    }
    assert_int_equal(tree_filter(f->names, sites, LEN(sites), "shallow.h"), 2);
}

/* Bottom-up: sites of one line merge, callers branch, start-up code and operator new are gone. */
static void bottom_up(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(START, 0), F(MAIN, 0), F(MIDDLE, 0), F(LEAF, 0)), 100, 1},
        {STACK(f, F(START, 0), F(MAIN, 1), F(MIDDLE, 1), F(LEAF, 2)), 50, 2},
        {STACK(f, F(START, 0), F(MAIN, 0), F(OTHER, 0), F(LEAF, 0), F(NEW, 0)), 30, 3},
        {STACK(f, F(START, 0), F(MAIN, 0), F(OTHER, 0)), 5, 4},
    };
    struct tree_options options = {.depth = 0};
    struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
    const struct tree_node *n = t->node;
    assert_int_equal(n[0].bytes, 185);
    assert_int_equal(n[0].blocks, 10);
    assert_int_equal(n[0].count, 2);
    uint32_t leaf = n[0].first, other = leaf + 1;
    assert_string_equal(LABEL(f, t, leaf), "leaf (leaf.c:10)");
    assert_int_equal(n[leaf].bytes, 180);
    assert_int_equal(n[leaf].blocks, 6);
    assert_int_equal(n[leaf].count, 2);
    assert_int_equal(n[leaf].address, 0x10000 + LEAF * 0x100);
    uint32_t middle = n[leaf].first;
    assert_string_equal(LABEL(f, t, middle), "middle (middle.c:20)");
    assert_int_equal(n[middle].bytes, 150);
    assert_string_equal(LABEL(f, t, n[middle].first), "main (main.c:40)");
    assert_int_equal(n[n[middle].first].own_bytes, 150); /* main is the end: no _start */
    assert_int_equal(n[n[middle].first].count, 0);
    assert_string_equal(LABEL(f, t, other), "other (other.c:30)");
    assert_int_equal(n[other].blocks, 4);
    tree_free(t);
}

static void top_down(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(START, 0), F(MAIN, 0), F(MIDDLE, 0), F(LEAF, 0)), 100, 1},
        {STACK(f, F(START, 0), F(MAIN, 1), F(OTHER, 0), F(LEAF, 2), F(NEW, 1)), 60, 2},
        {STACK(f, F(START, 0), F(MAIN, 0)), 7, 1},
        {STACK(f, F(START, 0), F(OTHER, 0)), 1, 1}, /* before main */
    };
    struct tree_options options = {.top_down = true};
    struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
    const struct tree_node *n = t->node;
    assert_int_equal(n[0].bytes, 168);
    assert_int_equal(n[0].count, 2);
    uint32_t main_node = n[0].first;
    assert_string_equal(LABEL(f, t, main_node), "main (main.c:40)");
    assert_int_equal(n[main_node].bytes, 167);
    assert_int_equal(n[main_node].own_bytes, 7);
    assert_int_equal(n[main_node].count, 2);
    assert_string_equal(LABEL(f, t, n[main_node].first), "middle (middle.c:20)");
    assert_string_equal(LABEL(f, t, n[main_node].first + 1), "other (other.c:30)");
    uint32_t leaf = n[n[main_node].first + 1].first;
    assert_string_equal(LABEL(f, t, leaf), "leaf (leaf.c:10)");
    assert_int_equal(n[leaf].own_bytes, 60); /* operator new's block is its caller's */
    assert_int_equal(n[leaf].count, 0);
    assert_string_equal(LABEL(f, t, main_node + 1), "other (other.c:30)"); /* no _start */
    assert_int_equal(n[main_node + 1].bytes, 1);
    tree_free(t);
}

/* Start-up code that allocates by itself is not hidden. */
static void start_up_alone(void **state) {
    struct fixture *f = *state;
    struct tree_site site = {STACK(f, F(START, 0)), 5, 1};
    for (int top_down = 0; top_down < 2; top_down++) {
        struct tree_options options = {.top_down = top_down != 0};
        struct tree *t = tree_build(f->names, &site, 1, &options);
        assert_int_equal(t->count, 2);
        assert_string_equal(LABEL(f, t, 1), "_start (in libdemo.so)");
        assert_int_equal(t->node[1].own_bytes, 5);
        tree_free(t);
    }
}

static void thresholds(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(MAIN, 0), F(LEAF, 0)), 100, 1},
        {STACK(f, F(MAIN, 0), F(MIDDLE, 0)), 9, 1},
        {STACK(f, F(MAIN, 0), F(OTHER, 0)), 10, 1},
    };
    struct tree_options options = {.threshold = 11};
    struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
    assert_int_equal(t->node[0].count, 1);
    assert_int_equal(t->node[0].below, 2);
    assert_int_equal(t->node[0].below_bytes, 19);
    assert_int_equal(t->node[0].below_blocks, 2);
    tree_free(t);
    options.threshold = 10; /* what reaches the threshold stays */
    t = tree_build(f->names, sites, LEN(sites), &options);
    assert_int_equal(t->node[0].count, 2);
    assert_int_equal(t->node[0].below, 1);
    tree_free(t);
    options.lone_in_full = true;
    t = tree_build(f->names, sites, LEN(sites), &options);
    assert_int_equal(t->node[0].count, 3);
    assert_int_equal(t->node[0].below, 0);
    tree_free(t);
}

static void depths(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(MAIN, 0), F(MIDDLE, 0), F(LEAF, 0)), 100, 1},
        {STACK(f, F(MAIN, 0), F(LEAF, 0)), 10, 1},
    };
    for (int top_down = 0; top_down < 2; top_down++) {
        struct tree_options options = {.top_down = top_down != 0, .depth = 2};
        struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
        unsigned cut = 0;
        uint64_t ends = 0;
        for (uint32_t i = 0; i < t->count; i++) {
            cut += t->node[i].cut;
            ends += t->node[i].cut ? t->node[i].bytes : t->node[i].own_bytes;
            assert_true(t->node[i].level <= 2);
        }
        assert_int_equal(cut, 1);
        assert_int_equal(ends, 110); /* every byte ends at one node */
        tree_free(t);
    }
}

/* A program that calls itself: inclusive values count each block once. */
static void recursion(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(MAIN, 0), F(LEAF, 0), F(OTHER, 0), F(LEAF, 0)), 100, 1},
        {STACK(f, F(MAIN, 0), F(LEAF, 0)), 10, 1},
    };
    size_t count;
    struct tree_place *places = tree_places(f->names, sites, LEN(sites), &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        const char *label = names_get(f->names, places[i].name)->label;
        if (strncmp(label, "leaf", 4) == 0) {
            assert_int_equal(places[i].own_bytes, 110);
            assert_int_equal(places[i].bytes, 110);
        } else if (strncmp(label, "other", 5) == 0) {
            assert_int_equal(places[i].own_bytes, 0);
            assert_int_equal(places[i].bytes, 100);
        } else {
            assert_string_equal(label, "main (main.c:40)");
            assert_int_equal(places[i].blocks, 2);
        }
    }
    free(places);
}

/* A stack as deep as a runaway recursion must not take a C stack with it. */
static void deep_recursion(void **state) {
    struct fixture *f = *state;
    uint32_t s = 0;
    for (unsigned i = 0; i < 200000; i++)
        s = stacks_push(f->stacks, s, frame(f, LEAF, i % 8));
    struct tree_site site = {s, 10, 1};
    for (int top_down = 0; top_down < 2; top_down++) {
        struct tree_options options = {.top_down = top_down != 0};
        struct tree *t = tree_build(f->names, &site, 1, &options);
        assert_int_equal(t->count, TREE_DEPTH_MAX + 1);
        assert_true(t->node[t->count - 1].cut);
        tree_free(t);
    }
    size_t count;
    struct tree_place *places = tree_places(f->names, &site, 1, &count);
    assert_int_equal(count, 1);
    assert_int_equal(places[0].bytes, 10);
    free(places);
}

static void filters(void **state) {
    struct fixture *f = *state;
    const struct tree_site all[] = {
        {STACK(f, F(MAIN, 0), F(LEAF, 0)), 1, 1},
        {STACK(f, F(MAIN, 0), F(OTHER, 0), F(MIDDLE, 0)), 2, 1},
        {STACK(f, F(MAIN, 0), F(NO_LINE, 0)), 4, 1},
    };
    static const struct {
        const char *glob;
        uint64_t bytes;
    } expected[] = {
        {"leaf", 1},     {"oth*", 2},          {"main", 7},       {"bare", 4},    {"bare(*", 4},
        {"middle.c", 2}, {"/src/middle.c", 2}, {"libdemo.so", 7}, {"nothing", 0}, {"[lm]*[fe]", 3},
    };
    for (size_t i = 0; i < LEN(expected); i++) {
        struct tree_site sites[LEN(all)];
        memcpy(sites, all, sizeof all);
        uint64_t bytes = 0;
        for (size_t k = tree_filter(f->names, sites, LEN(sites), expected[i].glob); k-- != 0;)
            bytes += sites[k].bytes;
        assert_int_equal(bytes, expected[i].bytes);
    }
}

/* Everything at once, as a reader sees it. */
static void printed(void **state) {
    struct fixture *f = *state;
    struct tree_site sites[] = {
        {STACK(f, F(MAIN, 0), F(MIDDLE, 0), F(LEAF, 0)), 600, 6},
        {STACK(f, F(MAIN, 0), F(OTHER, 0), F(LEAF, 0)), 300, 3},
        {STACK(f, F(MAIN, 0), F(MIDDLE, 0), F(NO_LINE, 0)), 96, 1},
        {STACK(f, F(MAIN, 0), F(UNKNOWN, 1)), 2, 1},
        {STACK(f, F(MAIN, 0), F(UNKNOWN, 2)), 2, 1},
    };
    struct tree_options options = {.threshold = 10};
    struct screen screen = {.columns = 100};
    struct tree_print how = {.names = f->names,
                             .screen = &screen,
                             .total_bytes = 1000,
                             .threshold = 1};
    struct tree *t = tree_build(f->names, sites, LEN(sites), &options);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    tree_print(out, t, &how);
    fclose(out);
    assert_string_equal(
        text, "       size   share    blocks  allocated at, and the callers from the inside out\n"
              "\n"
              "      900 B   90.0%         9  leaf (leaf.c:10)\n"
              "      600 B   60.0%         6  |- middle (middle.c:20)\n"
              "                               |  <- main (main.c:40)\n"
              "      300 B   30.0%         3  `- other (other.c:30)\n"
              "                                  <- main (main.c:40)\n"
              "\n"
              "       96 B    9.6%         1  bare(int) (in libdemo.so)\n"
              "                               <- middle (middle.c:20)\n"
              "                               <- main (main.c:40)\n"
              "\n"
              "        4 B    0.4%         2  2 places below the threshold of 1%\n");
    free(text);
    how.limit = 1;
    struct json_object *json = tree_json(t, &how);
    struct json_object *children, *below, *value;
    assert_true(json_object_object_get_ex(json, "children", &children));
    assert_int_equal(json_object_array_length(children), 1);
    assert_true(json_object_object_get_ex(json, "below", &below));
    assert_true(json_object_object_get_ex(below, "places", &value));
    assert_int_equal(json_object_get_int(value), 2);
    assert_true(json_object_object_get_ex(json_object_array_get_idx(children, 0), "file", &value));
    assert_string_equal(json_object_get_string(value), "/src/leaf.c");
    json_object_put(json);
    tree_free(t);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(labels),         TEST(inlined),    TEST(bottom_up), TEST(top_down),
        TEST(start_up_alone), TEST(thresholds), TEST(depths),    TEST(recursion),
        TEST(deep_recursion), TEST(filters),    TEST(printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
