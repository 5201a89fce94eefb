/* SPDX-License-Identifier: MIT */
/* Families of recordings: who descends from whom, and what forked children inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "completeness.h"
#include "diag.h"
#include "family.h"
#include "scratch_directory.h"
#include "tape_writer.h"

#define SECOND UINT64_C(1000000000)

static const uint64_t stack[] = {0x1000, 0x2000};

/* A recording of process `pid` that begins at `start`; its id is made from `number`. */
static struct writer *begin(unsigned number, uint64_t pid, uint64_t ppid, uint64_t start) {
    struct writer *w = writer_new();
    memset(w->header.id, 0, sizeof w->header.id);
    memcpy(w->header.id, &number, sizeof number);
    w->info_pid = pid;
    w->info_ppid = ppid;
    w->info_start_stamp = w->info_start_mono = w->info_start_real = start;
    writer_thread(w, 1, start, pid, "main");
    return w;
}

/* ... of a child forked at `fork`. */
static struct writer *begin_fork(unsigned number, uint64_t pid, unsigned parent, uint64_t fork) {
    static char name[32];
    snprintf(name, sizeof name, "%u.tape", parent);
    struct writer *w = begin(number, pid, 1, fork);
    w->info_parent = name;
    w->info_fork_stamp = fork;
    memcpy(w->info_parent_id, &parent, sizeof parent);
    return w;
}

static void allocate(struct writer *w, uint64_t stamp, uint64_t address, uint64_t size) {
    writer_alloc(w, 1, stamp, TAPE_OP_malloc, address, size, 0, stack, 2);
}

static void resize(struct writer *w, uint64_t stamp, uint64_t from, uint64_t to, uint64_t size) {
    writer_release(w, 1, stamp, TAPE_OP_REALLOC_FROM, from);
    writer_alloc(w, 1, stamp, TAPE_OP_realloc, to, size, 0, stack, 2);
}

static void release(struct writer *w, uint64_t stamp, uint64_t address) {
    writer_release(w, 1, stamp, TAPE_OP_free, address);
}

/* Writes NUMBER.tape; closed at `end`, or with its last events in the tail (end 0). */
static void finish(struct writer *w, unsigned number, uint64_t end) {
    char name[32];
    snprintf(name, sizeof name, "%u.tape", number);
    if (end != 0) {
        writer_chunk(w, 1, false);
        writer_close(w, end, end, "exit");
    } else {
        writer_tail(w, 1, false);
    }
    writer_save(w, name);
    writer_free(w);
}

static void clear(void) {
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.tape", i);
        unlink(name);
        snprintf(name, sizeof name, "%u.tape.tail", i);
        unlink(name);
    }
}

static struct family *of_directory(void) {
    struct family *f = family_new();
    assert_true(family_add(f, "."));
    family_link(f);
    return f;
}

static const struct family_member *member(const struct family *f, unsigned number) {
    for (uint32_t i = 0; i < f->count; i++) {
        unsigned id;
        memcpy(&id, f->member[i].id, sizeof id);
        if (id == number)
            return &f->member[i];
    }
    fail_msg("no recording %u", number);
    return NULL;
}

/* The number of the parent's recording; 0 when there is none. */
static unsigned parent_of(const struct family *f, unsigned number) {
    uint32_t parent = member(f, number)->parent;
    unsigned id = 0;
    if (parent != FAMILY_NONE)
        memcpy(&id, f->member[parent].id, sizeof id);
    return id;
}

static void nothing(void *context, struct family_member *m, struct tape_file *tape,
                    const struct profile *p) {
    (void)m;
    (void)tape;
    (void)p;
    ++*(unsigned *)context;
}

static unsigned run(struct family *f) {
    unsigned visited = 0;
    family_run(f, nothing, &visited);
    return visited;
}

/* ---- the tree ----------------------------------------------------------------------------- */

