/* SPDX-License-Identifier: MIT */
/* Stacks, frames and modules by number; the map of live blocks; ticks as time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "diag.h"
#include "live.h"
#include "stacks.h"

static uint64_t seed = UINT64_C(0x9876543210fedcb);

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static void equal_stacks_are_one(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    uint32_t a = stacks_intern_frame(s, 0x1000, 0), b = stacks_intern_frame(s, 0x2000, 0);
    assert_int_not_equal(a, b);
    assert_int_equal(stacks_intern_frame(s, 0x1000, 0), a);
    uint32_t outer = stacks_push(s, 0, a), inner = stacks_push(s, outer, b);
    uint32_t other = stacks_push(s, 0, b);
    assert_int_equal(stacks_push(s, outer, b), inner);
    assert_int_equal(stacks_push(s, 0, a), outer);
    assert_int_not_equal(inner, other);
    assert_int_equal(stacks_caller(s, inner), outer);
    assert_int_equal(stacks_caller(s, outer), 0);
    assert_int_equal(stacks_innermost(s, inner), b);
    assert_int_equal(stacks_depth(s, 0), 0);
    assert_int_equal(stacks_depth(s, inner), 2);
    assert_int_equal(stacks_count(s), 4);
    assert_int_equal(stacks_frame_count(s), 2);
    stacks_free(s);
}

/* Many stacks, built in random order, and each of them twice: numbers must agree. */
static void many_stacks(void **state) {
    (void)state;
    enum { STACKS = 30000, DEPTH = 12, FRAMES = 5 };
    struct stacks *s = stacks_new();
    uint32_t frame[FRAMES], *top = xmalloc(STACKS * sizeof *top);
    uint8_t(*path)[DEPTH] = xmalloc(STACKS * sizeof *path);
    for (uint64_t i = 0; i < FRAMES; i++)
        frame[i] = stacks_intern_frame(s, 0x1000 * (i + 1), i);
    for (int i = 0; i < STACKS; i++) {
        top[i] = 0;
        for (int d = 0; d < DEPTH; d++)
            top[i] = stacks_push(s, top[i], frame[path[i][d] = (uint8_t)below(FRAMES)]);
    }
    uint32_t count = stacks_count(s);
    for (int i = 0; i < STACKS; i++) {
        uint32_t again = 0, up = top[i];
        for (int d = 0; d < DEPTH; d++)
            again = stacks_push(s, again, frame[path[i][d]]);
        assert_int_equal(again, top[i]);
        assert_int_equal(stacks_depth(s, top[i]), DEPTH);
        for (int d = DEPTH; d-- > 0; up = stacks_caller(s, up))
            assert_int_equal(stacks_innermost(s, up), frame[path[i][d]]);
        assert_int_equal(up, 0);
    }
    assert_int_equal(stacks_count(s), count);
    free(path);
    free(top);
    stacks_free(s);
}

static void deep_stacks(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    uint32_t frame = stacks_intern_frame(s, 0x1234, 0), top = 0;
    for (int i = 0; i < 1000000; i++)
        top = stacks_push(s, top, frame);
    assert_int_equal(stacks_depth(s, top), 1000000);
    stacks_free(s);
}

/* ---- modules ------------------------------------------------------------------------------ */

static void add(struct stacks *s, uint64_t start, uint64_t end, uint64_t generation,
                const char *path) {
    char text[64];
    strcpy(text, path);
    struct module m = {.start = start, .end = end, .generation = generation, .path = text};
    m.gone = UINT64_MAX;
    stacks_add_module(s, &m);
}

static const char *path_of(struct stacks *s, uint64_t address, uint64_t generation) {
    uint32_t module = stacks_frame(s, stacks_intern_frame(s, address, generation))->module;
    return module != UINT32_MAX ? stacks_module(s, module)->path : "none";
}

