/* SPDX-License-Identifier: MIT */
/* What symbols_prepare() finds out ahead, in several threads, is what would have been found. */
#include "symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "built_programs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES 3000
#define STEP      149 /* inlined functions and plain ones, code and what lies between */

static const char source[] = "#include <algorithm>\n"
                             "#include <map>\n"
                             "#include <string>\n"
                             "#include <vector>\n"
                             "int main(int argc, char **argv) {\n"
                             "    std::map<std::string, std::vector<int>> m;\n"
                             "    for (int i = 0; i < argc; i++) m[argv[i]].push_back(i);\n"
                             "    for (auto &e : m) std::sort(e.second.begin(), e.second.end());\n"
                             "    return (int)m.size();\n"
                             "}\n";

static const char *const file[] = {"./one", "./two", "./three"};
#define FILES 3

static void list_wanted(struct symbols_wanted *wanted, uint64_t *vaddr) {
    for (size_t i = 0; i < ADDRESSES; i++)
        vaddr[i] = 0x1000 + i * STEP;
    for (size_t i = 0; i < FILES; i++)
        wanted[i] = (struct symbols_wanted){.path = file[i], .vaddr = vaddr, .count = ADDRESSES};
    wanted[FILES] = wanted[0]; /* once more, with fewer */
    wanted[FILES].count = 10;
    wanted[FILES + 1] = (struct symbols_wanted){.path = "./gone", .vaddr = vaddr, .count = 10};
    wanted[FILES + 2] = (struct symbols_wanted){.path = "[vdso]", .vaddr = vaddr, .count = 10};
}

static void same_text(const char *a, const char *b) {
    assert_true((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
}

static void test_same_answers(void **state) {
    (void)state;
    static uint64_t vaddr[ADDRESSES];
    static struct symbol plain[SYMBOLS_INLINED_MAX], ahead[SYMBOLS_INLINED_MAX];
    struct symbols_wanted wanted[FILES + 3];
    struct symbols *s = symbols_new(true), *t = symbols_new(true);
    size_t inlined = 0, known = 0;
    list_wanted(wanted, vaddr);
    symbols_prepare(s, wanted, FILES + 3);
    for (size_t f = 0; f < FILES; f++)
        for (size_t i = 0; i < ADDRESSES; i++) {
            size_t n = symbols_frames(t, file[f], NULL, 0, vaddr[i], plain, SYMBOLS_INLINED_MAX);
            assert_int_equal(symbols_frames(s, file[f], NULL, 0, vaddr[i], ahead,
                                            SYMBOLS_INLINED_MAX),
                             n);
            known += n != 0;
            inlined += n > 1;
            for (size_t k = 0; k < n; k++) {
                same_text(plain[k].function, ahead[k].function);
                same_text(plain[k].linkage, ahead[k].linkage);
                same_text(plain[k].plain, ahead[k].plain);
                same_text(plain[k].file, ahead[k].file);
                assert_int_equal(plain[k].line, ahead[k].line);
            }
        }
    assert_true(known > 100 && inlined > 10);
    /* not prepared, asked for all the same */
    assert_int_equal(symbols_frames(s, file[0], NULL, 0, 0x1001, ahead, SYMBOLS_INLINED_MAX),
                     symbols_frames(t, file[0], NULL, 0, 0x1001, plain, SYMBOLS_INLINED_MAX));
    symbols_free(s);
    symbols_free(t);
}

/* The files are read by symbols_prepare() and not later. */
static void test_read_ahead(void **state) {
    (void)state;
    static uint64_t vaddr[ADDRESSES];
    static struct symbol out[SYMBOLS_INLINED_MAX];
    struct symbols_wanted wanted[FILES + 3];
    size_t known = 0;
    struct symbols *s = symbols_new(true);
    list_wanted(wanted, vaddr);
    symbols_prepare(s, wanted, FILES + 3);
    for (size_t f = 0; f < FILES; f++)
        assert_int_equal(unlink(file[f]), 0);
    for (size_t f = 0; f < FILES; f++)
        for (size_t i = 0; i < ADDRESSES; i++)
            known += symbols_frames(s, file[f], NULL, 0, vaddr[i], out, SYMBOLS_INLINED_MAX) != 0;
    assert_true(known > 100);
    symbols_free(s);
}

static int set_up(void **state) {
    if (programs_enter(state) != 0 || chdir(directory) != 0)
        return -1;
    write_file("map.cc", source);
    return run("g++ -O2 -g -o one map.cc && cp one two && g++ -O0 -g -o three map.cc") ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answers),
        cmocka_unit_test(test_read_ahead),
    };
    return cmocka_run_group_tests(tests, set_up, programs_leave);
}