static void who_descends_from_whom(void **state) {
    (void)state;
    clear();
    finish(begin(1, 100, 50, 10 * SECOND), 1, 90 * SECOND);
    finish(begin_fork(2, 101, 1, 11 * SECOND), 2, 0);            /* forked, then exec: not closed */
    finish(begin(3, 101, 100, 12 * SECOND), 3, 0);               /* its second image */
    finish(begin(4, 101, 100, 13 * SECOND), 4, 20 * SECOND);     /* and the third */
    finish(begin(5, 102, 100, 14 * SECOND), 5, 15 * SECOND);     /* posix_spawn: only ppid */
    finish(begin(6, 103, 101, 19 * SECOND), 6, 21 * SECOND);     /* a child of the third image */
    finish(begin(7, 104, 101, 12 * SECOND + 5), 7, 22 * SECOND); /* of the second */
    finish(begin(8, 105, 102, 40 * SECOND), 8, 50 * SECOND);     /* 102 was gone: another process */
    finish(begin(9, 102, 100, 41 * SECOND), 9,
           43 * SECOND); /* the same pid once more, after exit */
    struct writer *far = begin(10, 106, 100, 42 * SECOND);
    far->info_host = "elsewhere";
    finish(far, 10, 44 * SECOND);
    struct family *f = of_directory();
    assert_int_equal(f->count, 10);
    static const struct {
        unsigned number, parent;
        enum family_tie tie;
    } expected[] = {{1, 0, FAMILY_ROOT},  {2, 1, FAMILY_FORK},  {3, 2, FAMILY_EXEC},
                    {4, 3, FAMILY_EXEC},  {5, 1, FAMILY_CHILD}, {6, 4, FAMILY_CHILD},
                    {7, 3, FAMILY_CHILD}, {8, 0, FAMILY_ROOT},  {9, 1, FAMILY_CHILD},
                    {10, 0, FAMILY_ROOT}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(parent_of(f, expected[i].number), expected[i].parent);
        assert_int_equal(member(f, expected[i].number)->tie, expected[i].tie);
    }
    assert_true(member(f, 2)->replaced);
    assert_false(member(f, 4)->replaced);
    assert_int_equal(run(f), 10);
    family_free(f);
}

static void nobody_is_their_own_ancestor(void **state) {
    (void)state;
    clear();
    finish(begin_fork(1, 100, 2, SECOND), 1, 3 * SECOND);
    finish(begin_fork(2, 101, 3, SECOND), 2, 3 * SECOND);
    finish(begin_fork(3, 102, 1, SECOND), 3, 3 * SECOND);
    finish(begin_fork(4, 103, 4, SECOND), 4, 3 * SECOND);
    finish(begin(5, 104, 104, SECOND), 5, 3 * SECOND);
    struct family *f = of_directory();
    assert_int_equal(parent_of(f, 4), 0);
    assert_int_equal(parent_of(f, 5), 0);
    unsigned roots = 0;
    for (unsigned i = 1; i <= 3; i++)
        roots += member(f, i)->parent == FAMILY_NONE;
    assert_int_equal(roots, 1);
    assert_int_equal(run(f), 5);
    family_free(f);
}

static void files_directories_and_selection(void **state) {
    (void)state;
    clear();
    struct writer *w = begin(1, 100, 50, SECOND);
    w->info_exe = "/usr/bin/first";
    finish(w, 1, 9 * SECOND);
    w = begin(2, 101, 100, 2 * SECOND);
    w->info_exe = "/opt/second";
    finish(w, 2, 3 * SECOND);
    finish(begin(3, 102, 101, 2 * SECOND + 1), 3, 3 * SECOND);
    rename("3.tape", "without-suffix");
    writer_save_bytes("notes.txt", "no recording", 12);
    struct family *f = family_new();
    assert_true(family_add(f, "."));
    assert_true(family_add(f, "1.tape")); /* once more */
    assert_int_equal(f->unreadable, 0);
    assert_false(family_add(f, "notes.txt")); /* named: then it should be one */
    assert_false(family_add(f, "missing.tape"));
    assert_int_equal(f->unreadable, 2);
    family_link(f);
    assert_int_equal(f->count, 3);
    assert_int_equal(family_select(f, 0, "second"), 1);
    assert_true(member(f, 2)->selected);
    family_free(f);
    f = of_directory();
    assert_int_equal(family_select(f, 0, "/usr/*"), 1);
    assert_int_equal(family_select(f, 101, NULL), 0);
    family_free(f);
    f = of_directory();
    assert_int_equal(family_select(f, 102, NULL), 1);
    assert_int_equal(run(f), 1);
    uint32_t at = (uint32_t)(member(f, 3) - f->member);
    assert_int_equal(f->member[at].parent, (uint32_t)(member(f, 2) - f->member));
    assert_int_equal(family_selected_parent(f, at), FAMILY_NONE);
    family_free(f);
    unlink("without-suffix");
    unlink("notes.txt");
}

/* ---- inherited blocks --------------------------------------------------------------------- */