static void modules_hold_addresses(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    add(s, 0x2000, 0x3000, 0, "b");
    add(s, 0x1000, 0x2000, 0, "a");
    add(s, 0x2000, 0x3000, 0, "b"); /* announced by another thread */
    assert_int_equal(stacks_module_count(s), 2);
    /* What is looked up is the return address minus one: it lies inside the call. */
    assert_string_equal(path_of(s, 0x1000, 0), "none");
    assert_string_equal(path_of(s, 0x1001, 0), "a");
    assert_string_equal(path_of(s, 0x2000, 0), "a");
    assert_string_equal(path_of(s, 0x2001, 0), "b");
    assert_string_equal(path_of(s, 0x3001, 0), "none");
    stacks_free(s);
}

static void modules_change(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    add(s, 0x1000, 0x2000, 0, "old");
    add(s, 0x8000, 0x9000, 0, "stays");
    uint32_t before = stacks_intern_frame(s, 0x1800, 0), stays = stacks_intern_frame(s, 0x8800, 0);
    stacks_unload_module(s, 0x1000, 1);
    stacks_unload_module(s, 0x1000, 1); /* by another thread */
    add(s, 0x1000, 0x1c00, 1, "new");
    add(s, 0x8000, 0x9000, 1, "stays"); /* announced again in the new generation */
    assert_int_equal(stacks_module_count(s), 3);
    assert_int_not_equal(stacks_intern_frame(s, 0x1800, 1), before);
    assert_int_equal(stacks_intern_frame(s, 0x8800, 1), stays);
    assert_string_equal(path_of(s, 0x1800, 0), "old");
    assert_string_equal(path_of(s, 0x1800, 1), "new");
    assert_string_equal(path_of(s, 0x1800, 7), "new");
    /* Where nothing fits the generation, whatever held the address is better than nothing. */
    assert_string_equal(path_of(s, 0x1e00, 1), "old");
    /* The same file loaded again at the same place is another module. */
    stacks_unload_module(s, 0x1000, 2);
    add(s, 0x1000, 0x2000, 2, "old");
    assert_int_equal(stacks_module_count(s), 4);
    assert_string_equal(path_of(s, 0x1e00, 3), "old");
    stacks_free(s);
}

static void announcements_in_any_order(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    stacks_unload_module(s, 0x1000, 5); /* heard of before the module itself */
    add(s, 0x1000, 0x2000, 5, "second");
    add(s, 0x1000, 0x2000, 3, "first"); /* a thread that is late */
    add(s, 0x1000, 0x2000, 1, "first");
    assert_int_equal(stacks_module_count(s), 2);
    assert_string_equal(path_of(s, 0x1800, 2), "first");
    assert_string_equal(path_of(s, 0x1800, 4), "first");
    assert_string_equal(path_of(s, 0x1800, 5), "second");
    for (uint32_t i = 0; i < 2; i++) {
        const struct module *m = stacks_module(s, i);
        assert_true(m->gone == (strcmp(m->path, "first") == 0 ? 5 : UINT64_MAX));
    }
    stacks_free(s);
}

/* A program that loads and unloads a plug-in over and over. */
static void many_generations(void **state) {
    (void)state;
    struct stacks *s = stacks_new();
    add(s, 0x100000, 0x200000, 0, "program");
    for (uint64_t g = 0; g < 2000; g++) {
        add(s, 0x100000, 0x200000, g, "program");
        add(s, 0x400000, 0x500000, g, "plugin");
        assert_string_equal(path_of(s, 0x480000, g), "plugin");
        assert_string_equal(path_of(s, 0x180000, g), "program");
        stacks_unload_module(s, 0x400000, g + 1);
    }
    assert_int_equal(stacks_module_count(s), 2001);
    assert_int_equal(stacks_frame_count(s), 2001); /* the program's frame is one */
    stacks_free(s);
}

/* ---- live blocks -------------------------------------------------------------------------- */

