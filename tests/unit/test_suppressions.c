/* SPDX-License-Identifier: MIT */
/* Suppressions: both grammars and their errors, and what an entry matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "diag.h"
#include "suppressions.h"

static struct suppressions parsed(const char *text, size_t entries) {
    struct suppressions s = {0};
    assert_int_equal(suppressions_parse(&s, "file", text, false), EXIT_FINE);
    assert_int_equal(s.count, entries);
    return s;
}

/* A stack as a check sees it: malloc in a function of a C library, called by the program. */
static const struct supp_frame c_stack[] = {
    {.function = "malloc", .linkage = "malloc"},
    {.function = "inner",
     .linkage = "inner",
     .file = "/src/lib/inner.c",
     .line = 12,
     .module = "/lib/libinner.so.1",
     .module_real = "/usr/lib/libinner.so.1.2"},
    {.function = "localtime", .linkage = "localtime", .entered = true},
    {.module = "/lib/libinner.so.1"},
    {.function = "main",
     .linkage = "main",
     .file = "/src/main.c",
     .line = 7,
     .module = "/bin/program"},
};

static const struct supp_frame cpp_stack[] = {
    {.function = "malloc", .linkage = "malloc"},
    {.function = "operator new(unsigned long)", .linkage = "_Znwm"},
    {.function = "operator new[](unsigned long)", .linkage = "_Znam"},
    {.function = "Shape::Shape(int)", .linkage = "_ZN5ShapeC1Ei"},
    {.function = "f<int>(std::vector<int> const&)", .linkage = "_Z1fIiEvRKSt6vectorIiSaIiEE"},
    {.function = "main", .linkage = "main"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool text_matches(const char *text, bool built_in, const struct supp_frame *stack,
                         size_t count) {
    struct suppressions s = {0};
    assert_int_equal(suppressions_parse(&s, "file", text, built_in), EXIT_FINE);
    bool found = suppressions_match(&s, stack, count, LEAK_UNKNOWN) != NULL;
    suppressions_free(&s);
    return found;
}

/* The frames of a Valgrind entry, joined by semicolons. */
static bool valgrind(const char *frames, const struct supp_frame *stack, size_t count) {
    char text[512];
    snprintf(text, sizeof text, "{\nname\nMemcheck:Leak\n%s\n}\n", frames);
    for (char *p = strstr(text, "Leak\n") + 5; *p != '\0'; p++)
        *p = *p == ';' ? '\n' : *p;
    return text_matches(text, false, stack, count);
}

static bool on_c(const char *frames) {
    return valgrind(frames, c_stack, COUNT(c_stack));
}

static bool on_cpp(const char *frames) {
    return valgrind(frames, cpp_stack, COUNT(cpp_stack));
}

static bool lsan(const char *pattern) {
    char text[256];
    snprintf(text, sizeof text, "leak:%s\n", pattern);
    return text_matches(text, false, c_stack, COUNT(c_stack));
}

static void globs(void **state) {
    (void)state;
    assert_true(suppressions_glob("", "", true));
    assert_false(suppressions_glob("", "a", true));
    assert_true(suppressions_glob("*", "", true));
    assert_true(suppressions_glob("a*c*e", "abcbcde", true));
    assert_false(suppressions_glob("a*c*e", "abcbcdef", true));
    assert_true(suppressions_glob("a?c", "abc", true));
    assert_false(suppressions_glob("a?c", "abc", false));
    assert_true(suppressions_glob("a?c", "a?c", false));
    assert_false(suppressions_glob("a?", "a", true));
    assert_true(suppressions_glob("operator new[](*)", "operator new[](unsigned long)", true));
    assert_true(suppressions_glob("*aab", "aaaaab", true));
    assert_true(suppressions_glob("**b**", "abc", true));
}

static void valgrind_frames(void **state) {
    (void)state;
    assert_true(on_c("fun:malloc"));
    assert_true(on_c("fun:malloc;fun:inner;obj:*/libinner.so*;fun:main"));
    assert_true(on_c("fun:*alloc;obj:/usr/lib/libinner.so.1.2"));
    assert_true(on_c("...;fun:main"));
    assert_true(on_c("fun:malloc;...;obj:/lib/libinner.so.1;fun:main"));
    assert_true(on_c("fun:malloc;...;fun:main;..."));
    assert_true(on_c("...;src:inner.c;...;src:main.c:7"));
    assert_true(on_c("fun:malloc;src:/src/lib/inner.c:12"));
    assert_false(on_c("fun:inner"));
    assert_false(on_c("fun:malloc;fun:main"));
    assert_false(on_c("fun:calloc"));
    assert_false(on_c("fun:malloc;src:inner.c:13"));
    assert_false(on_c("fun:malloc;obj:libinner.so.1"));
    assert_false(on_c("fun:malloc;fun:inner;obj:*;fun:main;fun:*"));
    assert_false(on_c("...;fun:main;fun:inner"));
    /* an unknown name is no name */
    assert_false(on_c("fun:malloc;fun:inner;fun:*;fun:main"));
}

static void valgrind_cpp(void **state) {
    (void)state;
    assert_true(on_cpp("fun:malloc;fun:_Znwm"));
    assert_true(on_cpp("fun:_Znam;fun:_ZN5ShapeC1Ei"));
    assert_true(on_cpp("fun:_Znam;fun:_ZN5ShapeC2Ei"));
    assert_true(on_cpp("fun:operator new[](unsigned long);fun:Shape::Shape(int)"));
    assert_true(on_cpp("...;fun:Shape::Shape;fun:_Z1fIi*"));
    assert_true(on_cpp("...;fun:f<int>;fun:main"));
    assert_false(on_cpp("fun:_Znwm;fun:_ZN5ShapeC1Ei"));
    assert_false(on_cpp("fun:_Znam;fun:_ZN5ShapeC3Ei"));
    assert_false(on_cpp("fun:_ZN5ShapeC1Ei"));
}

static void valgrind_resized(void **state) {
    (void)state;
    struct supp_frame stack[] = {{.function = "realloc", .linkage = "realloc"},
                                 {.function = "grow", .linkage = "grow"}};
    assert_true(valgrind("fun:realloc;fun:grow", stack, 2));
    assert_true(valgrind("fun:malloc;fun:realloc;fun:grow", stack, 2));
    assert_false(valgrind("fun:malloc;fun:grow", stack, 2));
    stack[0].function = stack[0].linkage = "posix_memalign";
    assert_true(valgrind("fun:memalign;fun:posix_memalign;fun:grow", stack, 2));
    assert_true(valgrind("fun:memalign;fun:grow", stack, 2));
    assert_false(valgrind("fun:malloc;fun:posix_memalign;fun:grow", stack, 2));
    stack[0].function = stack[0].linkage = "reallocarray";
    assert_true(valgrind("fun:realloc;fun:reallocarray;fun:grow", stack, 2));
    assert_false(valgrind("fun:realloc;fun:grow", stack, 2));
}

static void kinds(void **state) {
    (void)state;
    assert_true(on_c("match-leak-kinds: definite,indirect;fun:malloc"));
    assert_true(on_c("match-leak-kinds:all;fun:malloc"));
    assert_true(on_c("match-leak-kinds: none,reachable;fun:malloc"));
    assert_false(on_c("match-leak-kinds: none;fun:malloc"));
    struct suppressions s = parsed("{\na\nMemcheck:Leak\nmatch-leak-kinds: possible,reachable\n"
                                   "fun:malloc\n}\n"
                                   "{\nb\nMemcheck:Leak\nmatch-leak-kinds: indirect\nfun:*\n}\n"
                                   "{\nc\nMemcheck:Leak\nmatch-leak-kinds: none\nfun:*\n}\n",
                                   3);
    static const int expected[LEAK_KINDS] = {-1, 1, 0, 0, 0};
    for (int kind = 0; kind < LEAK_KINDS; kind++) {
        struct suppression *found =
            suppressions_match(&s, c_stack, COUNT(c_stack), (enum leak_kind)kind);
        assert_ptr_equal(found, expected[kind] < 0 ? NULL : &s.entry[expected[kind]]);
    }
    suppressions_free(&s);
}

static void valgrind_others(void **state) {
    (void)state;
    struct suppressions s = parsed("# comment\n\n{\n  helgrind\n  Helgrind:Race\n  nonsense\n}\r\n"
                                   "{\nparam\nMemcheck:Param\nwrite(buf)\nfun:malloc\n}\n"
                                   "{\nboth\nAddrcheck,Memcheck:Leak\n\tfun:malloc \n# x\n}\n"
                                   "{\nMemcheckers:Leak\nMemchecker:Leak\nfun:malloc\n}\n",
                                   1);
    assert_string_equal(s.entry[0].name, "both");
    assert_int_equal(s.entry[0].line, 14);
    assert_string_equal(s.entry[0].pattern[0], "fun:malloc");
    suppressions_free(&s);
    s = parsed(" \n# nothing\n", 0);
    suppressions_free(&s);
}

static void lsan_patterns(void **state) {
    (void)state;
    assert_true(lsan("inner"));
    assert_true(lsan("nne"));
    assert_true(lsan("^inner$"));
    assert_true(lsan("^in*r$"));
    assert_true(lsan("inner.c"));
    assert_true(lsan("/src/lib/"));
    assert_true(lsan("^/lib/libinner"));
    assert_true(lsan("program$"));
    assert_true(lsan("malloc"));
    assert_true(lsan("*"));
    assert_false(lsan("^nner"));
    assert_false(lsan("inn$"));
    assert_false(lsan("i?ner"));
    assert_false(lsan("INNER"));
    struct suppressions s = parsed("leak:a\n# c\n  leak: b c \nleak:d # e\n", 3);
    assert_string_equal(s.entry[1].pattern[0], " b c");
    assert_string_equal(s.entry[2].pattern[0], "d # e");
    assert_int_equal(s.entry[2].line, 4);
    suppressions_free(&s);
}

static void entered_is_for_our_own(void **state) {
    (void)state;
    static const char text[] = "{\nx\nMemcheck:Leak\n...\nfun:localtime\n}\n";
    assert_true(text_matches(text, true, c_stack, COUNT(c_stack)));
    assert_false(text_matches(text, false, c_stack, COUNT(c_stack)));
    assert_false(lsan("localtime"));
}

static void first_entry_wins(void **state) {
    (void)state;
    struct suppressions s = parsed("leak:nothing\nleak:main\nleak:inner\n", 3);
    assert_ptr_equal(suppressions_match(&s, c_stack, COUNT(c_stack), LEAK_UNKNOWN), &s.entry[1]);
    suppressions_free(&s);
}

static void errors(void **state) {
    (void)state;
    static const char *const bad[] = {
        "leak",
        "leak:",
        "leak:a\nthread:b\n",
        "{\n",
        "{\nname\n",
        "{\n}\n",
        "{\nname\nnonsense\n}\n",
        "{\nname\nMemcheck:Leak\nfun:f\n",
        "{\nname\nMemcheck:Leak\n}\n",
        "{\nname\nMemcheck:Leak\n...\n...\n}\n",
        "{\nname\nMemcheck:Leak\nfun:f\nmatch-leak-kinds: all\n}\n",
        "{\nname\nMemcheck:Leak\nmatch-leak-kinds: definite,\nfun:f\n}\n",
        "{\nname\nMemcheck:Leak\nmatch-leak-kinds:\nfun:f\n}\n",
        "{\nname\nMemcheck:Leak\nfunction:f\n}\n",
        "{\nname\nHelgrind:Race\n",
        "{\nname\nMemcheck:Leak\nfun:f\n}\nleak:f\n",
    };
    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    int status[COUNT(bad)];
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct suppressions s = {0};
        status[i] = suppressions_parse(&s, "file", bad[i], false);
        suppressions_free(&s);
    }
    char frames[8192] = "{\nname\nMemcheck:Leak\n";
    for (int i = 0; i < 257; i++)
        strcat(frames, "fun:f\n");
    strcat(frames, "}\n");
    struct suppressions s = {0};
    int too_many = suppressions_parse(&s, "file", frames, false);
    suppressions_free(&s);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(status[i], EXIT_USAGE);
    assert_int_equal(too_many, EXIT_USAGE);
}

static void built_in(void **state) {
    (void)state;
    struct suppressions s = {0};
    assert_int_equal(suppressions_parse(&s, "built in", suppressions_default, true), EXIT_FINE);
    assert_true(s.count > 50);
    struct supp_frame stack[] = {
        {.function = "malloc", .linkage = "malloc"},
        {.module = "/lib/x86_64-linux-gnu/libc.so.6"},
        {.function = "setlocale", .linkage = "setlocale", .module = "/lib/libc.so.6"},
        {.function = "main", .linkage = "main", .module = "/bin/program"},
    };
    assert_non_null(suppressions_match(&s, stack, 4, LEAK_UNKNOWN));
    /* what it allocates for its own use, not what the program asks for below one of that name */
    stack[1] = (struct supp_frame){.function = "duplicate",
                                   .linkage = "duplicate",
                                   .module = "/bin/program"};
    assert_null(suppressions_match(&s, stack, 4, LEAK_UNKNOWN));
    stack[2] = (struct supp_frame){.function = "main", .linkage = "main"};
    stack[1] = (struct supp_frame){.function = "strdup",
                                   .linkage = "strdup",
                                   .module = "/lib/x86_64-linux-gnu/libc.so.6"};
    assert_null(suppressions_match(&s, stack, 4, LEAK_UNKNOWN));
    suppressions_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs),
        cmocka_unit_test(valgrind_frames),
        cmocka_unit_test(valgrind_cpp),
        cmocka_unit_test(valgrind_resized),
        cmocka_unit_test(kinds),
        cmocka_unit_test(valgrind_others),
        cmocka_unit_test(lsan_patterns),
        cmocka_unit_test(entered_is_for_our_own),
        cmocka_unit_test(first_entry_wins),
        cmocka_unit_test(errors),
        cmocka_unit_test(built_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