/* 1 forks 2, which forks 3. Addresses 0x100 to 0xa00 are 1's blocks of that many bytes. */
static void write_generations(void) {
    clear();
    struct writer *w = begin(1, 100, 50, SECOND);
    for (unsigned i = 1; i <= 10; i++)
        allocate(w, SECOND + 10, 0x100 * i, 0x100 * i);
    release(w, SECOND + 20, 0xa00); /* not inherited */
    for (unsigned i = 1; i <= 9; i++)
        release(w, 3 * SECOND, 0x100 * i); /* behind the fork: nothing to the child */
    allocate(w, 3 * SECOND, 0xb00, 1);
    finish(w, 1, 5 * SECOND);

    w = begin_fork(2, 101, 1, 2 * SECOND);
    release(w, 2 * SECOND + 10, 0x100);
    release(w, 2 * SECOND + 10, 0x100);               /* twice: the second is unmatched */
    release(w, 2 * SECOND + 10, 0xa00);               /* was gone */
    resize(w, 2 * SECOND + 10, 0x200, 0xc00, 5000);   /* becomes its own */
    resize(w, 2 * SECOND + 10, 0x300, 0x300, 6000);   /* in place: its own, too */
    resize(w, 2 * SECOND + 10, 0x400, 0, UINT64_MAX); /* fails: still there */
    resize(w, 2 * SECOND + 10, 0x500, 0, 0);          /* freed */
    allocate(w, 2 * SECOND + 10, 0x100, 7);           /* the address has a new owner */
    release(w, 2 * SECOND + 20, 0x100);
    allocate(w, 2 * SECOND + 20, 0x600, 9); /* whose free nobody saw */
    finish(w, 2, 4 * SECOND);

    w = begin_fork(3, 102, 2, 3 * SECOND);
    release(w, 3 * SECOND + 1, 0x700); /* 1's */
    release(w, 3 * SECOND + 1, 0xc00); /* 2's */
    release(w, 3 * SECOND + 1, 0x200); /* was gone */
    finish(w, 3, 4 * SECOND);
}

static void check_generations(struct family *f) {
    const struct replay_counts *c = &member(f, 2)->counts;
    assert_true(c->inherited_known);
    assert_int_equal(c->inherited_blocks, 9);
    assert_int_equal(c->inherited_bytes, 45 * 0x100);
    assert_int_equal(c->inherited_freed_blocks, 5); /* 1 2 3 5 6 */
    assert_int_equal(c->inherited_freed_bytes, 17 * 0x100);
    assert_int_equal(c->unmatched_frees, 2);
    assert_int_equal(c->allocations, 4);
    assert_int_equal(c->reallocs, 2);
    assert_int_equal(c->failed, 1);
    assert_int_equal(c->frees, 1);
    assert_int_equal(c->live_bytes, 5000 + 6000 + 9);
    assert_int_equal(c->peak_bytes, 5000 + 6000 + 9);
    c = &member(f, 3)->counts;
    assert_int_equal(c->inherited_blocks, 4 + 3); /* 4 7 8 9 of 1, and three of 2 */
    assert_int_equal(c->inherited_bytes, 28 * 0x100 + 11009);
    assert_int_equal(c->inherited_freed_blocks, 2);
    assert_int_equal(c->inherited_freed_bytes, 0x700 + 5000);
    assert_int_equal(c->unmatched_frees, 1);
    assert_int_equal(c->live_bytes, 0);
    assert_int_equal(c->peak_bytes, 0);
}

static void children_inherit(void **state) {
    (void)state;
    write_generations();
    struct family *f = of_directory();
    assert_int_equal(run(f), 3);
    check_generations(f);
    const struct replay_counts *c = &member(f, 1)->counts;
    assert_false(c->inherited_known);
    assert_int_equal(c->allocations, 11);
    assert_int_equal(c->live_bytes, 1);
    family_free(f);
}

static void parents_are_found_beside_their_children(void **state) {
    (void)state;
    write_generations();
    struct family *f = family_new();
    assert_true(family_add(f, "./3.tape"));
    assert_true(family_add(f, "2.tape"));
    family_link(f);
    assert_true(member(f, 1)->helper);
    assert_false(member(f, 1)->selected);
    assert_int_equal(run(f), 2); /* nobody asked for the first */
    check_generations(f);
    family_free(f);
    /* something else under the parent's name, and nothing */
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            rename("3.tape", "1.tape");
        else
            unlink("1.tape");
        f = family_new();
        assert_true(family_add(f, "2.tape"));
        family_link(f);
        assert_int_equal(f->count, 1);
        assert_true(member(f, 2)->parent_missing);
        assert_int_equal(run(f), 1);
        assert_false(member(f, 2)->counts.inherited_known);
        assert_int_equal(member(f, 2)->counts.unmatched_frees, 2 + 1 + 4);
        family_free(f);
    }
}