static void live_map(void **state) {
    (void)state;
    enum { ADDRESSES = 20000, STEPS = 600000 };
    bool *alive = xcalloc(ADDRESSES, sizeof *alive);
    struct live l;
    live_init(&l);
    size_t count = 0;
    for (uint64_t i = 0; i < STEPS; i++) {
        /* Clusters of neighbours, and a phase in which most of them go. */
        uint64_t k = below(ADDRESSES), address = 0x7f0000000010 + k * (k % 3 == 0 ? 16 : 4096);
        if (k % 3 != 0)
            address += UINT64_C(1) << 40;
        const struct block *b = live_find(&l, address);
        assert_true((b != NULL) == alive[k]);
        if (i % 8 == 0)
            live_prefetch_block(&l, address);
        bool is_new, grow = (i / 100000) % 2 == 0 ? below(4) != 0 : below(4) == 0;
        if (b != NULL) {
            assert_true(b->address == address && b->size == k && b->stack == (uint32_t)k);
            assert_ptr_equal(live_add(&l, address, &is_new), b);
            assert_false(is_new);
            if (!grow) {
                assert_ptr_equal(live_take(&l, address), b);
                assert_true(b->address == address && b->size == k && b->stack == (uint32_t)k);
                assert_null(live_take(&l, address));
                alive[k] = false;
                count--;
            }
        } else if (grow) {
            *live_add(&l, address, &is_new) =
                (struct block){.address = address, .size = k, .stack = (uint32_t)k};
            assert_true(is_new);
            alive[k] = true;
            count++;
        } else {
            assert_null(live_take(&l, address));
        }
        assert_true(l.count == count);
    }
    size_t found = 0;
    for (size_t i = 0; i <= l.mask; i++)
        found += live_at(&l, i) != NULL;
    assert_true(found == count);
    /* Places are used again: there were never more than addresses. */
    assert_true(l.used <= ADDRESSES);
    live_free(&l);
    free(alive);
}

/* ---- time --------------------------------------------------------------------------------- */

static void ticks(void **state) {
    (void)state;
    const struct clock_pair none = {0, 0};
    struct clock c;
    clock_init(&c, true, 1000, 123, none, none);
    assert_int_equal(c.source, CLOCK_SOURCE_NS);
    assert_true(clock_ns(&c, 999) == 0 && clock_ns(&c, 5000) == 4000);

    /* 2.5 GHz, an hour: the error stays below a microsecond. */
    struct clock_pair first = {1000, 77}, last = {1000 + UINT64_C(9000000000000), 77};
    last.mono += UINT64_C(3600000000000);
    clock_init(&c, false, 1000, 0, first, last);
    assert_int_equal(c.source, CLOCK_SOURCE_MEASURED);
    uint64_t hour = clock_ns(&c, last.stamp);
    assert_true(hour > UINT64_C(3599999999000) && hour <= UINT64_C(3600000000000));

    /* Two instants too close together say less than the recorder's estimate, if there is one. */
    struct clock_pair near = {1000 + 3000, 77 + 1000};
    clock_init(&c, false, 1000, 1000000000, first, near);
    assert_int_equal(c.source, CLOCK_SOURCE_ESTIMATED);
    assert_true(clock_ns(&c, 4000) == 3000 || clock_ns(&c, 4000) == 2999);
    clock_init(&c, false, 1000, 0, first, near);
    assert_int_equal(c.source, CLOCK_SOURCE_MEASURED);
    assert_true(clock_ns(&c, 4000) == 1000 || clock_ns(&c, 4000) == 999);

    clock_init(&c, false, 1000, 0, first, none);
    assert_int_equal(c.source, CLOCK_SOURCE_UNCALIBRATED);
    assert_true(clock_ns(&c, 4000) == 3000);

    /* Slow clocks, and stamps that only damage can bring about. */
    clock_init(&c, false, 0, 1, none, none);
    assert_true(clock_ns(&c, 5) == UINT64_C(5000000000));
    assert_true(clock_ns(&c, UINT64_MAX) == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_are_one),
        cmocka_unit_test(many_stacks),
        cmocka_unit_test(deep_stacks),
        cmocka_unit_test(modules_hold_addresses),
        cmocka_unit_test(modules_change),
        cmocka_unit_test(announcements_in_any_order),
        cmocka_unit_test(many_generations),
        cmocka_unit_test(live_map),
        cmocka_unit_test(ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
