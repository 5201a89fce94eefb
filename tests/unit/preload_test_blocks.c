/* SPDX-License-Identifier: MIT */
/*
 * The table of blocks, and which of them are lost: against a model that is fed in true order, while
 * the table gets the same events stream by stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "lost.h"

static uint32_t seed;

static uint32_t random_below(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static struct tape_record record(unsigned op, uint64_t address, uint64_t size, uint64_t stamp) {
    return (struct tape_record){.stamp = stamp, .addr_op = tape_addr_op(address, op), .size = size};
}

static void take(struct blocks *t, struct block_source *from, unsigned op, uint64_t address,
                 uint64_t size, uint64_t stamp, uint32_t stream) {
    struct tape_record r = record(op, address, size, stamp);
    blocks_take(t, from, &r, stream);
}

static bool lives(const struct blocks *t, uint64_t address, enum block_kind kind, uint64_t size) {
    const struct block *b = blocks_find(t, address, kind);
    return b != NULL && b->state == BLOCK_LIVE && b->size == size;
}

static bool is_dead(const struct blocks *t, uint64_t address) {
    const struct block *b = blocks_find(t, address, BLOCK_OF_HEAP);
    return b == NULL || b->state == BLOCK_FREED;
}

static void test_life(void **state) {
    (void)state;
    struct blocks t;
    struct block_source a = {0};
    assert_true(blocks_make(&t));
    take(&t, &a, TAPE_OP_malloc, 0x1000, 10, 1, 1);
    assert_true(lives(&t, 0x1000, BLOCK_OF_HEAP, 10));
    take(&t, &a, TAPE_OP_POOL_ALLOC, 0x1000, 5, 2, 1);
    take(&t, &a, TAPE_OP_POOL_FREE, 0x1000, 0, 3, 1);
    assert_true(lives(&t, 0x1000, BLOCK_OF_HEAP, 10));
    assert_int_equal(t.pools, 0);
    take(&t, &a, TAPE_OP_free, 0x1000, 0, 3, 1);
    assert_true(is_dead(&t, 0x1000));
    take(&t, &a, TAPE_OP_malloc, 0, 10, 4, 1); /* it has failed */
    take(&t, &a, TAPE_OP_malloc, 0x1000, 7, 4, 1);
    take(&t, &a, TAPE_OP_free, 0x1000, 0, 4, 1); /* within one tick */
    take(&t, &a, TAPE_OP_malloc, 0x1000, 8, 4, 1);
    assert_true(lives(&t, 0x1000, BLOCK_OF_HEAP, 8));
    blocks_free(&t);
}

static void test_resizes(void **state) {
    (void)state;
    struct blocks t;
    struct block_source a = {0};
    assert_true(blocks_make(&t));
    take(&t, &a, TAPE_OP_malloc, 0x1000, 10, 1, 1);
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x1000, 0, 2, 1);
    assert_int_equal(blocks_find(&t, 0x1000, BLOCK_OF_HEAP)->state, BLOCK_RESIZED);
    assert_true(a.resizes);
    take(&t, &a, TAPE_OP_MODULE_LOAD, 0x7000, 0, 2, 1); /* may stand between */
    take(&t, &a, TAPE_OP_realloc, 0x1000, 20, 3, 1);    /* in its place */
    assert_false(a.resizes);
    assert_true(lives(&t, 0x1000, BLOCK_OF_HEAP, 20));
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x1000, 0, 4, 1);
    take(&t, &a, TAPE_OP_realloc, 0, 100, 5, 1); /* refused */
    assert_true(lives(&t, 0x1000, BLOCK_OF_HEAP, 20));
    assert_int_equal(blocks_find(&t, 0x1000, BLOCK_OF_HEAP)->stamp, 3);
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x1000, 0, 6, 1);
    take(&t, &a, TAPE_OP_realloc, 0x2000, 100, 7, 1);
    assert_true(is_dead(&t, 0x1000));
    assert_true(lives(&t, 0x2000, BLOCK_OF_HEAP, 100));
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x2000, 0, 8, 1);
    take(&t, &a, TAPE_OP_realloc, 0, 0, 9, 1); /* a free */
    assert_true(is_dead(&t, 0x2000));
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x3000, 0, 10, 1); /* never heard of */
    take(&t, &a, TAPE_OP_realloc, 0, 50, 11, 1);
    assert_true(is_dead(&t, 0x3000));
    /* Moved away while the other stream, read first, has got the place. */
    struct block_source b = {0};
    take(&t, &a, TAPE_OP_malloc, 0x4000, 40, 12, 1);
    take(&t, &b, TAPE_OP_malloc, 0x4000, 44, 15, 2);
    take(&t, &a, TAPE_OP_REALLOC_FROM, 0x4000, 0, 13, 1);
    take(&t, &a, TAPE_OP_realloc, 0x5000, 50, 14, 1);
    assert_true(lives(&t, 0x4000, BLOCK_OF_HEAP, 44));
    blocks_free(&t);
}

