/* SPDX-License-Identifier: MIT */
/*
 * The tests that a program marks (heaptape_test_begin, heaptape_test_end): which block was
 * allocated in which test, and what each allocated and left.
 *
 * A test is known by its name and those of the tests around it, "parser/empty"; each time that it
 * runs is a run of the same test. Tests are of the whole process: a block belongs to the innermost
 * test that runs when it is allocated, whichever thread allocates it. An end with a name ends the
 * innermost test of that name, and with it what lies in it and was not ended (by longjmp, or an
 * exception); an end that no begin fits is passed over.
 *
 * A test's figures hold those of the tests in it. They are of the heap: blocks of pools count in
 * none of them, and what is ignored is not left. Memory: grows with the runs of tests, 16 bytes
 * each, and with their names. Not thread-safe.
 */
#ifndef TEST_LOG_H
#define TEST_LOG_H

#include "replay.h"

#define TEST_NONE UINT32_MAX

struct test_figures {
    const char *name;
    uint64_t runs, unended;           /* unended: of the runs, those whose end is not on the tape */
    uint64_t ns;                      /* all runs together */
    uint64_t allocations, bytes;      /* the same */
    uint64_t peak_bytes;              /* the most that blocks allocated in one run had at once */
    uint64_t left_bytes, left_blocks; /* allocated in a run and live at its end, all together */
};

struct test_log;

/* outer: name of the test that runs when the recording begins (in the parent of a forked child);
 * NULL: none. It is test 0 then, without figures. */
struct test_log *test_log_new(const char *outer);
void test_log_free(struct test_log *);

/* What a replay is to be told for the log: marks alone, or with `figures` every block. The log must
 * outlive the run. */
struct observer test_log_observer(struct test_log *, bool figures);

/* Behind the run: ends what is still open. */
void test_log_finish(struct test_log *, uint64_t now);

/* Tests by number, in the order in which they first began. */
uint32_t test_log_count(const struct test_log *);
const struct test_figures *test_log_figures(const struct test_log *, uint32_t test);

/* The test in which a block of this replay was allocated (block.sequence), or TEST_NONE. */
uint32_t test_log_of(const struct test_log *, uint64_t sequence);

/* The innermost test that runs now, or TEST_NONE; whether a test runs now. */
uint32_t test_log_now(const struct test_log *);
bool test_log_runs(const struct test_log *, uint32_t test);

#endif
