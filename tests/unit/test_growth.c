/* SPDX-License-Identifier: MIT */
/* Which call sites grow with the rounds of a loop: exact figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "growth.h"

#define SIZE 48

struct run {
    struct growth *growth;
    struct observer tell;
};

static struct run begin(void) {
    struct run r = {.growth = growth_new()};
    r.tell = growth_observer(r.growth);
    return r;
}

static void allocate(struct run *r, uint32_t stack, unsigned blocks) {
    const struct block b = {.stack = stack, .size = SIZE};
    for (; blocks != 0; blocks--)
        r->tell.on_alloc(r->tell.context, &b);
}

static void release(struct run *r, uint32_t stack, unsigned blocks) {
    const struct block b = {.stack = stack, .size = SIZE};
    for (; blocks != 0; blocks--)
        r->tell.on_free(r->tell.context, &b, 0, 0, false);
}

static void end_round(struct run *r, const char *name) {
    const struct replay_mark m = {.kind = TAPE_MARK_ITERATION, .text = name};
    r->tell.on_mark(r->tell.context, &m);
}

static const struct growth_loop *finish(struct run *r) {
    growth_finish(r->growth);
    return growth_loop(r->growth, 0);
}

/* What a loop of so many rounds finds of a site with `live(round)` blocks at the end of each. */
struct finding {
    bool grows, unsteady;
    uint64_t blocks, bytes, measured, grew;
};

static struct finding find(unsigned rounds, unsigned (*live)(unsigned round)) {
    struct run r = begin();
    unsigned before = 0;
    for (unsigned i = 1; i <= rounds; i++) {
        unsigned now = live(i);
        if (now > before)
            allocate(&r, 7, now - before);
        else
            release(&r, 7, before - now);
        allocate(&r, 8, 2); /* what stays as it is */
        release(&r, 8, 2);
        end_round(&r, "loop");
        before = now;
    }
    const struct growth_loop *l = finish(&r);
    assert_string_equal(l->name, "loop");
    assert_int_equal(l->rounds, rounds);
    assert_true(l->count <= 1);
    struct finding f = {.grows = l->count == 1,
                        .unsteady = l->unsteady == 1,
                        .measured = l->measured};
    if (f.grows) {
        assert_int_equal(l->site[0].stack, 7);
        f.blocks = l->site[0].blocks;
        f.bytes = l->site[0].bytes;
        f.grew = l->site[0].grew;
        assert_int_equal(f.bytes, f.blocks * SIZE);
    }
    growth_free(r.growth);
    return f;
}

static unsigned one_each(unsigned round) {
    return round;
}

static unsigned three_each(unsigned round) {
    return 100 + 3 * round;
}

static unsigned every_tenth(unsigned round) {
    return round / 10;
}

static unsigned two_each_beside_teeth(unsigned round) {
    return 2 * round + round % 10;
}

static unsigned teeth(unsigned round) {
    return round % 10;
}

static unsigned long_teeth(unsigned round) {
    return round % 300;
}

static unsigned cache(unsigned round) {
    return round < 40 ? round : 40;
}

static unsigned saturates(unsigned round) {
    return 1000 * round / (round + 50);
}

static unsigned doubles(unsigned round) {
    unsigned chunks = 0;
    for (unsigned room = 1; room < round; room *= 2)
        chunks++;
    return chunks;
}

static unsigned seed;

static unsigned noise(unsigned round) { /* 0 to 127 */
    uint64_t h = (round + UINT64_C(100003) * seed) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned)(h >> 57);
}

static unsigned dip;

static unsigned dips_once(unsigned round) {
    return round == dip ? 0 : round;
}

static unsigned once_late(unsigned round) {
    return round > 80;
}

static unsigned shrinks(unsigned round) {
    return 5000 - round;
}

static void test_steady(void **state) {
    (void)state;
    static const unsigned rounds[] = {5, 6, 7, 8, 12, 31, 32, 33, 64, 65, 100, 1000, 4096, 4999};
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        struct finding f = find(rounds[i], one_each);
        assert_true(f.grows);
        assert_int_equal(f.blocks, f.measured);
        assert_int_equal(f.grew, rounds[i] - 1);
        assert_in_range(f.measured, rounds[i] / 2, rounds[i] - 1);
        f = find(rounds[i], three_each);
        assert_true(f.grows);
        assert_int_equal(f.blocks, 3 * f.measured);
    }
    /* The first quarter is passed over: 8 rounds are judged from the end of the third on. */
    assert_int_equal(find(8, one_each).measured, 5);
    assert_int_equal(find(100, one_each).measured, 72); /* 25 stretches of 4, from the 7th on */
}

static void test_too_few_rounds(void **state) {
    (void)state;
    for (unsigned rounds = 1; rounds < GROWTH_ROUNDS; rounds++) {
        struct finding f = find(rounds, one_each);
        assert_false(f.grows || f.unsteady);
    }
}