static bool is_ignored(const struct blocks *t, uint64_t address) {
    return block_is_ignored(blocks_find(t, address, BLOCK_OF_HEAP));
}

static void test_ignored(void **state) {
    (void)state;
    struct blocks t;
    struct block_source a = {0}, b = {0};
    assert_true(blocks_make(&t));
    take(&t, &a, TAPE_OP_malloc, 0x1000, 10, 1, 1);
    assert_false(is_ignored(&t, 0x1000));
    take(&t, &a, TAPE_OP_IGNORE, 0x1000, 0, 2, 1);
    assert_true(is_ignored(&t, 0x1000));
    take(&t, &a, TAPE_OP_free, 0x1000, 0, 2, 1);
    take(&t, &a, TAPE_OP_malloc, 0x1000, 10, 2, 1); /* all within one tick */
    assert_false(is_ignored(&t, 0x1000));
    take(&t, &a, TAPE_OP_IGNORE, 0x2000, 0, 3, 1); /* told by another stream, read later */
    take(&t, &b, TAPE_OP_malloc, 0x2000, 10, 2, 2);
    assert_true(is_ignored(&t, 0x2000));
    take(&t, &b, TAPE_OP_malloc, 0x2000, 10, 4, 2);
    assert_false(is_ignored(&t, 0x2000));
    blocks_free(&t);
}

/* ---- in any order ------------------------------------------------------------------------- */

enum { EVENTS = 6000, STREAMS = 5, PLACES = 400 };

struct event {
    struct tape_record record;
    uint32_t stream;
};

static struct event event[EVENTS];
static struct {
    bool lives;
    uint64_t size, stamp;
} model[PLACES];

static uint64_t place(uint32_t i) {
    return 0x10000 + (uint64_t)i * 64;
}

/* What a program does, in true order. */
static void make_history(void) {
    memset(model, 0, sizeof model);
    for (uint32_t n = 0; n < EVENTS; n++) {
        uint32_t i = random_below(PLACES), stream = 1 + random_below(STREAMS);
        uint64_t stamp = n * 3 + 1;
        if (model[i].lives && n + 1 < EVENTS && random_below(3) == 0) {
            /* The two of a resize are the stream's next; between them others may come. */
            uint32_t to = random_below(PLACES);
            if (to != i && model[to].lives)
                to = i;
            bool fails = random_below(4) == 0;
            event[n++] = (struct event){record(TAPE_OP_REALLOC_FROM, place(i), 0, stamp), stream};
            event[n] =
                (struct event){record(TAPE_OP_realloc, fails ? 0 : place(to), n + 1, stamp + 3),
                               stream};
            if (!fails) {
                model[i].lives = false;
                model[to].lives = true;
                model[to].size = n + 1;
                model[to].stamp = stamp + 3;
            }
        } else if (model[i].lives) {
            event[n] = (struct event){record(TAPE_OP_free, place(i), 0, stamp), stream};
            model[i].lives = false;
        } else {
            event[n] = (struct event){record(TAPE_OP_malloc, place(i), n, stamp), stream};
            model[i].lives = true;
            model[i].size = n;
            model[i].stamp = stamp;
        }
    }
}

