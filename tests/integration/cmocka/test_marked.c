/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <heaptape/heaptape.h>

#include "parcel.h"

/* A test that loses memory fails, when it runs under heaptape. */
static int begin(void **state) {
    (void)state;
    heaptape_test_begin("parcels");
    return 0;
}

static int end(void **state) {
    (void)state;
    size_t lost = heaptape_test_end();
    if (lost != 0)
        print_error("%zu bytes lost\n", lost);
    return lost != 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

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

static void clean_again(void **state) {
    clean(state);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {TEST(clean), TEST(leaky), TEST(clean_again)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
