/* SPDX-License-Identifier: MIT */
/* Kinds of leaks where the program has told of pools of its own, or that a block is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "leak_scene.h"

static void pool_block(struct scene *s, uint64_t address, uint64_t size) {
    uint64_t stack[2] = {0x400010, 0x400500};
    writer_alloc(s->w, 1, s->now++, TAPE_OP_POOL_ALLOC, address, size, 0, stack, 2);
}

static void ignore(struct scene *s, uint64_t address) {
    writer_blob(s->w, 1, s->now++, TAPE_OP_IGNORE, address, "", 0);
}

/* The graph's tags lead to the survey's blocks. */
static void expect_tags(const struct scene *s) {
    const struct leak_graph *g = &s->survey->graph;
    for (uint32_t i = 0; i < g->count; i++)
        if (g->block[i].tag != SURVEY_INHERITED) {
            assert_in_range(g->block[i].tag, 0, s->survey->count + s->survey->ignored_count - 1);
            assert_int_equal(s->survey->block[g->block[i].tag].block.address, g->block[i].address);
        }
}

/* Blocks 0, 1 and 2 lie in one of malloc's, which has a word of its own that leads to 2 and to 8.
 */
static void pool_of_three(struct scene *s, bool freed) {
    alloc_in(s, 1, at(0), 0x400);
    for (unsigned k = 0; k < 3; k++)
        pool_block(s, at(k), 32);
    for (unsigned k = 0; k < 3 && freed; k++)
        writer_release(s->w, 1, s->now++, TAPE_OP_POOL_FREE, at(k));
    block(s, 8, 16);
    image(s, 1, NULL);
    global(s, at(0));
    word(s, 0, 0, at(1));
    word(s, 0, 0x40, at(2)); /* behind the pool's first block */
    word(s, 0, 0x48, at(8));
    judge(s);
}

static void test_pools(void **state) {
    (void)state;
    struct scene s = scene();
    pool_of_three(&s, false);
    expect_kinds(&s, "rrd-----d");
    assert_int_equal(s.survey->count, 4); /* without the block around them */
    assert_int_equal(find(&s, at(0))->block.size, 32);
    assert_int_equal(find(&s, at(0))->block.op, TAPE_OP_POOL_ALLOC);
    finish(&s);
    s = scene();
    pool_of_three(&s, true);
    expect_kinds(&s, "r-------r");
    assert_int_equal(find(&s, at(0))->block.size, 0x400);
    finish(&s);
}

/* A pool in static data: an image need not hold pointers to there, so its blocks are reachable, and
 * all of the memory is a root as before. */
static void test_pool_in_static_data(void **state) {
    (void)state;
    struct scene s = scene();
    pool_block(&s, GLOBALS + 0x100, 32);
    pool_block(&s, GLOBALS + 0x200, 32);
    for (unsigned k = 0; k < 3; k++)
        block(&s, k, 16);
    image(&s, 1, NULL);
    writer_image_word(s.w, IN_GLOBALS, GLOBALS + 0x108, at(0));
    writer_image_word(s.w, IN_GLOBALS, GLOBALS + 0x120, at(1)); /* just behind it */
    judge(&s);
    expect_kinds(&s, "rrd");
    assert_int_equal(kind_at(&s, GLOBALS + 0x100), LEAK_REACHABLE);
    assert_int_equal(kind_at(&s, GLOBALS + 0x200), LEAK_REACHABLE);
    finish(&s);
}

/* A pool in a mapping of its own: its head and free list lie where blocks lay, and are no roots. */
static void test_pool_in_a_mapping(void **state) {
    (void)state;
    for (int pool = 0; pool < 2; pool++) {
        struct scene s = scene();
        if (pool) {
            pool_block(&s, PRIVATE + 0x100, 32);
            writer_release(s.w, 1, s.now++, TAPE_OP_POOL_FREE, PRIVATE + 0x100);
            pool_block(&s, PRIVATE + 0x200, 32);
        }
        block(&s, 0, 16);
        image(&s, 1, NULL);
        writer_image_word(s.w, IN_PRIVATE, PRIVATE + 8, PRIVATE + 0x200);
        writer_image_word(s.w, IN_PRIVATE, PRIVATE + 0x100, at(0));
        judge(&s);
        expect_kinds(&s, pool ? "d" : "r");
        assert_int_equal(kind_at(&s, PRIVATE + 0x200), pool ? LEAK_DEFINITE : LEAK_KINDS);
        finish(&s);
    }
}

static void test_ignored(void **state) {
    (void)state;
    for (int classes = 0; classes < 2; classes++) {
        struct scene s = scene();
        for (unsigned k = 0; k < 8; k++)
            block(&s, k, 16);
        ignore(&s, at(0));
        ignore(&s, at(5));
        image(&s, 1, NULL);
        global(&s, at(3));
        global(&s, at(5));
        word(&s, 0, 0, at(1) + 4);
        word(&s, 1, 8, at(2));
        word(&s, 3, 0, at(2)); /* a root leads to it as well */
        word(&s, 4, 0, at(0)); /* a lost one points to it */
        word(&s, 4, 8, at(6));
        writer_image_end(s.w, 3, NULL);
        judge_with(&s, classes ? &at_exit : NULL, 0, NULL);
        expect_kinds(&s, classes ? "---rd-id" : "-uuuu-uu");
        assert_int_equal(s.survey->ignored_count, classes ? 4 : 2);
        assert_int_equal(s.survey->ignored_bytes, classes ? 64 : 32);
        expect_tags(&s);
        if (classes)
            expect_indirect(&s, 4, 16, 1);
        finish(&s);
    }
}

/* The memory around is the parent's, some pool blocks are, and one that it ignores. */
static void test_inherited_pool(void **state) {
    (void)state;
    struct inherited *inherited = xcalloc(1, sizeof *inherited + 3 * sizeof *inherited->block);
    inherited->block[inherited->count++] =
        (struct inherited_block){.address = at(0), .size = 0x400};
    inherited->block[inherited->count++] =
        (struct inherited_block){.address = at(2), .size = 32, .pool = true};
    inherited->block[inherited->count++] =
        (struct inherited_block){.address = at(6), .size = 32, .ignored = true};
    struct scene s = scene();
    s.w->info_parent = "parent.tape";
    writer_segment(s.w);
    pool_block(&s, at(1), 32);
    for (unsigned k = 7; k < 10; k++)
        block(&s, k, 16);
    image(&s, 1, NULL);
    global(&s, at(0));
    global(&s, at(2));
    word(&s, 0, 0x40, at(7)); /* between the pool's blocks */
    word(&s, 2, 8, at(8));
    word(&s, 6, 0, at(9));
    writer_image_end(s.w, 9, NULL);
    judge_with(&s, &at_exit, 0, inherited);
    expect_kinds(&s, "-d-----dr-");
    assert_int_equal(s.survey->ignored_count, 1); /* 9: kept by what the parent ignores */
    expect_tags(&s);
    finish(&s);
    free(inherited);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_pool_in_static_data),
        cmocka_unit_test(test_pool_in_a_mapping),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_inherited_pool),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