static void test_any_order(void **state) {
    (void)state;
    for (seed = 1; seed < 200 * 7919; seed += 7919) {
        uint32_t begin = seed;
        make_history();
        struct blocks t;
        struct block_source source[STREAMS + 1] = {{0}};
        uint32_t next[STREAMS + 1] = {0};
        assert_true(blocks_make(&t));
        /* A piece of one stream after a piece of another, and never all that came before. */
        for (uint32_t left = STREAMS; left > 0;) {
            uint32_t stream = 1 + random_below(STREAMS);
            if (next[stream] == EVENTS)
                continue;
            uint32_t to = next[stream] + 1 + random_below(2000);
            if (to > EVENTS)
                to = EVENTS;
            for (; next[stream] < to; next[stream]++)
                if (event[next[stream]].stream == stream)
                    blocks_take(&t, &source[stream], &event[next[stream]].record, stream);
            left -= to == EVENTS;
        }
        for (uint32_t i = 0; i < PLACES; i++) {
            if (model[i].lives)
                assert_true(lives(&t, place(i), BLOCK_OF_HEAP, model[i].size));
            else
                assert_true(is_dead(&t, place(i)));
        }
        blocks_free(&t);
        seed = begin;
    }
}

/* ---- tests -------------------------------------------------------------------------------- */

static size_t count_since(uint64_t stamp) {
    size_t n = 0;
    for (uint32_t i = 0; i < PLACES; i++)
        n += model[i].lives && model[i].stamp > stamp;
    return n;
}

static void test_counts(void **state) {
    (void)state;
    struct blocks t;
    struct block_source a = {0};
    uint64_t begun[BLOCKS_TESTS], got;
    unsigned depth = 0;
    assert_true(blocks_make(&t));
    memset(model, 0, sizeof model);
    seed = 5;
    for (uint32_t n = 1; n < 200000; n++) {
        uint32_t i = random_below(PLACES), what = random_below(40);
        uint64_t stamp = n * 2;
        if (what == 0 && depth < BLOCKS_TESTS) {
            begun[depth++] = stamp;
            blocks_begin_test(&t, stamp);
        } else if (what == 1 && depth > 0) {
            size_t live = blocks_end_test(&t, &got);
            assert_int_equal(got, begun[--depth]);
            assert_int_equal(live, count_since(got));
        } else if (model[i].lives) {
            take(&t, &a, TAPE_OP_free, place(i), 0, stamp, 1);
            model[i].lives = false;
        } else {
            take(&t, &a, TAPE_OP_malloc, place(i), n, stamp, 1);
            model[i].lives = true;
            model[i].stamp = stamp;
        }
    }
    blocks_free(&t);
}

/* Ever new addresses, freed again: the table forgets them, but for where they were. */
static void test_stays_small(void **state) {
    (void)state;
    struct blocks t;
    struct block_source a = {0};
    assert_true(blocks_make(&t));
    take(&t, &a, TAPE_OP_malloc, 0x9990000, 77, 1, 1);
    for (uint32_t n = 1; n < 1000000; n++) {
        uint64_t address = 0x100000 + (uint64_t)n * 16;
        take(&t, &a, TAPE_OP_malloc, address, 9, n * 2, 1);
        take(&t, &a, TAPE_OP_free, address, 0, n * 2 + 1, 1);
        if (n % 1000 == 0)
            t.settled = n * 2 + 1;
    }
    assert_true(t.capacity <= 16384);
    assert_false(t.incomplete);
    assert_true(lives(&t, 0x9990000, BLOCK_OF_HEAP, 77));
    const struct block *trace = blocks_find(&t, 0x100000, BLOCK_TRACE);
    assert_non_null(trace);
    assert_in_range(trace->ignored, 0x100010, 0x10ffff);
    blocks_free(&t);
}

/* ---- what is lost ------------------------------------------------------------------------- */

enum { MODULE, HEAP, POOLS, ALLOCATORS, REGIONS };
static const struct region region[REGIONS] = {
    {.is = {.start = 0x1000, .length = 0x1000, .kind = TAPE_REGION_MODULE}},
    {.is = {.start = 0x10000, .length = 0x10000, .kind = TAPE_REGION_OTHER}},
    {.is = {.start = 0x30000, .length = 0x10000, .kind = TAPE_REGION_OTHER}},
    {.is = {.start = 0x50000, .length = 0x10000, .kind = TAPE_REGION_ALLOCATOR}},
};

static struct scan_words words;

static void point(uint64_t from, uint64_t to) {
    for (uint32_t i = 0; i < REGIONS; i++)
        if (from - region[i].is.start < region[i].is.length)
            words.run[words.runs++] = (struct tape_word_run){i, 1};
    words.word[words.words++] = (struct tape_word){from, to};
}

