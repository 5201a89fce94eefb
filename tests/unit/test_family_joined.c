/* SPDX-License-Identifier: MIT */
/* Sites of several recordings joined: the same place at different addresses is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "joined.h"

/* Every 0x100 bytes of a module are one function: a letter behind the module's base name; "main"
 * at 0x100, operator new at 0x200, nothing known from 0x800. */
static size_t look_up(void *context, const struct module *m, uint64_t vaddr, struct symbol *out,
                      size_t room) {
    (void)room;
    static char text[16][64];
    unsigned line = (unsigned)(vaddr / 0x100) & 15;
    ++*(unsigned *)context;
    snprintf(text[line], sizeof text[line], "%s:%c", names_base(m->path), 'a' + (int)line);
    *out = (struct symbol){.function = line == 1   ? "main"
                                       : line == 2 ? "operator new(unsigned long)"
                                                   : text[line]};
    return line < 8;
}

enum { MAIN = 0x110, NEW = 0x210, F = 0x310, F_AGAIN = 0x320, G = 0x410, NO_NAME = 0x910 };

/* A process with one module; frames are offsets in it. */
static struct stacks *process(uint64_t base, const char *path, uint8_t id) {
    struct stacks *s = stacks_new();
    struct module m = {.start = base,
                       .end = base + 0x1000,
                       .bias = base,
                       .gone = UINT64_MAX,
                       .path = (char *)path,
                       .build_id = {id},
                       .build_id_len = 1};
    stacks_add_module(s, &m);
    return s;
}

/* A site whose stack is the offsets given, outermost first, ended by 0. */
static struct site site(struct stacks *s, uint64_t base, uint64_t bytes, const uint64_t *offset) {
    struct site out = {.value = {[METRIC_TOTAL_BYTES] = bytes, [METRIC_TOTAL_BLOCKS] = 1}};
    for (; *offset != 0; offset++)
        out.stack = stacks_push(s, out.stack, stacks_intern_frame(s, base + *offset + 1, 0));
    return out;
}

#define STACK(...) ((const uint64_t[]){__VA_ARGS__, 0})

static char *path_text(struct joined *j, const struct joined_site *s, uint32_t depth,
                       bool trimmed) {
    static char text[256];
    uint32_t *path, n = joined_path(j, s, depth, trimmed, &path);
    text[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct name *name = names_get(joined_names(j), path[i]);
        strcat(strcat(text, i != 0 ? " < " : ""), name->function != NULL ? name->function : "?");
    }
    free(path);
    return text;
}

/* Two processes with the module at different addresses, a third with another build of it. */
static struct joined *three_processes(unsigned *lookups) {
    struct joined *j = joined_new_lookup(look_up, lookups);
    for (uint32_t p = 0; p < 3; p++) {
        uint64_t base = 0x10000 + p * UINT64_C(0x7f0000000000);
        struct stacks *s = process(base, "/bin/x", p == 2 ? 9 : 1);
        struct site sites[] = {
            site(s, base, 100, STACK(MAIN, F)),        site(s, base, 10, STACK(MAIN, F_AGAIN)),
            site(s, base, 1, STACK(0x510, MAIN, G)),   site(s, base, 7, STACK(MAIN, F, NEW)),
            site(s, base, 1000, STACK(MAIN, NO_NAME)),
        };
        joined_add(j, &(struct joined_from){.stacks = s, .number = p}, sites, p == 1 ? 4 : 5, NULL);
        stacks_free(s);
    }
    return j;
}

