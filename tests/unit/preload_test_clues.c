/* SPDX-License-Identifier: MIT */
/* Words in front of pointers: which are noted, in what order they come, which tell something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "clues.h"
#include "tables.h"

static uint64_t seed = UINT64_C(0x2468ace13579bd);

static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int by_value(const void *a, const void *b) {
    const uint64_t *v = a, *w = b;
    return *v < *w ? -1 : *v > *w;
}

static void test_order(void **state) {
    (void)state;
    enum { MOST = 3000 };
    static uint64_t room[2][MOST], expected[MOST];
    static const uint64_t span[] = {1, 200, 5000, UINT64_C(1) << 28, UINT64_C(1) << 47};
    for (size_t i = 0; i < sizeof span / sizeof *span; i++)
        for (size_t noted = 0; noted <= MOST; noted = noted * 3 + 1) {
            struct clues c = {.pointer = room[0], .spare = room[1]};
            size_t count = 0, kept = 0;
            for (size_t k = 0; k < noted; k++) {
                uint64_t value = 0x1000 + next() % span[i] * 8;
                clues_note(&c, value);
                if (value % 16 == 8)
                    expected[count++] = value;
            }
            clues_sort(&c);
            qsort(expected, count, sizeof *expected, by_value);
            for (size_t k = 0; k < count; k++)
                if (k == 0 || expected[k] != expected[k - 1])
                    expected[kept++] = expected[k];
            assert_int_equal(c.count, kept);
            for (size_t k = 0; k < kept; k++)
                assert_int_equal(c.pointer[k], expected[k]);
        }
}

static void test_judging(void **state) {
    (void)state;
    enum { NONE = 0, COUNT = 8, STRING = 6 };
    static const struct {
        uint64_t word[CLUES_WORDS], room;
        unsigned with_headers, without;
    } cases[] = {
        /* A count behind the header of 48 bytes: 40 of them to use, 32 behind the count. */
        {{7, 99, 0x31, 32}, 1000, COUNT, COUNT},
        {{7, 99, 0x31, 33}, 1000, NONE, COUNT},
        {{7, 99, 0x31, 0}, 1000, NONE, NONE},    /* no elements */
        {{7, 99, 0x39, 3}, 1000, NONE, COUNT},   /* no size that glibc has */
        {{7, 99, 0x11, 3}, 1000, NONE, COUNT},   /* too small */
        {{7, 99, 0x401, 3}, 1008, COUNT, COUNT}, /* as large as what is there */
        {{7, 999, 0x401, 3}, 992, NONE, COUNT},  /* larger */
        {{7, 9, 8, 1000}, 1000, NONE, COUNT},
        {{7, 9, 8, 1001}, 1000, NONE, NONE},
        /* A string of 15 bytes at most behind a header of 48. */
        {{0x31, 15, 15, UINT64_MAX}, 1000, STRING, STRING},
        {{0x31, 15, 16, UINT64_MAX}, 1000, NONE, STRING},
        {{0x31, 16, 15, UINT64_MAX}, 1000, NONE, NONE}, /* longer than its room */
        {{0x31, 0, 999, UINT64_MAX}, 1000, NONE, STRING},
        {{0x31, 0, 1000, UINT64_MAX}, 1000, NONE, NONE},
        /* Words that are not there. */
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX, 8}, 8, NONE, COUNT},
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, 8, NONE, NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned with = clues_judge(cases[i].word, cases[i].room, true),
                 without = clues_judge(cases[i].word, cases[i].room, false);
        if (with != cases[i].with_headers || without != cases[i].without)
            fail_msg("case %zu: %u and %u", i, with, without);
    }
}

/* ---- tables of functions ------------------------------------------------------------------ */

static void function(void) {}
static void other(void) {}
static int variable;

/* Zeroes may lie between; one pointer to data ends it. */
static const void *const table[] = {(void *)function, 0, (void *)other, &variable};
static const void *const after_zeroes[21] = {[19] = (void *)function, [20] = (void *)other};
static const void *const too_far[22] = {[0] = (void *)function, [21] = (void *)other};
static const void *const with_data[] = {(void *)function, &variable, (void *)other};
static void *writable[] = {(void *)function, (void *)other};
static const char text[] __attribute__((aligned(8))) = "no table of anything";

static void test_tables(void **state) {
    (void)state;
    static struct map_entry map[4096];
    static char scratch[65536];
    bool all;
    struct memory memory = {.pid = (uint32_t)getpid()};
    static struct tables t;
    t.memory = &memory;
    t.map = map;
    t.maps = maps_read(map, sizeof map / sizeof *map, scratch, sizeof scratch, &all);
    assert_true(all);
    void **on_heap = calloc(2, sizeof *on_heap);
    on_heap[0] = (void *)function;
    on_heap[1] = (void *)other;
    for (int twice = 0; twice < 2; twice++) {
        assert_true(tables_hold(&t, (uint64_t)table));
        assert_false(tables_hold(&t, (uint64_t)table + 4));
        assert_false(tables_hold(&t, (uint64_t)(table + 3)));
        assert_true(tables_hold(&t, (uint64_t)after_zeroes));
        assert_false(tables_hold(&t, (uint64_t)too_far));
        assert_false(tables_hold(&t, (uint64_t)with_data));
        assert_true(tables_hold(&t, (uint64_t)writable));
        assert_false(tables_hold(&t, (uint64_t)text));
        assert_false(tables_hold(&t, (uint64_t)on_heap));
        assert_false(tables_hold(&t, 0));
        assert_false(tables_hold(&t, 8));
        assert_false(tables_hold(&t, UINT64_MAX & ~UINT64_C(7)));
    }
    free(on_heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
