/* SPDX-License-Identifier: MIT */
/* Who frees whose blocks, against a model; bounded with any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag.h"
#include "profile.h"
#include "scratch_directory.h"
#include "tape_writer.h"

static const uint64_t stack[] = {0x1000};

static uint64_t below(uint64_t n) {
    static uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static struct profile *profile_of(struct writer *w, struct tape_file **tape) {
    writer_save(w, "threads.tape");
    writer_free(w);
    *tape = tape_file_open("threads.tape");
    assert_non_null(*tape);
    return profile_run(*tape, NULL);
}

static const struct thread_row *row_of(const struct thread_table *t, uint64_t tid) {
    for (uint32_t i = 0; i < t->count; i++)
        if (t->row[i].threads == 1 && t->row[i].tid == tid)
            return &t->row[i];
    return NULL;
}

/* Twelve threads, each with a stream; thread k makes 40 * (12 - k) of the allocations, and any
 * thread frees any block. */
static void a_random_run(void **state) {
    (void)state;
    enum { THREADS = 12, SHOWN = 5 };
    struct writer *w = writer_new();
    struct thread_cell freed[THREADS][THREADS] = {0}, live[THREADS] = {0};
    uint64_t calls[THREADS] = {0}, now = 10, address = 0x1000;
    for (uint32_t k = 0; k < THREADS; k++)
        writer_thread(w, k + 1, 1, 100 + k, "worker");
    for (uint32_t k = 0; k < THREADS; k++) {
        for (uint32_t i = 0; i < 40 * (THREADS - k); i++, address += 64) {
            uint64_t size = 1 + below(1000);
            now += 100000; /* further apart than inversions can be */
            writer_alloc(w, k + 1, now, TAPE_OP_malloc, address, size, 0, stack, 1);
            calls[k]++;
            uint32_t by = below(2) != 0 ? k : (uint32_t)below(THREADS);
            if (below(4) == 0) {
                live[k].blocks++;
                live[k].bytes += size;
                continue;
            }
            now += 100000;
            writer_release(w, by + 1, now, TAPE_OP_free, address);
            freed[k][by].blocks++;
            freed[k][by].bytes += size;
            calls[by]++;
        }
    }
    for (uint32_t k = 0; k < THREADS; k++)
        writer_chunk(w, k + 1, false);
    writer_close(w, now + 1, now + 1, "exit");
    struct tape_file *tape;
    struct profile *p = profile_of(w, &tape);
    for (uint32_t i = 0; i < replay_thread_count(p->replay); i++) {
        uint64_t k = replay_thread(p->replay, i)->tid - 100;
        assert_int_equal(thread_matrix_live(p->threads, i).blocks, live[k].blocks);
        assert_int_equal(thread_matrix_live(p->threads, i).bytes, live[k].bytes);
    }
    struct thread_table *t = thread_matrix_table(p->threads, THREADS);
    assert_int_equal(t->count, THREADS);
    assert_true(t->crossed);
    assert_false(t->unknown);
    for (uint32_t i = 0; i < THREADS; i++) {
        const struct thread_row *row = row_of(t, 100 + i);
        assert_non_null(row);
        assert_int_equal(row->calls, calls[i]);
        assert_int_equal(row->live.bytes, live[i].bytes);
        for (uint32_t k = 0; k < THREADS; k++) {
            const struct thread_cell *c = &row->freed[row_of(t, 100 + k) - t->row];
            assert_int_equal(c->blocks, freed[i][k].blocks);
            assert_int_equal(c->bytes, freed[i][k].bytes);
        }
    }
    thread_table_free(t);
    /* the rest folded into one row and column: nothing gets lost */
    t = thread_matrix_table(p->threads, SHOWN);
    assert_int_equal(t->count, SHOWN + 1);
    assert_int_equal(t->row[SHOWN].threads, THREADS - SHOWN);
    struct thread_cell expected = {0}, sum = {0};
    for (uint32_t i = 0; i < THREADS; i++) {
        for (uint32_t k = 0; k < THREADS; k++) {
            bool folded = row_of(t, 100 + i) == NULL && row_of(t, 100 + k) == NULL;
            expected.blocks += folded ? freed[i][k].blocks : 0;
            expected.bytes += folded ? freed[i][k].bytes : 0;
            sum.bytes += freed[i][k].bytes;
        }
    }
    assert_int_equal(t->row[SHOWN].freed[SHOWN].blocks, expected.blocks);
    assert_int_equal(t->row[SHOWN].freed[SHOWN].bytes, expected.bytes);
    for (uint32_t i = 0; i < t->count; i++)
        for (uint32_t k = 0; k < t->count; k++)
            sum.bytes -= t->row[i].freed[k].bytes;
    assert_int_equal(sum.bytes, 0);
    thread_table_free(t);
    profile_free(p);
    tape_file_close(tape);
}

/* Short threads one after another in one stream; every block is freed by the first thread, but
 * each thread's first one, which it frees itself, and its last, which stays. */
static void any_number_of_threads(void **state) {
    (void)state;
    enum { THREADS = 5000 };
    struct writer *w = writer_new();
    uint64_t now = 10, address = 0x1000;
    writer_thread(w, 1, 1, 7, "main");
    for (uint32_t k = 0; k < THREADS; k++) {
        char name[16];
        snprintf(name, sizeof name, "pool-%u", k % 3000); /* more names than groups */
        writer_thread(w, 2, now++, 1000 + k, k % 2 != 0 ? name : "short");
        for (uint32_t i = 0; i < 3; i++) {
            writer_alloc(w, 2, now += 100000, TAPE_OP_malloc, address + i * 64, 10, 0, stack, 1);
            if (i < 2)
                writer_release(w, i == 0 ? 2 : 1, now += 100000, TAPE_OP_free, address + i * 64);
        }
        address += 192;
    }
    writer_chunk(w, 1, false);
    writer_chunk(w, 2, false);
    writer_close(w, now + 1, now + 1, "exit");
    struct tape_file *tape;
    struct profile *p = profile_of(w, &tape);
    struct thread_table *t = thread_matrix_table(p->threads, 8);
    assert_int_equal(t->count, 9);
    const struct thread_row *first = row_of(t, 7);
    assert_non_null(first);
    uint32_t at = (uint32_t)(first - t->row);
    uint64_t threads = 0, own = 0, by_main = 0, live = 0, shorts = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct thread_row *row = &t->row[i];
        threads += row->threads;
        by_main += row->freed[at].blocks;
        live += row->live.blocks;
        for (uint32_t k = 0; k < t->count; k++)
            own += k != at ? row->freed[k].blocks : 0;
        shorts += row->name != NULL && strcmp(row->name, "short") == 0 ? row->threads : 0;
    }
    assert_int_equal(threads, THREADS + 1);
    assert_int_equal(by_main, THREADS);
    assert_int_equal(own, THREADS);
    assert_int_equal(live, THREADS);
    /* those behind the first ones, all of one name, are one group and the largest row */
    assert_true(t->row[0].threads > THREADS / 2 - THREAD_GROUPS_OWN);
    assert_true(shorts >= t->row[0].threads && t->row[0].name != NULL);
    thread_table_free(t);
    profile_free(p);
    tape_file_close(tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_run),
        cmocka_unit_test(any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