static size_t lost_of(struct blocks *t, uint64_t begun, enum lost_trust trust, uint64_t from) {
    struct lost l;
    size_t bytes = 0;
    if (lost_collect(&l, t, begun)) {
        assert_true(lost_add_words(&l, region, &words));
        assert_true(lost_place_words(&l, t, region, REGIONS, trust, from));
        assert_true(lost_follow(&l, &bytes));
    }
    assert_false(l.failed);
    lost_free(&l);
    return bytes;
}

static struct blocks table;
static struct block_source source;

static int begin_table(void **state) {
    (void)state;
    memset(&source, 0, sizeof source);
    memset(&words, 0, sizeof words);
    return blocks_make(&table) ? 0 : -1;
}

static int end_table(void **state) {
    (void)state;
    blocks_free(&table);
    return 0;
}

static void tell(unsigned op, uint64_t address, uint64_t size, uint64_t stamp) {
    take(&table, &source, op, address, size, stamp, 1);
    table.settled = stamp;
}

static size_t lost_now(enum lost_trust trust) {
    return lost_of(&table, 100, trust, 0);
}

static void test_lost_graph(void **state) {
    (void)state;
    tell(TAPE_OP_malloc, 0x10000, 64, 50);
    tell(TAPE_OP_malloc, 0x10100, 100, 101);
    tell(TAPE_OP_malloc, 0x10200, 200, 102);
    tell(TAPE_OP_malloc, 0x10300, 300, 103);
    tell(TAPE_OP_malloc, 0x10500, 0, 104);
    assert_int_equal(lost_now(LOST_NOTHING), 600);
    point(0x10108, 0x10200); /* from one to the next, and back */
    point(0x10208, 0x10300);
    point(0x10308, 0x10108);
    assert_int_equal(lost_now(LOST_NOTHING), 600);
    point(0x10200, 0x10164); /* behind the end */
    assert_int_equal(lost_now(LOST_NOTHING), 600);
    point(0x1008, 0x10263); /* a root, into the middle */
    assert_int_equal(lost_now(LOST_NOTHING), 0);
    words.words = words.runs = 0;
    point(0x10038, 0x10300); /* a block that is older */
    assert_int_equal(lost_now(LOST_NOTHING), 300);
    tell(TAPE_OP_IGNORE, 0x10100, 0, 105);
    assert_int_equal(lost_now(LOST_NOTHING), 200);
}

static void test_lost_trust(void **state) {
    (void)state;
    tell(TAPE_OP_malloc, 0x10000, 64, 50);
    tell(TAPE_OP_free, 0x10000, 0, 60);
    tell(TAPE_OP_malloc, 0x10100, 100, 101);
    point(0x10008, 0x10100); /* a block that was freed */
    assert_int_equal(lost_now(LOST_NOTHING), 100);
    assert_int_equal(lost_now(LOST_UNKNOWN), 100);
    assert_int_equal(lost_now(LOST_EVERYTHING), 0);
    assert_int_equal(lost_of(&table, 100, LOST_UNKNOWN, 61), 0);
    words.words = words.runs = 0;
    point(0x18000, 0x10100); /* beside the blocks */
    assert_int_equal(lost_now(LOST_NOTHING), 100);
    assert_int_equal(lost_now(LOST_UNKNOWN), 0);
    words.words = words.runs = 0;
    point(0x50008, 0x10100); /* the allocator's own */
    assert_int_equal(lost_now(LOST_NOTHING), 100);
    words.words = words.runs = 0;
    point(0x38000, 0x10100); /* where no block ever was */
    assert_int_equal(lost_now(LOST_NOTHING), 0);
    tell(TAPE_OP_malloc, 0x30000, 8, 51);
    assert_int_equal(lost_now(LOST_NOTHING), 100);
}

