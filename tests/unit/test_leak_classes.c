/* SPDX-License-Identifier: MIT */
/* Classes of leaks: every way in which a block can be pointed to, or not, as memcheck has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "diag.h"
#include "inheritance.h"
#include "leak_classes.h"
#include "leak_heuristics.h"
#include "leak_paths.h"
#include "leak_scene.h"

/* ---- tests -------------------------------------------------------------------------------- */

static void test_roots(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 6; k++)
        block(&s, k, 16);
    image(&s, 1, NULL);
    global(&s, at(0));
    writer_image_word(s.w, IN_STACK, STACK + 64, at(1));
    writer_image_word(s.w, IN_REGISTERS, 24, at(2));
    writer_image_word(s.w, IN_ARENA, ARENA + 8, at(3));
    writer_image_word(s.w, IN_PRIVATE, PRIVATE, at(4));
    judge(&s);
    expect_kinds(&s, "rrrdrd");
    finish(&s);
}

static void test_region_where_blocks_lay(void **state) {
    (void)state;
    struct scene s = scene();
    block(&s, 0, 16);
    alloc_in(&s, 1, PRIVATE + 0x800, 16);
    writer_release(s.w, 1, s.now++, TAPE_OP_free, PRIVATE + 0x800);
    image(&s, 1, NULL);
    writer_image_word(s.w, IN_PRIVATE, PRIVATE, at(0));
    judge(&s);
    expect_kinds(&s, "d");
    finish(&s);
    /* A block that reaches into it. */
    s = scene();
    block(&s, 0, 16);
    alloc_in(&s, 1, PRIVATE - 16, 32);
    image(&s, 1, NULL);
    writer_image_word(s.w, IN_PRIVATE, PRIVATE + 64, at(0));
    judge(&s);
    expect_kinds(&s, "d");
    finish(&s);
}

static void test_places_in_a_block(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 8; k++)
        block(&s, k, k == 6 || k == 7 ? 0 : 20);
    image(&s, 1, NULL);
    global(&s, at(0));
    global(&s, at(1) + 1);
    global(&s, at(2) + 19);
    global(&s, at(3) + 20); /* one past the end */
    global(&s, at(4) - 1);
    global(&s, at(5) + 7);
    global(&s, at(5)); /* both: the better counts */
    global(&s, at(6)); /* no bytes, but a place */
    global(&s, at(7) + 1);
    judge(&s);
    expect_kinds(&s, "rppddrrd");
    finish(&s);
}

static void test_chains(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 8; k++)
        block(&s, k, 24);
    image(&s, 1, NULL);
    global(&s, at(3));
    global(&s, at(4) + 8);
    word(&s, 0, 0, at(1) + 8); /* from a reachable block into another: possible, and what follows */
    word(&s, 1, 0, at(2));
    word(&s, 3, 16, at(0));
    word(&s, 4, 0, at(5));
    word(&s, 5, 8, at(6));
    word(&s, 6, 0, at(7));
    word(&s, 7, 0, at(3));
    judge(&s);
    expect_kinds(&s, "rpprpppp");
    finish(&s);
}

static void test_the_end_of_a_block_is_no_word(void **state) {
    (void)state;
    struct scene s = scene();
    block(&s, 0, 12);
    block(&s, 1, 16);
    block(&s, 2, 16);
    image(&s, 1, NULL);
    global(&s, at(0));
    word(&s, 0, 0, at(1));
    word(&s, 0, 8, at(2)); /* four of its bytes are the block's */
    judge(&s);
    expect_kinds(&s, "rrd");
    finish(&s);
}

static void test_both_ways(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 4; k++)
        block(&s, k, 32);
    image(&s, 1, NULL);
    global(&s, at(1) + 16); /* first possible, and with it 2 */
    global(&s, at(0));
    word(&s, 0, 8, at(1)); /* then reachable, and with it 2 */
    word(&s, 1, 0, at(2));
    word(&s, 2, 0, at(3) + 4);
    judge(&s);
    expect_kinds(&s, "rrrp");
    finish(&s);
}

