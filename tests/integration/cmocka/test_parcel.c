/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parcel.h"

static void clean(void **state) {
    struct parcel *p = parcel_new("books");
    (void)state;
    assert_string_equal(parcel_label(p), "books");
    parcel_free(p);
}

static void leaky(void **state) {
    (void)state;
    assert_string_equal(parcel_label(parcel_new("books")), "books");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(clean), cmocka_unit_test(leaky)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
