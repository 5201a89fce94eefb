/* SPDX-License-Identifier: MIT */
/* The log of started programs and killed processes, and the recordings beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "process_log.h"
#include "tape/process_log.h"

static char path[64];

static int make_log(void **state) {
    (void)state;
    strcpy(path, "/tmp/test_process_log.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_log(void **state) {
    (void)state;
    return unlink(path);
}

static void append(const void *bytes, size_t count) {
    FILE *out = fopen(path, "ae");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, count, 1, out), 1);
    assert_int_equal(fclose(out), 0);
}

static void note(enum process_note_kind kind, uint32_t pid, uint64_t time, const char *program) {
    struct process_note n = {.magic = PROCESS_LOG_MAGIC,
                             .kind = (uint16_t)kind,
                             .pid = pid,
                             .time = time};
    snprintf(n.path, sizeof n.path, "%s", program);
    append(&n, sizeof n);
}

/* What was started as one process, in order of time; what failed is not there. */
static void test_log(void **state) {
    (void)state;
    note(PROCESS_STARTED, 7, 50, "/late");
    note(PROCESS_STARTED, 3, 20, "/b");
    note(PROCESS_STARTED, 7, 10, "/early");
    note(PROCESS_STARTED, 3, 30, "/failed");
    note(PROCESS_STARTED, 7, 60, "/latest");
    note(PROCESS_FAILED, 3, 30, "/failed");
    struct process_note other = {.magic = 1, .kind = PROCESS_STARTED, .pid = 9};
    append(&other, sizeof other);
    append("torn", 4);
    struct process_log log = process_log_read(path);
    assert_int_equal(log.count, 4);
    static const char *const expected[] = {"/b", "/early", "/late", "/latest"};
    static const uint64_t replaced[] = {UINT64_MAX, 50, 60, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(log.start[i].path, expected[i]);
        assert_int_equal(log.start[i].replaced, replaced[i]);
    }
    assert_false(log.full);
    assert_ptr_equal(process_log_after(&log, 7, 55), &log.start[3]);
    assert_ptr_equal(process_log_after(&log, 7, 5), &log.start[3]);
    assert_null(process_log_after(&log, 7, 60));
    assert_null(process_log_after(&log, 5, 0));
    assert_null(process_log_after(&log, 8, 0));
    process_log_free(&log);
}

static void killed(uint32_t pid, uint64_t time, uint32_t signal) {
    const struct process_note n = {.magic = PROCESS_LOG_MAGIC,
                                   .kind = PROCESS_KILLED,
                                   .pid = pid,
                                   .signal = signal,
                                   .time = time};
    append(&n, sizeof n);
}

/* Of a number that two processes had, each gets its own end. */
static void test_killed(void **state) {
    (void)state;
    killed(5, 100, 11);
    killed(6, 100, 9);
    killed(5, 200, 6);
    note(PROCESS_STARTED, 6, 60, "/nonexistent/another");
    struct check_process process[] = {{.pid = 5, .started = 50, .end = CHECK_UNSEEN},
                                      {.pid = 5, .started = 150, .end = CHECK_UNSEEN},
                                      {.pid = 5, .started = 250, .end = CHECK_UNSEEN},
                                      {.pid = 5, .started = 40, .end = CHECK_CLOSED},
                                      {.pid = 6, .started = 50, .end = CHECK_UNSEEN}};
    static const int signal[] = {11, 6, 0, 0, 0};
    static const enum check_end end[] = {CHECK_KILLED, CHECK_KILLED, CHECK_UNSEEN, CHECK_CLOSED,
                                         CHECK_REPLACED};
    struct check c = {.process = process, .process_count = 5, .process_log = path};
    check_take_process_log(&c);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(process[i].signal, signal[i]);
        assert_int_equal(process[i].end, end[i]);
    }
    check_unrecorded_free(&c);
}

static void test_no_log(void **state) {
    (void)state;
    struct process_log log = process_log_read("/nonexistent/log");
    assert_int_equal(log.count, 0);
    process_log_free(&log);
}

/* Of a process number that was used twice, the recording is the second program's. */
static void test_compared(void **state) {
    (void)state;
    note(PROCESS_STARTED, 5, 100, "/nonexistent/first");
    note(PROCESS_STARTED, 5, 200, "/nonexistent/second");
    note(PROCESS_STARTED, 6, 300, "/nonexistent/before its recording");
    note(PROCESS_STARTED, 8, 400, "/nonexistent/first");
    struct check_process process[] = {{.pid = 5, .started = 250, .end = CHECK_CLOSED},
                                      {.pid = 6, .started = 290, .end = CHECK_UNSEEN},
                                      {.pid = 4, .started = 100, .end = CHECK_UNSEEN}};
    struct check c = {.process = process, .process_count = 3, .process_log = path};
    check_take_process_log(&c);
    assert_int_equal(c.unrecorded_count, 2);
    assert_string_equal(c.unrecorded[0].path, "/nonexistent/first");
    assert_int_equal(c.unrecorded[0].times, 2);
    assert_string_equal(c.unrecorded[0].why, "");
    assert_string_equal(c.unrecorded[1].path, "/nonexistent/before its recording");
    char *sentence = check_unrecorded_sentence(&c);
    assert_string_equal(sentence, "3 programs were started that left no recording: "
                                  "/nonexistent/first (2 times); "
                                  "/nonexistent/before its recording");
    free(sentence);
    /* Process 6 has become that program; process 4 ended by itself. */
    assert_int_equal(process[1].end, CHECK_REPLACED);
    assert_int_equal(process[2].end, CHECK_UNSEEN);
    check_unrecorded_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log, make_log, remove_log),
        cmocka_unit_test(test_no_log),
        cmocka_unit_test_setup_teardown(test_killed, make_log, remove_log),
        cmocka_unit_test_setup_teardown(test_compared, make_log, remove_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