static void joins_what_reads_the_same(void **state) {
    (void)state;
    unsigned lookups = 0;
    struct joined *j = three_processes(&lookups);
    assert_int_equal(lookups, 0); /* names are looked up when asked for */
    size_t count;
    struct joined_site *s = joined_sites(j, 0, false, &count);
    const struct {
        const char *path;
        uint64_t bytes, blocks;
        uint32_t processes;
    } expected[] = {
        {"x:d < main", 330, 6, 3},
        {"x:e < main < x:f", 3, 3, 3},
        {"operator new(unsigned long) < x:d < main", 21, 3, 3},
        {"? < main", 2000, 2, 2}, /* the module's path and the offset tell it */
    };
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(path_text(j, &s[i], 0, false), expected[i].path);
        assert_int_equal(s[i].value[METRIC_TOTAL_BYTES], expected[i].bytes);
        assert_int_equal(s[i].value[METRIC_TOTAL_BLOCKS], expected[i].blocks);
        assert_int_equal(s[i].processes, expected[i].processes);
        assert_false(s[i].cut);
    }
    /* seven places in each of two builds, however many processes */
    assert_int_equal(lookups, 14);
    assert_int_equal(joined_total(j)[METRIC_TOTAL_BYTES], 2354);
    free(s);
    joined_free(j);
}

static void depth_and_trimming(void **state) {
    (void)state;
    unsigned lookups = 0;
    struct joined *j = three_processes(&lookups);
    size_t count;
    struct joined_site *s = joined_sites(j, 0, true, &count);
    assert_int_equal(count, 3);
    assert_string_equal(path_text(j, &s[0], 0, true), "x:d < main");
    assert_int_equal(s[0].value[METRIC_TOTAL_BYTES], 351); /* operator new is not told apart */
    assert_int_equal(s[0].processes, 3);
    assert_string_equal(path_text(j, &s[1], 0, true), "x:e < main");
    free(s);
    s = joined_sites(j, 1, false, &count);
    assert_int_equal(count, 4);
    assert_true(s[0].cut);
    assert_string_equal(path_text(j, &s[0], 1, false), "x:d");
    free(s);
    joined_free(j);
}

static void names_know_their_module(void **state) {
    (void)state;
    unsigned lookups = 0;
    struct joined *j = three_processes(&lookups);
    size_t count;
    struct joined_site *s = joined_sites(j, 0, false, &count);
    uint32_t *path;
    assert_int_equal(joined_path(j, &s[3], 0, false, &path), 2);
    const struct name *n = names_get(joined_names(j), path[0]);
    assert_null(n->function);
    assert_string_equal(n->module, "/bin/x");
    assert_string_equal(n->label, "x+0x910");
    free(path);
    free(s);
    joined_free(j);
}

/* Two images of one process, and stacks with nothing known about them. */
static void one_process_twice_and_unknown_frames(void **state) {
    (void)state;
    unsigned lookups = 0;
    struct joined *j = joined_new_lookup(look_up, &lookups);
    for (unsigned i = 0; i < 2; i++) {
        struct stacks *s = stacks_new();
        struct site sites[] = {site(s, 0, 5, STACK(0xffffffffffff00)), {.stack = 0}};
        sites[1].value[METRIC_LIVE_BYTES] = 3;
        joined_add(j, &(struct joined_from){.stacks = s, .number = 4}, sites, 2, NULL);
        stacks_free(s);
    }
    size_t count;
    struct joined_site *s = joined_sites(j, 0, true, &count);
    assert_int_equal(count, 2);
    assert_int_equal(s[0].processes, 1);
    assert_int_equal(s[1].processes, 1);
    uint32_t *path;
    size_t bare = s[0].stack == 0 ? 0 : 1;
    assert_int_equal(s[bare].value[METRIC_LIVE_BYTES], 6);
    assert_int_equal(joined_path(j, &s[bare], 0, true, &path), 0);
    free(path);
    assert_int_equal(joined_path(j, &s[1 - bare], 0, true, &path), 1);
    assert_string_equal(names_get(joined_names(j), path[0])->label, "0xffffffffffff00");
    free(path);
    free(s);
    joined_free(j);
    j = joined_new();
    s = joined_sites(j, 0, true, &count);
    assert_int_equal(count, 0);
    free(s);
    joined_free(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_what_reads_the_same),
        cmocka_unit_test(depth_and_trimming),
        cmocka_unit_test(names_know_their_module),
        cmocka_unit_test(one_process_twice_and_unknown_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
