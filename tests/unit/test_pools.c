/* SPDX-License-Identifier: MIT */
/* Blocks of the program's own allocators in replay, and heaptape_ignore(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "scratch_directory.h"
#include "tape_writer.h"

#define HEAP UINT64_C(0x100000)

/* ---- the map -------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b) {
    uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

/* Beside a plain list: what is found in a range is what is there. */
static void test_map(void **state) {
    (void)state;
    enum { PLACES = 4000, STEPS = 40000 };
    static bool there[PLACES]; /* at HEAP + 10 × i */
    struct pools p = {0};
    uint64_t random = 1;
    assert_false(pools_any(&p, 0, UINT64_MAX));
    assert_null(pools_find(&p, HEAP));
    assert_null(pools_take(&p, HEAP));
    for (unsigned step = 0; step < STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned i = (unsigned)(random >> 33) % PLACES, length = (unsigned)(random >> 20) % 9000;
        uint64_t start = HEAP + (random >> 40) % (10 * PLACES);
        bool is_new;
        size_t count = 0;
        if (there[i]) {
            assert_int_equal(pools_take(&p, HEAP + 10 * i)->address, HEAP + 10 * i);
        } else {
            pools_add(&p, HEAP + 10 * i, &is_new);
            assert_true(is_new);
        }
        there[i] = !there[i];
        for (unsigned k = 0; k < PLACES; k++)
            count += there[k] && HEAP + 10 * k >= start && HEAP + 10 * k < start + length;
        uint64_t *found, before = 0;
        assert_int_equal(pools_any(&p, start, start + length), count != 0);
        assert_int_equal(pools_within(&p, start, start + length, &found), count);
        if (count != 0)
            qsort(found, count, sizeof *found, by_address);
        for (size_t k = 0; k < count; before = found[k++]) {
            assert_true(found[k] > before && found[k] >= start && found[k] < start + length);
            assert_true(there[(found[k] - HEAP) / 10]);
        }
        free(found);
    }
    uint64_t *all; /* the whole memory: by another way */
    size_t count = pools_within(&p, 0, UINT64_MAX, &all), left = 0;
    for (unsigned k = 0; k < PLACES; k++)
        left += there[k];
    assert_int_equal(count, left);
    for (size_t k = 0; k < count; k++)
        assert_non_null(pools_take(&p, all[k]));
    assert_int_equal(p.live.count, 0);
    assert_int_equal(p.page.count, 0);
    free(all);
    pools_free(&p);
}

static void test_filled(void **state) {
    (void)state;
    struct pools p = {0};
    bool is_new;
    pools_add(&p, HEAP + 64, &is_new)->size = 16;
    struct block b = {.address = HEAP, .size = 64, .op = TAPE_OP_malloc};
    assert_false(pools_fill(&p, &b));
    b.size = 65;
    assert_true(pools_fill(&p, &b));
    b.address = HEAP + 64;
    assert_true(pools_fill(&p, &b)); /* it begins with the block around it */
    b.op = TAPE_OP_POOL_ALLOC;
    assert_false(pools_fill(&p, &b)); /* itself */
    b.address = HEAP + 65;
    assert_false(pools_fill(&p, &b));
    b = (struct block){.address = HEAP, .size = UINT64_MAX, .op = TAPE_OP_malloc};
    assert_true(pools_fill(&p, &b));
    assert_false(pools_any(&p, HEAP + 65, UINT64_MAX)); /* without looking at every page */
    pools_free(&p);
}

/* ---- replay --------------------------------------------------------------------------------- */

struct scene {
    struct writer *w;
    uint64_t now;
    struct tape_file *tape;
    struct replay *replay;
    char seen[1024];
};

static struct scene scene(void) {
    struct scene s = {.w = writer_new(), .now = 10};
    writer_thread(s.w, 1, 1, 11, "main");
    return s;
}

static void allocate(struct scene *s, unsigned op, uint64_t address, uint64_t size) {
    const uint64_t stack[2] = {0x400010, 0x400100 + size};
    writer_alloc(s->w, 1, s->now++, op, address, size, 0, stack, 2);
}

static void release(struct scene *s, unsigned op, uint64_t address) {
    writer_release(s->w, 1, s->now++, op, address);
}

static void ignore(struct scene *s, uint64_t address) {
    writer_blob(s->w, 1, s->now++, TAPE_OP_IGNORE, address, "", 0);
}

static void say(struct scene *s, const char *what, const struct block *b) {
    size_t used = strlen(s->seen);
    snprintf(s->seen + used, sizeof s->seen - used, "%s%d%s%s ", what, (int)b->size,
             b->ignored ? "i" : "", b->filled ? "f" : "");
}

static void see_alloc(void *context, const struct block *b) {
    say(context, "+", b);
}