static void test_every_nth_round(void **state) {
    (void)state;
    struct finding f = find(1000, every_tenth);
    assert_true(f.grows);
    assert_int_equal(f.measured, 23 * 32);
    assert_int_equal(f.blocks, 74); /* of 736 rounds: 0.1 each */
    assert_int_equal(f.grew, 100);
    f = find(100, every_tenth);
    assert_true(f.grows);
    assert_in_range(f.blocks, 7, 8); /* of 72 */
}

static void test_what_goes_up_and_down(void **state) {
    (void)state;
    for (unsigned rounds = 5; rounds < 400; rounds += 1 + rounds / 7)
        assert_false(find(rounds < 14 ? 14 : rounds, teeth).grows);
    for (unsigned rounds = 700; rounds < 3000; rounds += 37)
        assert_false(find(rounds, long_teeth).grows);
    for (seed = 0; seed < 100; seed++)
        for (unsigned rounds = 32; rounds < 1000; rounds += 1 + rounds / 3)
            assert_false(find(rounds, noise).grows);
    for (dip = 200; dip < 300; dip++) /* all was freed but once, and late */
        assert_false(find(300, dips_once).grows);
    struct finding f = find(100, two_each_beside_teeth);
    assert_true(f.grows);
    assert_in_range(f.blocks, 2 * 72 - 8, 2 * 72 + 8);
}

static void test_what_comes_to_rest(void **state) {
    (void)state;
    struct finding f = find(200, cache);
    assert_false(f.grows || f.unsteady); /* full within the first quarter */
    f = find(100, cache);
    assert_false(f.grows);
    assert_true(f.unsteady);
    for (unsigned rounds = 5; rounds < 5000; rounds += 1 + rounds / 20)
        assert_false(find(rounds, doubles).grows);
    assert_true(find(1000, doubles).unsteady);
    f = find(400, saturates); /* always more, but ever less so */
    assert_false(f.grows);
    assert_true(f.unsteady);
    f = find(100, once_late);
    assert_false(f.grows);
    assert_true(f.unsteady);
    f = find(1000, shrinks);
    assert_false(f.grows || f.unsteady);
}

/* Loops in one another, and one that begins late: each sees its own rounds. */
static void test_several_loops(void **state) {
    (void)state;
    struct run r = begin();
    allocate(&r, 5, 1000); /* ahead of all rounds */
    for (unsigned frame = 0; frame < 20; frame++) {
        for (unsigned row = 0; row < 10; row++) {
            allocate(&r, 1, 1);
            end_round(&r, "row");
        }
        allocate(&r, 2, 1);
        release(&r, 5, 1);
        end_round(&r, "frame");
    }
    for (unsigned i = 0; i < 6; i++)
        end_round(&r, "idle");
    growth_finish(r.growth);
    assert_int_equal(growth_loops(r.growth), 3);
    const struct growth_loop *row = growth_loop(r.growth, 0), *frame = growth_loop(r.growth, 1),
                             *idle = growth_loop(r.growth, 2);
    assert_int_equal(row->rounds, 200);
    assert_int_equal(row->count, 2);
    assert_int_equal(row->site[0].stack, 1);
    assert_int_equal(row->site[0].blocks, row->measured);
    assert_int_equal(row->site[1].stack, 2); /* one in ten rows */
    assert_in_range(row->site[1].blocks, row->measured / 10, row->measured / 10 + 1);
    assert_int_equal(frame->rounds, 20);
    assert_int_equal(frame->count, 2);
    assert_int_equal(frame->site[0].blocks, 10 * frame->measured);
    assert_int_equal(frame->site[0].grew, 19);
    assert_int_equal(frame->site[1].blocks, frame->measured);
    assert_int_equal(idle->rounds, 6);
    assert_int_equal(idle->count, 0);
    growth_free(r.growth);
}

static void test_many_names(void **state) {
    (void)state;
    struct run r = begin();
    char name[16];
    for (unsigned i = 0; i < GROWTH_LOOPS + 10; i++) {
        snprintf(name, sizeof name, "loop %u", i);
        allocate(&r, i, 1);
        end_round(&r, name);
    }
    end_round(&r, "loop 3");
    growth_finish(r.growth);
    assert_int_equal(growth_loops(r.growth), GROWTH_LOOPS);
    assert_int_equal(growth_others(r.growth), 10);
    assert_int_equal(growth_loop(r.growth, 3)->rounds, 2);
    growth_free(r.growth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_too_few_rounds),
        cmocka_unit_test(test_every_nth_round),
        cmocka_unit_test(test_what_goes_up_and_down),
        cmocka_unit_test(test_what_comes_to_rest),
        cmocka_unit_test(test_several_loops),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
