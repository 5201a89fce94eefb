/* SPDX-License-Identifier: MIT */
/* The tests that a program marks: whose block is whose, and what each left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_log.h"

struct run {
    struct test_log *log;
    struct observer tell;
    uint64_t sequence, now;
};

static struct run begin_run(const char *outer) {
    struct run r = {.log = test_log_new(outer)};
    r.tell = test_log_observer(r.log, true);
    return r;
}

static void mark(struct run *r, enum tape_mark kind, const char *text) {
    r->tell.on_mark(r->tell.context, &(struct replay_mark){.kind = kind,
                                                           .text = text,
                                                           .now = r->now += 10,
                                                           .sequence = r->sequence});
}

static void begin(struct run *r, const char *name) {
    mark(r, TAPE_MARK_TEST_BEGIN, name);
}

static void end(struct run *r, const char *name) {
    mark(r, TAPE_MARK_TEST_END, name);
}

static struct block allocate(struct run *r, uint64_t size) {
    struct block b = {.sequence = r->sequence++, .size = size};
    r->tell.on_alloc(r->tell.context, &b);
    return b;
}

static void release(struct run *r, const struct block *b) {
    r->tell.on_free(r->tell.context, b, r->now, 0, false);
}

static void ignore(struct run *r, struct block *b) {
    b->ignored = true;
    r->tell.on_ignore(r->tell.context, b);
}

/* The test that a block was allocated in, "-": none. */
static const char *test_of(const struct run *r, const struct block *b) {
    uint32_t test = test_log_of(r->log, b->sequence);
    return test != TEST_NONE ? test_log_figures(r->log, test)->name : "-";
}

static const struct test_figures *figures(const struct run *r, const char *name) {
    for (uint32_t i = 0; i < test_log_count(r->log); i++)
        if (strcmp(test_log_figures(r->log, i)->name, name) == 0)
            return test_log_figures(r->log, i);
    fail_msg("no test %s", name);
    return NULL;
}

static void expect_left(const struct run *r, const char *name, uint64_t bytes, uint64_t blocks) {
    assert_int_equal(figures(r, name)->left_bytes, bytes);
    assert_int_equal(figures(r, name)->left_blocks, blocks);
}

static void test_one(void **state) {
    (void)state;
    struct run r = begin_run(NULL);
    struct block before = allocate(&r, 1000);
    begin(&r, "a");
    struct block a = allocate(&r, 30), b = allocate(&r, 40), c = allocate(&r, 5);
    release(&r, &b);
    release(&r, &before);
    struct block d = allocate(&r, 20);
    release(&r, &d);
    end(&r, "");
    struct block after = allocate(&r, 7);
    release(&r, &a); /* too late for the test */
    test_log_finish(r.log, 99);
    assert_int_equal(test_log_count(r.log), 1);
    const struct test_figures *f = figures(&r, "a");
    assert_int_equal(f->runs, 1);
    assert_int_equal(f->unended, 0);
    assert_int_equal(f->ns, 10);
    assert_int_equal(f->allocations, 4);
    assert_int_equal(f->bytes, 95);
    assert_int_equal(f->peak_bytes, 75);
    expect_left(&r, "a", 35, 2);
    assert_string_equal(test_of(&r, &before), "-");
    assert_string_equal(test_of(&r, &a), "a");
    assert_string_equal(test_of(&r, &c), "a");
    assert_string_equal(test_of(&r, &d), "a");
    assert_string_equal(test_of(&r, &after), "-");
    test_log_free(r.log);
}

static void test_in_one_another(void **state) {
    (void)state;
    struct run r = begin_run(NULL);
    begin(&r, "suite");
    struct block fixture = allocate(&r, 100);
    begin(&r, "case");
    struct block inner = allocate(&r, 10);
    release(&r, &fixture);
    struct block second = allocate(&r, 4);
    end(&r, "case");
    struct block between = allocate(&r, 1);
    release(&r, &second); /* of a test that has ended: still one of the suite's */
    begin(&r, "case");
    struct block again = allocate(&r, 50);
    end(&r, "case");
    end(&r, "suite");
    begin(&r, "case"); /* another one: it lies in nothing */
    struct block alone = allocate(&r, 2);
    end(&r, "case");
    test_log_finish(r.log, 99);
    assert_int_equal(test_log_count(r.log), 3);
    assert_string_equal(test_of(&r, &fixture), "suite");
    assert_string_equal(test_of(&r, &inner), "suite/case");
    assert_string_equal(test_of(&r, &between), "suite");
    assert_string_equal(test_of(&r, &again), "suite/case");
    assert_string_equal(test_of(&r, &alone), "case");
    expect_left(&r, "suite/case", 64, 3);
    assert_int_equal(figures(&r, "suite/case")->runs, 2);
    assert_int_equal(figures(&r, "suite/case")->peak_bytes, 50);
    assert_int_equal(figures(&r, "suite/case")->allocations, 3);
    expect_left(&r, "suite", 61, 3);
    assert_int_equal(figures(&r, "suite")->allocations, 5);
    assert_int_equal(figures(&r, "suite")->bytes, 165);
    assert_int_equal(figures(&r, "suite")->peak_bytes, 110);
    expect_left(&r, "case", 2, 1);
    test_log_free(r.log);
}

