/* SPDX-License-Identifier: MIT */
/*
 * Tests that begin and end while other threads record, with buffers that are full all the time:
 * what the table has been told is exactly what lives. For the thread sanitizer above all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "recorder.h"
#include "sys.h"
#include "testing.h"

enum { THREADS = 4, PAIRS = 3000, TESTS = 300 };

/* Blocks are at the complement of these addresses: no pointer to them stays in a register. */
__attribute__((noinline)) static void allocate(uintptr_t address, size_t size) {
    stream_event_alloc(TAPE_OP_malloc, (void *)~address, size, 0, __builtin_frame_address(0));
}

__attribute__((noinline)) static void release(uintptr_t address) {
    stream_event_free(TAPE_OP_free, (void *)~address, __builtin_frame_address(0));
}

static atomic_bool stop;

static void *record_pairs(void *arg) {
    uintptr_t base = (uintptr_t)arg;
    for (uintptr_t i = 0; i < PAIRS || !atomic_load(&stop); i++) {
        allocate(base + i % 50 * 64, i);
        release(base + i % 50 * 64);
    }
    return NULL;
}

__attribute__((noinline)) static size_t end(void) {
    struct stream *s = stream_attach();
    return s != NULL ? testing_end(s, __builtin_frame_address(0)) : 0;
}

static void begin(const char *name) {
    struct stream *s = stream_attach();
    if (s != NULL)
        testing_begin(s, name, strlen(name));
}

__attribute__((noinline)) static size_t one_test(size_t blocks) {
    begin("a test");
    for (uintptr_t i = 1; i <= blocks; i++)
        allocate(0x5000 + i * 256, 100);
    for (uintptr_t i = 1; i <= blocks; i++)
        release(0x5000 + i * 256);
    return end();
}

static void start(pthread_t thread[THREADS]) {
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, record_pairs, (void *)((i + 1) << 32)) != 0)
            _exit(8);
}

static void join(pthread_t thread[THREADS]) {
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* What the other threads have at the end of a test is theirs, and may be alive: these addresses are
 * nobody's, so nothing points to them. */
static int beside_threads(void) {
    pthread_t thread[THREADS];
    start(thread);
    for (size_t i = 0; i < TESTS / 10; i++)
        (void)one_test(20);
    join(thread);
    size_t lost = 0;
    for (size_t i = 0; i < TESTS; i++)
        lost += one_test(i % 300);
    return lost != 0;
}

static int threads_within(void) {
    pthread_t thread[THREADS];
    size_t lost = 0;
    for (int i = 0; i < 5; i++) {
        atomic_store(&stop, false);
        begin("threads");
        start(thread);
        join(thread);
        lost += end();
    }
    return lost != 0;
}

static int loses(void) {
    begin("loses");
    allocate(0x123450000, 77);
    allocate(0x123460000, 1000);
    release(0x123450000);
    allocate(0x123450000, 78);
    return end() != 1078;
}

static int pauses(void) {
    begin("pauses");
    recorder_set_active(false);
    allocate(0x123450000, 77);
    recorder_set_active(true);
    return end() != 0;
}

static void remove_tape(void) {
    const struct recorder *r = atomic_load(&recorder);
    recorder_end("exit", __builtin_frame_address(0), false);
    if (r != NULL) {
        unlink(r->tape_path);
        unlink(r->tail_path);
    }
}

/* A child that goes on with the table of its parent, and one that does not. */
static int forks(void) {
    begin("parent");
    allocate(0x123450000, 77);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            recorder_forks(true);
        pid_t pid = fork();
        int status;
        if (pid == 0) {
            int failed = end() != 0 || one_test(20) != 0 || loses();
            remove_tape();
            _exit(failed);
        }
        if (i == 0)
            recorder_forks(false);
        waitpid(pid, &status, 0);
        if (status != 0)
            return 1;
        release(0x999990000); /* so that the second one finds it out of date */
    }
    return end() != 77;
}

/* In a child, which has a recording of its own. */
static void in_child(int (*body)(void)) {
    pid_t pid = fork();
    int status;
    assert_true(pid >= 0);
    if (pid == 0) {
        config.buffer_events = 16;
        int failed = body();
        remove_tape();
        _exit(failed);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void test_beside_threads(void **state) {
    (void)state;
    in_child(beside_threads);
}

static void test_threads_within(void **state) {
    (void)state;
    in_child(threads_within);
}

static void test_loses(void **state) {
    (void)state;
    in_child(loses);
}

static void test_pauses(void **state) {
    (void)state;
    in_child(pauses);
}

static void test_forks(void **state) {
    (void)state;
    in_child(forks);
}

static uint64_t fail_at;

static int with_failing_calls(void) {
    sys_fail_at = fail_at;
    (void)loses(); /* whatever it returns */
    return one_test(300) != 0;
}

static void test_failing_calls(void **state) {
    (void)state;
    for (fail_at = 1; fail_at <= 40; fail_at++)
        in_child(with_failing_calls);
}

int main(int argc, char **argv) {
    (void)argc;
    if (getenv("HEAPTAPE_OUT") == NULL) {
        setenv("HEAPTAPE_OUT", "/tmp/heaptape-test.tape", 1);
        if (atomic_load(&recorder) != NULL)
            unlink(atomic_load(&recorder)->tape_path);
        execv("/proc/self/exe", argv);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loses),          cmocka_unit_test(test_forks),
        cmocka_unit_test(test_failing_calls),  cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_beside_threads), cmocka_unit_test(test_threads_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
