/* SPDX-License-Identifier: MIT */
/* Numbers as people read them, and names fitted into a screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "names.h"
#include "option_value.h"
#include "screen.h"
#include "units.h"

#define KIB UINT64_C(1024)

static void bytes(void **state) {
    (void)state;
    char b[UNITS_ROOM];
    assert_string_equal(units_bytes(b, 0), "0 B");
    assert_string_equal(units_bytes(b, 1023), "1023 B");
    assert_string_equal(units_bytes(b, 1024), "1.00 KiB");
    assert_string_equal(units_bytes(b, 1536), "1.50 KiB");
    assert_string_equal(units_bytes(b, KIB * KIB), "1.00 MiB");
    /* rounds up into the next unit instead of showing 1024.00 of this one */
    assert_string_equal(units_bytes(b, KIB * KIB - 1), "1.00 MiB");
    assert_string_equal(units_bytes(b, KIB * KIB - 6), "1023.99 KiB");
    assert_string_equal(units_bytes(b, (UINT64_C(1) << 53) + 1), "8.00 PiB");
    assert_string_equal(units_bytes(b, UINT64_MAX), "16.00 EiB");
}

static void counts(void **state) {
    (void)state;
    char b[UNITS_ROOM];
    assert_string_equal(units_count(b, 0), "0");
    assert_string_equal(units_count(b, 999), "999");
    assert_string_equal(units_count(b, 1000), "1,000");
    assert_string_equal(units_count(b, 1234567), "1,234,567");
    assert_string_equal(units_count(b, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void durations(void **state) {
    (void)state;
    char b[UNITS_ROOM];
    assert_string_equal(units_duration(b, 0), "0 ns");
    assert_string_equal(units_duration(b, 999), "999 ns");
    assert_string_equal(units_duration(b, 1500), "1.5 us");
    assert_string_equal(units_duration(b, 56040000), "56.0 ms");
    assert_string_equal(units_duration(b, UINT64_C(7890000000)), "7.89 s");
    assert_string_equal(units_duration(b, UINT64_C(123000000000)), "2 min 03 s");
    assert_string_equal(units_duration(b, UINT64_C(3720000000000)), "1 h 02 min");
    assert_true(strlen(units_duration(b, UINT64_MAX)) < UNITS_ROOM);
}

static void percentages(void **state) {
    (void)state;
    char b[UNITS_ROOM];
    assert_string_equal(units_percent(b, 1, 3), "33.3%");
    assert_string_equal(units_percent(b, 0, 5), "0.0%");
    assert_string_equal(units_percent(b, 1, 1000000), "<0.1%");
    assert_string_equal(units_percent(b, 999999, 1000000), "99.9%");
    assert_string_equal(units_percent(b, 7, 7), "100.0%");
    assert_string_equal(units_percent(b, 3, 2), "150.0%");
    assert_string_equal(units_percent(b, 0, 0), "-");
    assert_string_equal(units_percent(b, UINT64_MAX / 2, UINT64_MAX), "50.0%");
}

/* The bound of a threshold: exactly the percentage is not below it. */
static void shares(void **state) {
    (void)state;
    assert_int_equal(option_share(1, 1000), 10);
    assert_int_equal(option_share(1, 1001), 11);
    assert_int_equal(option_share(0, 1001), 0);
    assert_int_equal(option_share(100, UINT64_C(1) << 60), UINT64_C(1) << 60);
    assert_int_equal(option_share(1, 0), 0);
}

static void check_printable(const char *text, size_t length, const char *expected) {
    char *got = names_printable(text, length);
    assert_string_equal(got, expected);
    free(got);
}

static void printable_text(void **state) {
    (void)state;
    check_printable("plain #;%&<>\"'", 14, "plain #;%&<>\"'");
    check_printable("a\nb\033\x7f\0z", 7, "a\\x0ab\\x1b\\x7f\\x00z");
    check_printable("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    check_printable("\xff\xc3", 2, "\\xff\\xc3");                   /* never UTF-8; cut short */
    check_printable("\xc0\x80", 2, "\\xc0\\x80");                   /* overlong */
    check_printable("\xe0\x80\x80", 3, "\\xe0\\x80\\x80");          /* overlong */
    check_printable("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* surrogate */
    check_printable("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* above the last code point */
    check_printable("\xc2\x9b", 2, "\\xc2\\x9b");                   /* a control character of C1 */
    check_printable("\xe2\x80\xae", 3, "\\xe2\\x80\\xae");          /* turns the text around */
}

static void check_fit(const char *function, const char *location, size_t columns,
                      const char *expected) {
    struct screen screen = {.utf8 = false};
    char label[512];
    strcpy(stpcpy(label, function), location);
    char *got = screen_fit(&screen, label, function, columns);
    assert_string_equal(got, expected);
    if (columns != 0)
        assert_true(screen_width(got) <= columns);
    free(got);
}

static void fitted_names(void **state) {
    (void)state;
    check_fit("f(int)", " (a.c:1)", 14, "f(int) (a.c:1)");
    check_fit("function(int, long)", " (a.c:1)", 26, "function(...) (a.c:1)");
    check_fit("function(int, long) const", " (a.c:1)", 30, "function(...) const (a.c:1)");
    check_fit("std::map<int, std::less<int> >::at(int)", " (a.c:1)", 32,
              "std::map<...>::at(...) (a.c:1)");
    check_fit("ns::operator<< <char>(std::ostream&)", " (a.c:1)", 36,
              "ns::operator<< <char>(...) (a.c:1)");
    check_fit("ns::operator<< <char>(std::ostream&)", " (a.c:1)", 33,
              "ns::operator<< <...>(...) (a.c:1)");
    check_fit("void ns::f<int>(unsigned long)", " (a.c:1)", 30, "ns::f<int>(...) (a.c:1)");
    check_fit("std::pair<int, int> ns::f<int>(unsigned long)", " (a.c:1)", 30,
              "ns::f<int>(...) (a.c:1)");
    check_fit("outer::middle::Class<int>::method()", " (a.c:1)", 31,
              "...Class<...>::method() (a.c:1)");
    check_fit("(anonymous namespace)::function", " (a.c:1)", 30, "...function (a.c:1)");
    check_fit("symbol_of_some_length [clone .part.0]", " (a.c:1)", 40,
              "symbol_of...ngth [clone .part.0] (a.c:1)");
    check_fit("<T as alloc::Trait>::function", " (a.c:1)", 32, "<T as Trait>::function (a.c:1)");
    check_fit("<T as alloc::Trait>::function", " (a.c:1)", 26, "...function (a.c:1)");
    check_fit("<words::Tree<u8> as core::clone::Clone>::clone::<a::B>", "", 42,
              "<Tree<...> as Clone>::clone::<...>");
    check_fit("<&mut [words::Tree] as core::iter::traits::iterator::Iterator>::next", "", 40,
              "<&mut [Tree] as Iterator>::next");
    check_fit("<words::main::{closure#0} as core::ops::function::FnOnce<()>>::call_once", "", 60,
              "<{closure#0} as FnOnce<...>>::call_once");
    check_fit("<fn(u8) -> a::B as core::ops::FnOnce<()>>::call_once", "", 48,
              "<fn(...) -> B as FnOnce<...>>::call_once");
    check_fit("core::FnOnce::call_once::<fn() -> core::Result<(), alloc::Box<dyn Error>>, ()>",
              " (f.rs:250)", 42, "core::FnOnce::call_once::<...> (f.rs:250)");
    check_fit("core::FnOnce::call_once::<fn() -> core::Result<(), alloc::Box<dyn Error>>, ()>",
              " (f.rs:250)", 30, "...call_once::<...> (f.rs:250)");
    check_fit("abcdefghijklmnopqrstuvwxyz", "", 12, "abc...uvwxyz");
    check_fit("abcdefghijklmnopqrstuvwxyz", "", 0, "abcdefghijklmnopqrstuvwxyz");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),        cmocka_unit_test(counts), cmocka_unit_test(durations),
        cmocka_unit_test(percentages),  cmocka_unit_test(shares), cmocka_unit_test(printable_text),
        cmocka_unit_test(fitted_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
