/* SPDX-License-Identifier: MIT */
/* The text of smaps, whole, in pieces of every size, with long names. */
#include "smaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] =
    "00400000-00401000 r--p 00000000 fe:00 1234                               /usr/bin/some "
    "program\n"
    "Size:                  4 kB\n"
    "Rss:                   4 kB\n"
    "Pss:                   1 kB\n"
    "Anonymous:             0 kB\n"
    "Swap:                  0 kB\n"
    "VmFlags: rd mr mw me sd \n"
    "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \n"
    "Size:               2048 kB\n"
    "Rss:                1028 kB\n"
    "Anonymous:          1024 kB\n"
    "AnonHugePages:      2048 kB\n"
    "Swap:                 16 kB\n"
    "SwapPss:               8 kB\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    "Rss:                   0 kB\n";

struct seen {
    char log[8192];
};

static void found(struct smaps *s) {
    struct seen *seen = s->context;
    size_t n = strlen(seen->log);
    snprintf(seen->log + n, sizeof seen->log - n, "%s|%lu|%lu|%lu\n", s->line,
             (unsigned long)s->resident, (unsigned long)s->anonymous, (unsigned long)s->swapped);
}

static char *read_in_pieces(const char *from, size_t bytes, size_t piece) {
    struct seen *seen = calloc(1, sizeof *seen);
    struct smaps *s = calloc(1, sizeof *s);
    s->found = found;
    s->context = seen;
    for (size_t at = 0; at < bytes; at += piece)
        smaps_feed(s, from + at, bytes - at < piece ? bytes - at : piece);
    smaps_end(s);
    char *log = strdup(seen->log);
    free(s);
    free(seen);
    return log;
}

static void test_pieces(void **state) {
    (void)state;
    static const char expected[] =
        "00400000-00401000 r--p 00000000 fe:00 1234                               /usr/bin/some "
        "program|4096|0|0\n"
        "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 |1052672|1048576|16384\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  "
        "[vsyscall]|0|0|0\n";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        char *log = read_in_pieces(text, sizeof text - 1, piece);
        assert_string_equal(log, expected);
        free(log);
    }
}

static void test_odd_text(void **state) {
    (void)state;
    char *log = read_in_pieces("", 0, 1);
    assert_string_equal(log, "");
    free(log);
    log = read_in_pieces("1000-2000 r", 11, 3); /* cut short */
    assert_string_equal(log, "1000-2000 r|0|0|0\n");
    free(log);
    /* A name longer than is kept: cut, and the sizes behind it are its own. */
    size_t length = 10000;
    char *lengthy = malloc(length + 64);
    memset(lengthy, 'x', length);
    memcpy(lengthy, "1000-2000 ", 10);
    strcpy(lengthy + length, "\nRss: 8 kB\nSwap: 4 kB\n");
    log = read_in_pieces(lengthy, strlen(lengthy), 100);
    assert_non_null(strstr(log, "xxx|8192|0|4096\n"));
    assert_true(strlen(log) < 4700);
    free(log);
    free(lengthy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_odd_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
