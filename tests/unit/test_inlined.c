/* SPDX-License-Identifier: MIT */
/*
 * Functions that were put inline, against programs that know the answer: each prints the addresses
 * of its calls and what stands there, innermost first. Lines are set by #line.
 */
#include "symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "built_programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* here(): "address expectation", of its caller. An expectation is "function|file|line;" for each.
 */
static const char cxx_source[] =
    "#include <link.h>\n"
    "#include <cstdint>\n"
    "#include <cstdio>\n"
    "#define INLINE __attribute__((always_inline)) inline\n"
    "#define ALONE __attribute__((noinline))\n"
    "static int bias_of(dl_phdr_info *i, size_t, void *b) { *(uintptr_t *)b = i->dlpi_addr; return "
    "1; }\n"
    "extern \"C\" ALONE void here(const char *expected) {\n"
    "    uintptr_t bias = 0;\n"
    "    dl_iterate_phdr(bias_of, &bias);\n"
    "    printf(\"%zx %s\\n\", (uintptr_t)__builtin_return_address(0) - 1 - bias, expected);\n"
    "}\n"
    "#define HERE(expected) do { here(expected); __asm__ volatile(\"\"); } while (0)\n"
    "#line 100 \"deep.h\"\n"
    "namespace deep { template <class T> INLINE void innermost(T, const char *expected) {\n"
    "    HERE(expected);\n"
    "} }\n"
    "#line 200 \"middle.h\"\n"
    "INLINE void middle(const char *outside) {\n"
    "    deep::innermost(1, outside);\n"
    "}\n"
    "#define MIDDLE \"void deep::innermost<int>(int, char const*)|deep.h|101;middle(char "
    "const*)|middle.h|201;\"\n"
    "#line 300 \"outer.cc\"\n"
    "ALONE void outer(int n) {\n"
    "    middle(MIDDLE \"outer(int)|outer.cc|301;\");\n"
    "    HERE(\"outer(int)|outer.cc|302;\");\n"
    "    if (n > 0) { int block = n; __asm__ volatile(\"\" : \"+r\"(block));\n"
    "        middle(MIDDLE \"outer(int)|outer.cc|304;\"); }\n"
    "    try {\n"
    "        middle(MIDDLE \"outer(int)|outer.cc|306;\");\n"
    "        if (n == 1) throw n;\n"
    "    } catch (int) {\n"
    "        middle(MIDDLE \"outer(int)|outer.cc|309;\");\n"
    "    }\n"
    "}\n"
    "namespace shop { struct Shelf { INLINE void put() {\n"
    "        HERE(\"shop::Shelf::put()|outer.cc|313;shop::count()|outer.cc|316;\");\n"
    "    } };\n"
    "ALONE void count() {\n"
    "    Shelf().put();\n"
    "} }\n"
    "extern \"C\" { INLINE void plain() {\n"
    "    HERE(\"plain|outer.cc|319;main|outer.cc|324;\");\n"
    "} }\n"
    "int main() {\n"
    "    volatile int one = 1; outer(one);\n"
    "    shop::count();\n"
    "    plain();\n"
    "}\n";
#define CXX_PLACES 7

static const char rust_source[] =
    "#[inline(never)] fn here(expected: &str) {\n"
    "    extern \"C\" { fn here_c(p: *const u8, n: usize); }\n"
    "    unsafe { here_c(expected.as_ptr(), expected.len()); }\n"
    "    std::hint::black_box(expected);\n"
    "}\n"
    "#[inline(always)] fn inner(expected: &str) {\n"
    "    here(expected); std::hint::black_box(expected);\n"
    "}\n"
    "#[inline(never)] fn outer() {\n"
    "    inner(\"rusty::inner|rusty.rs|7;rusty::outer|rusty.rs|10;\"); std::hint::black_box(0);\n"
    "    (|| inner(\"rusty::inner|rusty.rs|7;rusty::outer::{{closure}}|rusty.rs|11;"
    "rusty::outer|rusty.rs|11;\"))(); std::hint::black_box(0);\n"
    "}\n"
    "fn main() { outer() }\n";

/* The caller of the Rust function that calls this: the frame pointer is kept. */
static const char rust_help[] =
    "#define _GNU_SOURCE\n"
    "#include <link.h>\n"
    "#include <stdint.h>\n"
    "#include <stdio.h>\n"
    "static int bias_of(struct dl_phdr_info *i, size_t n, void *b) {\n"
    "    (void)n; *(uintptr_t *)b = i->dlpi_addr; return 1; }\n"
    "void here_c(const char *p, size_t n) {\n"
    "    uintptr_t bias = 0, *frame = __builtin_frame_address(0);\n"
    "    dl_iterate_phdr(bias_of, &bias);\n"
    "    printf(\"%zx %.*s\\n\", ((uintptr_t *)frame[0])[1] - 1 - bias, (int)n, p);\n"
    "    fflush(stdout);\n"
    "}\n";

static void describe(const struct symbol *found, size_t count, char *text, size_t room) {
    *text = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *file = found[i].file != NULL ? found[i].file : "?";
        const char *slash = strrchr(file, '/');
        size_t used = strlen(text);
        snprintf(text + used, room - used, "%s|%s|%u;",
                 found[i].function != NULL ? found[i].function : "?",
                 slash != NULL ? slash + 1 : file, found[i].line);
    }
}

