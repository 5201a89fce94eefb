/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "parcel.h"

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

int main(void) {
    Suite *suite = suite_create("parcel");
    TCase *first = tcase_create("clean"), *second = tcase_create("leaky");
    tcase_add_test(first, clean);
    tcase_add_test(second, leaky);
    suite_add_tcase(suite, first);
    suite_add_tcase(suite, second);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