/* Each generation keeps a block and forks; the last one frees them all. */
static void deep_lines_of_forks(void **state) {
    (void)state;
    enum { DEEP = 150 };
    clear();
    for (unsigned i = 1; i <= DEEP; i++) {
        uint64_t start = i * SECOND;
        struct writer *w = i == 1 ? begin(i, 100, 50, start) : begin_fork(i, 99 + i, i - 1, start);
        allocate(w, start + 1, 0x1000 * (uint64_t)i, i);
        for (unsigned k = 1; i == DEEP && k <= DEEP; k++)
            release(w, start + 2, 0x1000 * (uint64_t)k);
        finish(w, i, 1000 * SECOND);
    }
    struct family *f = of_directory();
    assert_int_equal(run(f), DEEP);
    const struct replay_counts *c = &member(f, DEEP)->counts;
    assert_int_equal(c->inherited_blocks, DEEP - 1);
    assert_int_equal(c->inherited_freed_bytes, (DEEP - 1) * DEEP / 2);
    assert_int_equal(c->unmatched_frees, 0);
    assert_int_equal(c->frees, 1);
    family_free(f);
}

/* Of two children the one that was forked first begins its recording last. */
static void each_child_at_its_own_instant(void **state) {
    (void)state;
    clear();
    struct writer *w = begin(1, 100, 50, SECOND);
    allocate(w, SECOND, 0x100, 30);
    release(w, 3 * SECOND, 0x100);
    allocate(w, 3 * SECOND, 0x200, 7);
    finish(w, 1, 9 * SECOND);
    w = begin_fork(2, 101, 1, 2 * SECOND);
    w->info_start_real = 5 * SECOND;
    release(w, 5 * SECOND, 0x100);
    finish(w, 2, 6 * SECOND);
    w = begin_fork(3, 102, 1, 4 * SECOND);
    release(w, 5 * SECOND, 0x200);
    finish(w, 3, 6 * SECOND);
    finish(begin_fork(4, 103, 1, UINT64_MAX), 4, 0); /* a stamp that cannot be */
    struct family *f = of_directory();
    assert_int_equal(run(f), 4);
    assert_int_equal(member(f, 2)->counts.inherited_freed_bytes, 30);
    assert_int_equal(member(f, 3)->counts.inherited_freed_bytes, 7);
    assert_int_equal(member(f, 3)->counts.inherited_bytes, 7);
    assert_false(member(f, 4)->counts.inherited_known);
    family_free(f);
}

/* Two threads of the child: a free of an inherited block just before the other thread gets the
 * same address must not end that thread's block. */
static void inherited_blocks_and_several_threads(void **state) {
    (void)state;
    clear();
    struct writer *w = begin(1, 100, 50, SECOND);
    allocate(w, SECOND + 10, 0x100, 30);
    finish(w, 1, 5 * SECOND);
    w = begin_fork(2, 101, 1, 2 * SECOND);
    writer_thread(w, 2, 2 * SECOND, 7, "second");
    release(w, 2 * SECOND + 10, 0x100);
    writer_alloc(w, 2, 2 * SECOND + 11, TAPE_OP_malloc, 0x100, 40, 0, stack, 2);
    writer_chunk(w, 2, false);
    finish(w, 2, 3 * SECOND);
    struct family *f = of_directory();
    run(f);
    const struct replay_counts *c = &member(f, 2)->counts;
    assert_int_equal(c->inherited_freed_bytes, 30);
    assert_int_equal(c->live_bytes, 40);
    assert_int_equal(c->inversions, 0);
    family_free(f);
}

/* ---- doubt -------------------------------------------------------------------------------- */

static void lost_events_make_figures_doubtful(void **state) {
    (void)state;
    struct tape_health h = {.events = 10};
    assert_null(completeness_doubt(&h));
    char *text = completeness_doubt_suffix(&h);
    assert_string_equal(text, "");
    free(text);
    h.lost = 1234;
    text = completeness_doubt(&h);
    assert_string_equal(text, "not reliable: 1,234 events lost");
    free(text);
    h.lost = 0;
    h.damaged_chunks = 1;
    text = completeness_doubt_suffix(&h);
    assert_string_equal(text, " (not reliable: 1 damaged chunk)");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_descends_from_whom),
        cmocka_unit_test(nobody_is_their_own_ancestor),
        cmocka_unit_test(files_directories_and_selection),
        cmocka_unit_test(children_inherit),
        cmocka_unit_test(parents_are_found_beside_their_children),
        cmocka_unit_test(deep_lines_of_forks),
        cmocka_unit_test(each_child_at_its_own_instant),
        cmocka_unit_test(inherited_blocks_and_several_threads),
        cmocka_unit_test(lost_events_make_figures_doubtful),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