static void see_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                     bool realloc) {
    (void)now;
    (void)thread;
    (void)realloc;
    say(context, "-", b);
}

static void see_pool_alloc(void *context, const struct block *b) {
    say(context, "p+", b);
}

static void see_pool_free(void *context, const struct block *b, uint64_t now) {
    (void)now;
    say(context, "p-", b);
}

static void see_live(void *context, const struct block *b) {
    say(context, "live ", b);
}

static void see_pool_live(void *context, const struct block *b) {
    say(context, "plive ", b);
}

static const struct replay_counts *run_with(struct scene *s, const struct inherited *inherited) {
    writer_chunk(s->w, 1, false);
    writer_close(s->w, s->now, s->now, "exit");
    writer_save(s->w, "pools.tape");
    writer_free(s->w);
    s->tape = tape_file_open("pools.tape");
    assert_non_null(s->tape);
    s->replay = replay_new(s->tape);
    replay_observe(s->replay, &(struct observer){.context = s,
                                                 .on_alloc = see_alloc,
                                                 .on_free = see_free,
                                                 .on_live = see_live,
                                                 .on_pool_alloc = see_pool_alloc,
                                                 .on_pool_free = see_pool_free,
                                                 .on_pool_live = see_pool_live});
    if (inherited != NULL)
        replay_inherit(s->replay, inherited);
    replay_run(s->replay, UINT64_MAX);
    return replay_counts(s->replay);
}

static const struct replay_counts *run(struct scene *s) {
    return run_with(s, NULL);
}

static void finish(struct scene *s) {
    replay_free(s->replay);
    tape_file_close(s->tape);
}

static void test_apart_from_the_heap(void **state) {
    (void)state;
    struct scene s = scene();
    allocate(&s, TAPE_OP_malloc, HEAP, 1000);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP, 10); /* the same address */
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 16, 20);
    allocate(&s, TAPE_OP_POOL_ALLOC, 0, 99); /* none */
    release(&s, TAPE_OP_POOL_FREE, HEAP);
    release(&s, TAPE_OP_POOL_FREE, HEAP);            /* twice */
    release(&s, TAPE_OP_POOL_FREE, HEAP + 32);       /* never was one */
    release(&s, TAPE_OP_free, HEAP + 16);            /* a pool's block, but not malloc's */
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 16, 30); /* again, without a free */
    const struct replay_counts *c = run(&s);
    assert_string_equal(s.seen, "+1000 p+10 p+20 p-10 p-20 p+30 live 1000f plive 30 ");
    assert_int_equal(c->allocations, 1);
    assert_int_equal(c->allocated_bytes, 1000);
    assert_int_equal(c->live_bytes, 1000);
    assert_int_equal(c->peak_bytes, 1000);
    assert_int_equal(c->frees, 0);
    assert_int_equal(c->failed, 0);
    assert_int_equal(c->unmatched_frees, 1);
    assert_int_equal(c->pools.allocations, 3);
    assert_int_equal(c->pools.allocated_bytes, 60);
    assert_int_equal(c->pools.frees, 1);
    assert_int_equal(c->pools.unmatched, 2);
    assert_int_equal(c->pools.dropped, 1);
    assert_int_equal(c->pools.live_bytes, 30);
    assert_int_equal(c->pools.live_blocks, 1);
    assert_int_equal(c->pools.peak_bytes, 30);
    assert_int_equal(c->pools.peak_blocks, 2);
    assert_int_equal(replay_thread(s.replay, 0)->allocations, 1);
    finish(&s);
}

static void test_end_with_their_memory(void **state) {
    (void)state;
    struct scene s = scene();
    allocate(&s, TAPE_OP_malloc, HEAP, 1 << 20);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 0x8000, 10);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + (1 << 20), 20); /* behind it */
    release(&s, TAPE_OP_free, HEAP);
    release(&s, TAPE_OP_POOL_FREE, HEAP + 0x8000);
    allocate(&s, TAPE_OP_malloc, HEAP + (1 << 20) - 8, 16); /* a new block lies over the other */
    const struct replay_counts *c = run(&s);
    assert_string_equal(s.seen, "+1048576 p+10 p+20 -1048576 p-10 p-20 +16 live 16 ");
    assert_int_equal(c->pools.dropped, 2);
    assert_int_equal(c->pools.unmatched, 1);
    assert_int_equal(c->pools.live_blocks, 0);
    finish(&s);
}

