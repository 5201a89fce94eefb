/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xml_text.h"

static void becomes(void (*print)(FILE *, const char *), const char *text, const char *expected) {
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    print(out, text);
    fclose(out);
    assert_string_equal(result, expected);
    free(result);
}

static void escapes(void **state) {
    (void)state;
    becomes(xml_text, "a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c'");
    becomes(xml_text, "a\tb\nc\rd", "a&#9;b&#10;c&#13;d");
    becomes(xml_lines, "a<\tb\nc\rd", "a&lt;\tb\ncd");
    becomes(xml_text, "", "");
}

static void drops_what_xml_cannot_hold(void **state) {
    (void)state;
    becomes(xml_text,
            "a\x01\x1f\x7f"
            "b\xc2\x85",
            "ab");
    becomes(xml_text, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
            "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    becomes(xml_text,
            "a\xff\xfe"
            "b\x80"
            "c",
            "abc");
    becomes(xml_text, "a\xc3", "a");                   /* cut off */
    becomes(xml_text, "\xe2\x82", "");                 /* cut off later */
    becomes(xml_text, "a\xc3<b", "a&lt;b");            /* what follows is looked at again */
    becomes(xml_text, "\xc0\xaf\xe0\x80\xaf", "");     /* too long for what it says */
    becomes(xml_text, "\xed\xa0\x80", "");             /* a surrogate */
    becomes(xml_text, "\xef\xbf\xbe\xef\xbf\xbf", ""); /* U+FFFE, U+FFFF */
    becomes(xml_text, "\xf4\x90\x80\x80", "");         /* beyond U+10FFFF */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(drops_what_xml_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