static void test_circles(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 6; k++)
        block(&s, k, 10 + k);
    image(&s, 1, NULL);
    word(&s, 0, 0, at(0));
    word(&s, 1, 0, at(2));
    word(&s, 2, 0, at(1));
    word(&s, 3, 0, at(5));
    word(&s, 4, 0, at(3));
    word(&s, 5, 0, at(4));
    judge(&s);
    expect_kinds(&s, "ddidii");
    expect_indirect(&s, 0, 0, 0);
    expect_indirect(&s, 1, 12, 1);
    expect_indirect(&s, 3, 29, 2);
    finish(&s);
}

static void test_trees(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 8; k++)
        block(&s, k, 100 + k);
    image(&s, 1, NULL);
    word(&s, 1, 0, at(0)); /* 0 was definite by itself, then it hangs on 1, and that on 5 */
    word(&s, 1, 8, at(2) + 50);
    word(&s, 3, 0, at(2)); /* 2 hangs on 1 already */
    word(&s, 5, 0, at(1));
    word(&s, 5, 8, at(4));
    word(&s, 5, 16, at(4));
    judge(&s);
    expect_kinds(&s, "iiididdd");
    expect_indirect(&s, 5, 100 + 101 + 102 + 104, 4);
    expect_indirect(&s, 3, 0, 0);
    expect_indirect(&s, 1, 0, 0);
    finish(&s);
}

static void test_freed_memory(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 4; k++)
        block(&s, k, 32);
    release(&s, 1);
    image(&s, 1, NULL);
    global(&s, at(1)); /* to a freed block */
    word(&s, 1, 0, at(0));
    word(&s, 1, 8, at(2));
    judge(&s);
    expect_kinds(&s, "d-dd");
    finish(&s);
}

static void test_the_cut(void **state) {
    (void)state;
    struct scene s = scene();
    writer_thread(s.w, 2, 2, 12, "worker");
    block(&s, 0, 16);
    alloc_in(&s, 2, at(1), 16);
    block(&s, 2, 16);
    writer_release(s.w, 2, s.now++, TAPE_OP_REALLOC_FROM, at(2)); /* its result comes later */
    block(&s, 3, 16);
    writer_release(s.w, 1, s.now++, TAPE_OP_REALLOC_FROM,
                   at(3)); /* and its address is given away */
    alloc_in(&s, 2, at(3), 48);
    image(&s, 1, NULL);
    global(&s, at(1));
    word(&s, 3, 40, at(2));
    writer_image_end(s.w, 1, NULL);
    /* Behind the image, though in the same chunks. */
    block(&s, 4, 16);
    release(&s, 0);
    writer_release(s.w, 2, s.now++, TAPE_OP_free, at(1));
    writer_thread(s.w, 3, s.now++, 13, "late");
    alloc_in(&s, 3, at(5), 16);
    writer_chunk(s.w, 3, false);
    judge_with(&s, &at_exit, 0, NULL);
    expect_kinds(&s, "drrd--"); /* what is being resized is not lost */
    assert_int_equal(s.survey->count, 4);
    assert_int_equal(find(&s, at(3))->block.size, 48);
    assert_int_equal(s.survey->block[1].block.address != 0, 1);
    finish(&s);
}