static void test_resized_memory(void **state) {
    (void)state;
    struct scene s = scene();
    allocate(&s, TAPE_OP_malloc, HEAP, 100);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP, 10);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 64, 20);
    release(&s, TAPE_OP_REALLOC_FROM, HEAP);
    allocate(&s, TAPE_OP_realloc, HEAP, 200); /* grows in place: both stay */
    release(&s, TAPE_OP_REALLOC_FROM, HEAP);
    allocate(&s, TAPE_OP_realloc, HEAP, 64); /* shrinks: the second is cut off */
    release(&s, TAPE_OP_REALLOC_FROM, HEAP);
    allocate(&s, TAPE_OP_realloc, 0, 1 << 20); /* fails: all is as before */
    release(&s, TAPE_OP_REALLOC_FROM, HEAP);
    allocate(&s, TAPE_OP_realloc, HEAP + 0x1000, 300); /* moves: the first is gone, too */
    run(&s);
    assert_string_equal(s.seen, "+100 p+10 p+20 -100 +200 p-20 -200 +64 p-10 -64 +300 live 300 ");
    finish(&s);
}

static void test_ignore(void **state) {
    (void)state;
    struct scene s = scene();
    ignore(&s, HEAP); /* nothing is there yet */
    allocate(&s, TAPE_OP_malloc, HEAP, 1);
    ignore(&s, HEAP + 1); /* not where it begins */
    allocate(&s, TAPE_OP_malloc, HEAP + 0x100, 2);
    ignore(&s, HEAP + 0x100);
    allocate(&s, TAPE_OP_malloc, HEAP + 0x200, 3);
    ignore(&s, HEAP + 0x200);
    release(&s, TAPE_OP_REALLOC_FROM, HEAP + 0x200);
    allocate(&s, TAPE_OP_realloc, HEAP + 0x200, 4); /* another block */
    allocate(&s, TAPE_OP_malloc, HEAP + 0x300, 5);
    ignore(&s, HEAP + 0x300);
    release(&s, TAPE_OP_REALLOC_FROM, HEAP + 0x300);
    allocate(&s, TAPE_OP_realloc, 0, 1 << 20); /* the same one as before */
    allocate(&s, TAPE_OP_malloc, HEAP + 0x400, 600);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 0x400, 7);
    ignore(&s, HEAP + 0x400); /* the pool's */
    allocate(&s, TAPE_OP_malloc, HEAP + 0x800, 8);
    ignore(&s, HEAP + 0x800);
    release(&s, TAPE_OP_free, HEAP + 0x800);
    allocate(&s, TAPE_OP_malloc, HEAP + 0x800, 9);
    run(&s);
    static const char *const lives[] = {"live 1 ", "live 2i ",   "live 4 ",  "live 5i ",
                                        "live 9 ", "live 600f ", "plive 7i "};
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++)
        if (strstr(s.seen, lives[i]) == NULL)
            fail_msg("no '%s' in '%s'", lives[i], s.seen);
    finish(&s);
}

/* A child frees, keeps and ignores what it has from its parent; none of that is its own. */
static void test_inherited(void **state) {
    (void)state;
    struct scene s = scene();
    struct inherited *from = calloc(1, sizeof *from + 4 * sizeof *from->block);
    assert_non_null(from);
    from->block[from->count++] = (struct inherited_block){.address = HEAP, .size = 4096};
    from->block[from->count++] =
        (struct inherited_block){.address = HEAP, .size = 10, .pool = true};
    from->block[from->count++] =
        (struct inherited_block){.address = HEAP + 16, .size = 20, .pool = true, .ignored = true};
    from->block[from->count++] = (struct inherited_block){.address = HEAP + 0x2000, .size = 30};
    release(&s, TAPE_OP_POOL_FREE, HEAP);
    ignore(&s, HEAP + 0x2000);
    allocate(&s, TAPE_OP_POOL_ALLOC, HEAP + 48, 40);
    const struct replay_counts *c = run_with(&s, from);
    free(from);
    assert_string_equal(s.seen, "p+40 plive 40 ");
    assert_int_equal(c->pools.frees, 0);
    assert_int_equal(c->pools.unmatched, 0);
    assert_int_equal(c->pools.live_bytes, 40);
    assert_int_equal(c->inherited_blocks, 2);
    struct inherited *now = replay_snapshot(s.replay);
    assert_int_equal(now->count, 4);
    for (size_t i = 0; i < now->count; i++) {
        const struct inherited_block *b = &now->block[i];
        assert_int_equal(b->pool, b->size == 20 || b->size == 40);
        assert_int_equal(b->ignored, b->size == 20 || b->size == 30);
        assert_int_equal(b->filled, b->size == 4096);
    }
    inherited_free(now);
    finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_filled),
        cmocka_unit_test(test_apart_from_the_heap),
        cmocka_unit_test(test_end_with_their_memory),
        cmocka_unit_test(test_resized_memory),
        cmocka_unit_test(test_ignore),
        cmocka_unit_test(test_inherited),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