static void test_ends_that_do_not_fit(void **state) {
    (void)state;
    struct run r = begin_run(NULL);
    end(&r, "");
    end(&r, "nothing");
    begin(&r, "outer");
    end(&r, "other"); /* passed over */
    begin(&r, "left by longjmp");
    begin(&r, "too");
    struct block a = allocate(&r, 1);
    end(&r, "outer");
    struct block b = allocate(&r, 2);
    begin(&r, "open");
    struct block c = allocate(&r, 3);
    test_log_finish(r.log, 1000);
    assert_string_equal(test_of(&r, &a), "outer/left by longjmp/too");
    assert_string_equal(test_of(&r, &b), "-");
    assert_string_equal(test_of(&r, &c), "open");
    assert_int_equal(figures(&r, "outer")->unended, 0);
    assert_int_equal(figures(&r, "outer/left by longjmp")->unended, 1);
    assert_int_equal(figures(&r, "outer/left by longjmp/too")->unended, 1);
    assert_int_equal(figures(&r, "open")->unended, 1);
    expect_left(&r, "outer", 1, 1);
    expect_left(&r, "open", 3, 1);
    test_log_free(r.log);
}

static void test_ignored(void **state) {
    (void)state;
    struct run r = begin_run(NULL);
    begin(&r, "outer");
    begin(&r, "a");
    struct block kept = allocate(&r, 10), freed = allocate(&r, 20), lost = allocate(&r, 40);
    (void)lost;
    ignore(&r, &kept);
    ignore(&r, &freed);
    release(&r, &freed);
    end(&r, "");
    end(&r, "");
    test_log_finish(r.log, 99);
    expect_left(&r, "outer/a", 40, 1);
    expect_left(&r, "outer", 40, 1);
    test_log_free(r.log);
}

static void test_a_test_of_the_parent(void **state) {
    (void)state;
    struct run r = begin_run("suite/forks");
    struct block a = allocate(&r, 1);
    begin(&r, "child");
    struct block b = allocate(&r, 1);
    end(&r, "child");
    end(&r, "forks"); /* the parent's mark: it is not on the child's tape, but may be */
    struct block c = allocate(&r, 1);
    assert_string_equal(test_of(&r, &a), "suite/forks");
    assert_string_equal(test_of(&r, &b), "suite/forks/child");
    assert_string_equal(test_of(&r, &c), "suite/forks");
    assert_int_equal(test_log_now(r.log), 0);
    assert_true(test_log_runs(r.log, 0));
    assert_false(test_log_runs(r.log, 1));
    test_log_free(r.log);
}

/* Names are found again, whatever their number, and memory is for what runs. */
static void test_many(void **state) {
    (void)state;
    struct run r = begin_run(NULL);
    char name[32];
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 20000; i++) {
            snprintf(name, sizeof name, "test %u", i);
            begin(&r, name);
            if (i % 2 == 0)
                allocate(&r, i);
            end(&r, name);
        }
    test_log_finish(r.log, 99);
    assert_int_equal(test_log_count(r.log), 20000);
    for (unsigned i = 0; i < 20000; i++) {
        const struct test_figures *f = test_log_figures(r.log, i);
        snprintf(name, sizeof name, "test %u", i);
        assert_string_equal(f->name, name);
        assert_int_equal(f->runs, 2);
        assert_int_equal(f->left_bytes, i % 2 == 0 ? 2 * i : 0);
    }
    for (uint64_t s = 0; s < r.sequence; s++)
        assert_int_equal(test_log_of(r.log, s), 2 * (s % 10000));
    test_log_free(r.log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_in_one_another),
        cmocka_unit_test(test_ends_that_do_not_fit),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_a_test_of_the_parent),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