static void test_several_images(void **state) {
    (void)state;
    static const struct {
        struct image_choice choice;
        const char *kinds, *reason;
    } cases[] = {
        {{.by = IMAGE_NUMBER, .number = 1}, "r-", NULL},
        {{.by = IMAGE_NUMBER, .number = 2}, "dr", NULL},
        {{.by = IMAGE_NUMBER, .number = 3}, "-d", NULL},
        {{.by = IMAGE_MARK, .name = "loaded"}, "dr", NULL},
        {{.by = IMAGE_EXIT}, "-d", NULL},
        {{.by = IMAGE_NEWEST}, "-d", NULL},
        {{.by = IMAGE_NUMBER, .number = 5}, NULL, "the recording has no heap image number 5"},
        {{.by = IMAGE_MARK, .name = "x"}, NULL, "the recording has no heap image of a mark 'x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s = scene();
        block(&s, 0, 16);
        image(&s, 1, "loaded");
        global(&s, at(0));
        writer_image_end(s.w, 9, NULL);
        block(&s, 1, 16);
        image(&s, 2, "loaded");
        global(&s, at(1));
        writer_image_end(s.w, 9, NULL);
        release(&s, 0);
        image(&s, 3, NULL);
        writer_image_end(s.w, 9, NULL);
        image(&s, 4, "behind");
        global(&s, at(1));
        writer_image_end(s.w, 9, NULL);
        judge_with(&s, &cases[i].choice, 0, NULL);
        if (cases[i].reason != NULL) {
            assert_string_equal(s.survey->reason, cases[i].reason);
            expect_kinds(&s, "-u");
        } else {
            expect_kinds(&s, cases[i].kinds);
        }
        finish(&s);
    }
}

static void test_no_image(void **state) {
    (void)state;
    struct scene s = scene();
    block(&s, 0, 16);
    judge_with(&s, &at_exit, 0, NULL);
    assert_string_equal(s.survey->reason, "the recording has no heap image of the program's end");
    expect_kinds(&s, "u");
    finish(&s);
    s = scene();
    block(&s, 0, 16);
    image(&s, 1, NULL);
    global(&s, at(0));
    writer_image_end(s.w, 1, "no memory");
    judge_with(&s, &at_exit, 0, NULL);
    assert_string_equal(s.survey->reason, "the heap image is incomplete: no memory");
    expect_kinds(&s, "u");
    finish(&s);
}

static void test_inherited(void **state) {
    (void)state;
    struct inherited *inherited = xcalloc(1, sizeof *inherited + 2 * sizeof *inherited->block);
    inherited->count = 2;
    inherited->block[0] = (struct inherited_block){.address = at(0), .size = 32};
    inherited->block[1] = (struct inherited_block){.address = at(1), .size = 32};
    for (int known = 0; known < 2; known++) {
        struct scene s = scene();
        uint8_t id[TAPE_ID_BYTES] = {1};
        s.w->info_parent = "parent.tape";
        memcpy(s.w->info_parent_id, id, sizeof id);
        writer_segment(s.w);
        release(&s, 1);
        for (unsigned k = 2; k < 5; k++)
            block(&s, k, 16);
        image(&s, 1, NULL);
        global(&s, at(0));
        word(&s, 0, 8, at(2)); /* kept by a block of the parent's */
        word(&s, 1, 8, at(3));
        writer_image_end(s.w, 9, NULL);
        judge_with(&s, &at_exit, 0, known ? inherited : NULL);
        expect_kinds(&s, known ? "--rdd" : "--uuu");
        assert_true(known == (s.survey->reason == NULL));
        finish(&s);
    }
    free(inherited);
}

/* ---- blocks of pools, and what is ignored --------------------------------------------------- */

static void test_heuristics(void **state) {
    (void)state;
    static const struct {
        const char *set, *kinds;
    } cases[] = {
        {"all", "rrrppp"},
        {"none", "pppppp"},
        {"stdstring", "rppppp"},
        {"length64", "prpppp"},
        {"newarray", "prrppp"},
        {"newarray,stdstring", "rrrppp"},
        {"multipleinheritance", "pppppp"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s = scene();
        unsigned set;
        assert_true(leak_heuristics_parse(cases[i].set, &set));
        block(&s, 0, 24 + 10 + 1);
        block(&s, 1, 8 + 64);
        block(&s, 2, 8 + 3 * 24);
        block(&s, 3, 8 + 3 * 24 + 1);
        block(&s, 4, 24 + 10 + 1);
        block(&s, 5, 8 + 64); /* whose count is not in the image */
        image(&s, 1, NULL);
        for (unsigned k = 0; k < 6; k++)
            global(&s, at(k) + (k == 0 || k == 4 ? 24 : 8));
        word(&s, 0, 0, 9);
        word(&s, 0, 8, 10);
        word(&s, 1, 0, 64);
        word(&s, 2, 0, 3);
        word(&s, 3, 0, 3);
        word(&s, 4, 0, 11); /* longer than its room */
        word(&s, 4, 8, 10);
        writer_image_end(s.w, 9, NULL);
        judge_with(&s, &at_exit, set, NULL);
        expect_kinds(&s, cases[i].kinds);
        finish(&s);
    }
    unsigned set;
    assert_false(leak_heuristics_parse("", &set));
    assert_false(leak_heuristics_parse("newarray,odd", &set));
}

static void test_multiple_inheritance(void **state) {
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct scene s = scene();
        writer_module(s.w, 1, s.now++, 0x5f0000, 0x602000, 0, "/bin/program");
        writer_module(s.w, 1, s.now++, ARENA - 0x1000, ARENA + 0x1000, 0, "/lib/allocator.so");
        /* The last two: the allocator's data, which holds blocks, and what is no module's. */
        static const uint64_t first[] = {0x5f0010, 0x5f0010, GLOBALS + 64, ARENA + 64, 0x700000};
        enum { BLOCKS = sizeof first / sizeof *first };
        for (unsigned k = 0; k < BLOCKS; k++)
            block(&s, k, 64);
        image(&s, 1, NULL);
        for (unsigned k = 0; k < BLOCKS; k++)
            global(&s, at(k) + 32);
        for (unsigned k = 0; k < BLOCKS; k++) {
            word(&s, k, 0, first[k]);
            if (k != 1)
                word(&s, k, 32, 0x5f0080);
        }
        writer_image_end(s.w, 9, NULL);
        judge_with(&s, &at_exit, on ? 1U << LEAK_MULTIPLE_INHERITANCE : 0, NULL);
        expect_kinds(&s, on ? "rprpp" : "ppppp");
        finish(&s);
    }
}

static void expect_way(const struct scene *s, const struct leak_paths *p, unsigned k,
                       const char *ways) {
    uint32_t block = block_index_find(&s->survey->graph.index, at(k));
    struct leak_step *step;
    uint32_t length = leak_paths_to(p, block, &step);
    char found[100] = "";
    for (uint32_t i = 0; i < length; i++) {
        size_t n = strlen(found);
        if (step[i].from == BLOCK_NONE)
            snprintf(found + n, sizeof found - n, "region %u", step[i].region);
        else
            snprintf(found + n, sizeof found - n, " %u+%u",
                     (unsigned)((s->survey->graph.block[step[i].from].address - HEAP) / 0x100),
                     (unsigned)(step[i].address - s->survey->graph.block[step[i].from].address));
        assert_int_equal(step[i].to, i + 1 < length ? step[i + 1].from : block);
    }
    assert_string_equal(found, ways);
    if (length != 0)
        free(step);
}

static void test_ways(void **state) {
    (void)state;
    struct scene s = scene();
    for (unsigned k = 0; k < 8; k++)
        block(&s, k, 64);
    image(&s, 1, NULL);
    global(&s, at(0));
    writer_image_word(s.w, IN_REGISTERS, 8, at(3));
    writer_image_word(s.w, IN_STACK, STACK, at(3) + 8); /* no way to its start */
    writer_image_word(s.w, IN_STACK, STACK + 8, at(5) + 8);
    word(&s, 0, 0, at(1));
    word(&s, 1, 8, at(2));
    word(&s, 2, 16, at(4));
    word(&s, 3, 24, at(4)); /* shorter */
    word(&s, 4, 0, at(0));
    word(&s, 5, 0, at(6));
    word(&s, 7, 0, at(7));
    judge(&s);
    expect_kinds(&s, "rrrrrppd");
    struct leak_paths p;
    leak_paths_make(&p, &s.survey->graph);
    expect_way(&s, &p, 0, "region 0");
    expect_way(&s, &p, 2, "region 0 0+0 1+8");
    expect_way(&s, &p, 3, "region 2");
    expect_way(&s, &p, 4, "region 2 3+24");
    expect_way(&s, &p, 6, "region 1 5+0");
    expect_way(&s, &p, 7, "");
    leak_paths_free(&p);
    finish(&s);
}

/* What a child began with comes from its parent's recording beside it, and that one's parent's. */
static void test_inheritance(void **state) {
    (void)state;
    static const char *const names[] = {"first.tape", "second.tape", "third.tape"};
    for (uint8_t generation = 0; generation < 3; generation++) {
        struct scene s = scene();
        memset(s.w->header.id, generation + 1, sizeof s.w->header.id);
        if (generation != 0) {
            s.w->info_parent = names[generation - 1];
            memset(s.w->info_parent_id, generation, TAPE_ID_BYTES);
            s.w->info_fork_stamp = 12;
        }
        s.now = 10 + generation;
        block(&s, generation, 16);
        if (generation == 1)
            release(&s, 0); /* before the fork of the third */
        s.now = 20;
        block(&s, generation + 5, 16);
        writer_chunk(s.w, 1, false);
        writer_close(s.w, 100, 100, "exit");
        writer_save(s.w, names[generation]);
        writer_free(s.w);
    }
    for (int generation = 0; generation < 3; generation++) {
        struct tape_file *tape = tape_file_open(names[generation]);
        assert_non_null(tape);
        struct inherited *inherited = inheritance_of(tape);
        assert_int_equal(inherited != NULL ? inherited->count : 0, generation == 0   ? 0
                                                                   : generation == 1 ? 1
                                                                                     : 1);
        if (generation != 0)
            assert_int_equal(inherited->block[0].address, at((unsigned)generation - 1));
        inherited_free(inherited);
        tape_file_close(tape);
    }
    unlink(names[0]); /* then nothing is known of the third either */
    struct tape_file *tape = tape_file_open(names[2]);
    assert_null(inheritance_of(tape));
    tape_file_close(tape);
}

/* ---- against a plain model ---------------------------------------------------------------- */

static uint64_t seed = UINT64_C(0x9876543210abcde);

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

enum { BLOCKS = 40, EDGES = 60, ROOTS = 6 };

struct model {
    uint64_t address[BLOCKS], size[BLOCKS];
    struct {
        unsigned from; /* BLOCKS: a root */
        uint64_t value;
    } edge[EDGES];
    unsigned edges;
    enum leak_kind kind[BLOCKS];
    uint64_t bytes[BLOCKS], blocks[BLOCKS];
};

static unsigned model_target(const struct model *m, uint64_t value) {
    for (unsigned i = 0; i < BLOCKS; i++)
        if (value >= m->address[i] && value < m->address[i] + (m->size[i] != 0 ? m->size[i] : 1))
            return i;
    return BLOCKS;
}

/* Everything by repetition until nothing changes. */
static void model_judge(struct model *m) {
    bool changed = true;
    for (unsigned i = 0; i < BLOCKS; i++)
        m->kind[i] = LEAK_DEFINITE;
    while (changed) {
        changed = false;
        for (unsigned e = 0; e < m->edges; e++) {
            unsigned to = model_target(m, m->edge[e].value), from = m->edge[e].from;
            enum leak_kind before = from == BLOCKS ? LEAK_REACHABLE : m->kind[from];
            if (to == BLOCKS || before == LEAK_DEFINITE || m->kind[to] == LEAK_REACHABLE)
                continue;
            enum leak_kind kind = before == LEAK_REACHABLE && m->edge[e].value == m->address[to]
                                      ? LEAK_REACHABLE
                                      : LEAK_POSSIBLE;
            changed |= m->kind[to] != kind;
            m->kind[to] = kind;
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (m->kind[i] != LEAK_DEFINITE)
            continue;
        bool in[BLOCKS] = {false};
        in[i] = true;
        for (changed = true; changed;) {
            changed = false;
            for (unsigned e = 0; e < m->edges; e++) {
                unsigned to = model_target(m, m->edge[e].value), from = m->edge[e].from;
                if (to == BLOCKS || from == BLOCKS || !in[from] || m->kind[to] != LEAK_DEFINITE ||
                    to == i)
                    continue;
                m->kind[to] = LEAK_INDIRECT;
                m->bytes[i] += m->size[to] + m->bytes[to];
                m->blocks[i] += 1 + m->blocks[to];
                m->bytes[to] = m->blocks[to] = 0;
                in[to] = changed = true;
            }
        }
    }
}

static void test_random_graphs(void **state) {
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct model m = {0};
        struct tape_word word[EDGES + 1], root[EDGES + 1];
        size_t words = 0, roots = 0;
        for (unsigned i = 0; i < BLOCKS; i++) {
            /* Some near each other, some far away. */
            uint64_t step = below(8) == 0 ? below(UINT64_C(1) << 24) * 16 : 16 + below(8) * 16;
            m.address[i] =
                i == 0 ? HEAP : m.address[i - 1] + tape_align(m.size[i - 1] + 1, 16) + step;
            m.size[i] = below(6) == 0 ? 0 : below(100);
        }
        for (unsigned i = 0; i < BLOCKS; i++)
            for (uint64_t at = 0; at + 8 <= m.size[i] && words < EDGES - ROOTS; at += 8) {
                if (below(4) != 0)
                    continue;
                unsigned to = (unsigned)below(BLOCKS);
                uint64_t value = m.address[to] + (below(4) == 0 ? below(m.size[to] + 2) : 0);
                word[words++] = (struct tape_word){m.address[i] + at, value};
                m.edge[m.edges].from = i;
                m.edge[m.edges++].value = value;
            }
        for (unsigned i = 0; i < below(ROOTS); i++) {
            unsigned to = (unsigned)below(BLOCKS);
            root[roots++] = (struct tape_word){8 * i, m.address[to] + (below(3) == 0 ? 3 : 0)};
            m.edge[m.edges].from = BLOCKS;
            m.edge[m.edges++].value = root[roots - 1].value;
        }
        struct image_region region[2] = {
            {.is = {.kind = TAPE_REGION_MODULE}, .first = 0, .count = roots},
            {.is = {.kind = TAPE_REGION_OTHER}},
        };
        const bool is_root[2] = {true, false};
        struct heap_image image = {.region = region,
                                   .region_count = 2,
                                   .word = root,
                                   .word_count = roots,
                                   .memory = word,
                                   .memory_count = words};
        struct leak_block *blocks = xcalloc(BLOCKS, sizeof *blocks);
        for (unsigned i = 0; i < BLOCKS; i++) /* in some other order */
            blocks[(i * 7) % BLOCKS] =
                (struct leak_block){.address = m.address[i], .size = m.size[i], .tag = i};
        struct leak_graph g = {.image = &image, .root = is_root};
        leak_graph_make(&g, blocks, BLOCKS);
        leak_classify(&g);
        model_judge(&m);
        for (unsigned i = 0; i < BLOCKS; i++) {
            assert_int_equal(g.block[i].tag, i);
            assert_int_equal(g.block[i].kind, m.kind[i]);
            assert_int_equal(g.block[i].indirect_bytes, m.bytes[i]);
            assert_int_equal(g.block[i].indirect_blocks, m.blocks[i]);
        }
        leak_graph_free(&g);
    }
}

/* A realloc() that is not over may have moved its block to where only its thread points. */
static void test_moving(void **state) {
    (void)state;
    for (int moving = 0; moving < 2; moving++) {
        struct scene s = scene();
        for (unsigned k = 0; k < 4; k++)
            block(&s, k, 64);
        if (moving)
            writer_release(s.w, 1, s.now++, TAPE_OP_REALLOC_FROM, at(0));
        image(&s, 1, NULL);
        uint32_t other = writer_image_region(s.w, 0x7fe000, 4096, TAPE_REGION_STACK, 12);
        writer_image_word(s.w, IN_REGISTERS, 8, at(10));
        word(&s, 10, 8, at(1));  /* what the block pointed to */
        word(&s, 10, 64, at(3)); /* behind what it had */
        writer_image_word(s.w, other, 0x7fe000, at(11));
        word(&s, 11, 0, at(2)); /* of another thread */
        judge(&s);
        expect_kinds(&s, moving ? "rrdd" : "dddd");
        finish(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moving),
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_region_where_blocks_lay),
        cmocka_unit_test(test_places_in_a_block),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_the_end_of_a_block_is_no_word),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_circles),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_freed_memory),
        cmocka_unit_test(test_the_cut),
        cmocka_unit_test(test_several_images),
        cmocka_unit_test(test_no_image),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_heuristics),
        cmocka_unit_test(test_multiple_inheritance),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_inheritance),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