/* What must be found of an expectation: all of it, the last function and the first line, or files
 * and lines alone. */
enum expect { ALL, OUTER, LINES };

static void cut(char *expected, enum expect expect) {
    char function[300], source[300];
    if (expect == ALL)
        return;
    if (expect == LINES) {
        char *to = expected;
        for (const char *p = expected; *p != '\0'; p++) {
            p += strcspn(p, "|");
            while (*p != ';')
                *to++ = *p++;
        }
        *to = '\0';
        return;
    }
    char *last = expected, *semicolon;
    while ((semicolon = strchr(last, ';')) != NULL && semicolon[1] != '\0')
        last = semicolon + 1;
    snprintf(function, sizeof function, "%.*s", (int)strcspn(last, "|"), last);
    char *bar = strchr(expected, '|');
    snprintf(source, sizeof source, "%.*s", (int)strcspn(bar, ";"), bar);
    sprintf(expected, "%s%s;", function, source);
}

static void check_places(const char *program, unsigned expected_places, enum expect expect) {
    char command[300], path[300], expected[1000], text[1000];
    struct symbols *s = symbols_new(true);
    struct symbol found[8], one;
    unsigned places = 0;
    size_t vaddr;
    snprintf(path, sizeof path, "%s/%s", directory, program);
    snprintf(command, sizeof command, "cd %s && ./%s", directory, program);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fscanf(f, "%zx %999[^\n]", &vaddr, expected) == 2) {
        size_t count = symbols_frames(s, path, NULL, 0, vaddr, found, 8);
        assert_true(count >= 1);
        describe(found, count, text, sizeof text);
        cut(expected, expect);
        if (expect == LINES)
            cut(text, expect);
        assert_string_equal(text, expected);
        /* The single answer: the function whose code it is, with the innermost line. */
        assert_true(symbols_lookup(s, path, NULL, 0, vaddr, &one));
        assert_string_equal(one.function, found[count - 1].function);
        assert_int_equal(one.line, found[0].line);
        places++;
    }
    assert_int_equal(pclose(f), 0);
    assert_int_equal(places, expected_places);
    symbols_free(s);
}

/* Without a part of the function that goes by another name. */
#define GXX "g++ -fno-reorder-blocks-and-partition"

static void build(const char *compiler, const char *flags) {
    assert_true(run("%s -O2 %s inlined.cc -o inlined", compiler, flags));
}

static void test_gcc(void **state) {
    static const char *const flags[] = {"-g",       "-g -gdwarf-4",
                                        "-g -gz",   "-g -no-pie",
                                        "-g -O1",   "-g -gsplit-dwarf",
                                        "-g -flto", "-g -ffunction-sections"};
    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        build(GXX, flags[i]);
        check_places("inlined", CXX_PLACES, ALL);
    }
}

static void test_clang(void **state) {
    static const char *const flags[] = {"-g", "-gdwarf-4", "-g -gsplit-dwarf",
                                        "-g -ffunction-sections"};
    (void)state;
    if (!run("command -v clang++ >/dev/null"))
        skip();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        build("clang++", flags[i]);
        check_places("inlined", CXX_PLACES, ALL);
    }
    build("clang++", "-gline-tables-only"); /* names are there without what they belong to */
    check_places("inlined", CXX_PLACES, LINES);
}

static void test_split_without_its_file(void **state) {
    (void)state;
    build(GXX, "-g -gsplit-dwarf");
    assert_true(run("rm -f *.dwo"));
    check_places("inlined", CXX_PLACES, OUTER);
}

static void test_separate_debug_file(void **state) {
    (void)state;
    build(GXX, "-g");
    assert_true(
        run("objcopy --only-keep-debug inlined inlined.debug && strip -R .comment inlined && "
            "objcopy --add-gnu-debuglink=inlined.debug inlined"));
    check_places("inlined", CXX_PLACES, ALL);
}

static void test_rust(void **state) {
    (void)state;
    if (!run("command -v rustc >/dev/null"))
        skip();
    assert_true(run("gcc -O1 -fno-omit-frame-pointer -c help.c && ar rcs libhelp.a help.o && "
                    "rustc -O -g -C force-frame-pointers=yes -L . -l static=help rusty.rs"));
    check_places("rusty", 2, ALL);
    assert_true(run("sed -i 's/{{closure}}/{closure#0}/' rusty.rs && "
                    "rustc -O -g -C force-frame-pointers=yes -C symbol-mangling-version=v0 -L . "
                    "-l static=help rusty.rs"));
    check_places("rusty", 2, ALL);
}

static int set_up(void **state) {
    if (programs_enter(state) != 0)
        return -1;
    write_file("inlined.cc", cxx_source);
    write_file("rusty.rs", rust_source);
    write_file("help.c", rust_help);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_clang),
        cmocka_unit_test(test_split_without_its_file),
        cmocka_unit_test(test_separate_debug_file),
        cmocka_unit_test(test_rust),
    };
    return cmocka_run_group_tests(tests, set_up, programs_leave);
}
