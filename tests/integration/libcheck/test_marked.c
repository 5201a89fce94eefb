/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <heaptape/heaptape.h>
#include <stdlib.h>

#include "parcel.h"

/* In the child that runs the test: a test that loses memory fails, when it runs under heaptape. */
static void begin(void) {
    heaptape_test_begin("parcels");
}

static void end(void) {
    ck_assert_uint_eq(heaptape_test_end(), 0);
}

START_TEST(clean) {
    struct parcel *p = parcel_new("books");
    ck_assert_str_eq(parcel_label(p), "books");
    parcel_free(p);
}
END_TEST

START_TEST(leaky) {
    ck_assert_str_eq(parcel_label(parcel_new("books")), "books");
}
END_TEST

static TCase *make_case(const char *name, const TTest *test) {
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, test);
    return c;
}

int main(void) {
    Suite *suite = suite_create("parcel");
    suite_add_tcase(suite, make_case("clean", clean));
    suite_add_tcase(suite, make_case("leaky", leaky));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