/* What happens behind the look: what was freed may have pointed there, and is not lost itself. */
static void test_lost_meanwhile(void **state) {
    (void)state;
    struct lost l;
    size_t bytes;
    tell(TAPE_OP_malloc, 0x10000, 64, 50);
    tell(TAPE_OP_malloc, 0x10100, 100, 101);
    tell(TAPE_OP_malloc, 0x10200, 200, 102);
    tell(TAPE_OP_malloc, 0x10300, 300, 103);
    point(0x10008, 0x10100);
    assert_true(lost_collect(&l, &table, 100));
    assert_true(lost_add_words(&l, region, &words));
    tell(TAPE_OP_free, 0x10000, 0, 104);
    tell(TAPE_OP_free, 0x10200, 0, 105);
    tell(TAPE_OP_malloc, 0x10200, 200, 106);
    assert_true(lost_place_words(&l, &table, region, REGIONS, LOST_NOTHING, 0));
    assert_true(lost_follow(&l, &bytes));
    assert_int_equal(bytes, 300);
    lost_free(&l);
}

static void test_lost_pools(void **state) {
    (void)state;
    tell(TAPE_OP_malloc, 0x10000, 4096, 101);
    tell(TAPE_OP_POOL_ALLOC, 0x10000, 32, 102);
    tell(TAPE_OP_POOL_ALLOC, 0x10040, 64, 103);
    assert_int_equal(lost_now(LOST_NOTHING), 96);
    point(0x1008, 0x10000); /* the first block of the pool, not the memory of it */
    assert_int_equal(lost_now(LOST_NOTHING), 64);
    point(0x10800, 0x10050); /* the pool's own list */
    assert_int_equal(lost_now(LOST_NOTHING), 64);
    tell(TAPE_OP_malloc, 0x12000, 500, 104);
    point(0x10808, 0x12000); /* but it may have other memory */
    assert_int_equal(lost_now(LOST_NOTHING), 64);
    tell(TAPE_OP_POOL_FREE, 0x10000, 0, 105);
    tell(TAPE_OP_POOL_FREE, 0x10040, 0, 106);
    words.words = words.runs = 0;
    assert_int_equal(lost_now(LOST_NOTHING), 4596); /* a block like others again */
    tell(TAPE_OP_POOL_ALLOC, 0x10040, 64, 107);
    tell(TAPE_OP_free, 0x10000, 0, 108);
    assert_int_equal(lost_now(LOST_NOTHING), 500);
    assert_int_equal(table.pools, 0);
    tell(TAPE_OP_POOL_ALLOC, 0x30000, 64, 109); /* in memory that malloc knows nothing of */
    tell(TAPE_OP_POOL_ALLOC, 0x30100, 80, 110);
    point(0x30800, 0x30000);
    point(0x30808, 0x12000);
    assert_int_equal(lost_now(LOST_NOTHING), 144);
}

static void test_lost_many(void **state) {
    (void)state;
    enum { MANY = 50000 };
    /* A list, its words in a random order; its head is in a root. */
    for (uint32_t i = 0; i < MANY; i++)
        tell(TAPE_OP_malloc, 0x10000 + (uint64_t)i * 32, 24, 101 + i);
    struct lost l;
    size_t bytes;
    struct region whole = {
        .is = {.start = 0x10000, .length = MANY * 32, .kind = TAPE_REGION_OTHER}};
    assert_true(lost_collect(&l, &table, 100));
    assert_int_equal(l.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t at = (uint32_t)((uint64_t)i * 7919 % MANY);
        words.runs = words.words = 1;
        words.run[0] = (struct tape_word_run){0, 1};
        words.word[0] =
            (struct tape_word){0x10000 + (uint64_t)at * 32 + 8, 0x10000 + (uint64_t)(at + 1) * 32};
        assert_true(lost_add_words(&l, &whole, &words));
    }
    struct region root = {.is = {.start = 0x1000, .length = 8, .kind = TAPE_REGION_STACK}};
    words.word[0] = (struct tape_word){0x1000, 0x10000 + 1000 * 32};
    assert_true(lost_add_words(&l, &root, &words));
    assert_true(lost_place_words(&l, &table, &whole, 1, LOST_NOTHING, 0));
    assert_true(lost_follow(&l, &bytes));
    assert_int_equal(bytes, 1000 * 24);
    lost_free(&l);
}

int main(void) {
#define LOST(test) cmocka_unit_test_setup_teardown(test, begin_table, end_table)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),    cmocka_unit_test(test_resizes),
        cmocka_unit_test(test_ignored), cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_stays_small),
        LOST(test_lost_graph),          LOST(test_lost_trust),
        LOST(test_lost_meanwhile),      LOST(test_lost_pools),
        LOST(test_lost_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
