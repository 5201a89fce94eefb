/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "lsan_options.h"

static void expect(const char *text, const char *log_path, const char *suppressions,
                   uint64_t status) {
    char path[256];
    struct lsan_options o = lsan_options_read(text);
    if (log_path == NULL) {
        assert_null(o.log_path);
    } else {
        snprintf(path, sizeof path, "%s.%d", log_path, (int)getpid());
        assert_string_equal(o.log_path, path);
    }
    if (suppressions == NULL)
        assert_null(o.suppressions);
    else
        assert_string_equal(o.suppressions, suppressions);
    assert_int_equal(o.exit_status, status);
    lsan_options_free(&o);
}

static void reads(void **state) {
    (void)state;
    expect(NULL, NULL, NULL, 23);
    expect("", NULL, NULL, 23);
    expect("exitcode=0", NULL, NULL, 0);
    expect("verbosity=1:exitcode=9,log_path=a b", "a", NULL, 9);
    expect("log_path='a: b':suppressions=\"c,d\"", "a: b", "c,d", 23);
    expect("suppressions=a:suppressions=b", NULL, "b", 23);
    expect("log_path=a:log_path=stderr", NULL, NULL, 23);
    expect("suppressions=", NULL, NULL, 23);
    expect("suppressions='open", NULL, "open", 23);
    expect("::nonsense::=x:exitcode=3:", NULL, NULL, 3);
    expect("my_exitcode=3:exitcode2=4", NULL, NULL, 23);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
