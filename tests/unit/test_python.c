/* SPDX-License-Identifier: MIT */
/* Frames of Python functions: what events say of them, and which places of a stack are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "python.h"
#include "tree.h"

static void tell_code(struct python *p, uint32_t number, const char *name, const char *file) {
    uint8_t bytes[256];
    const struct tape_python_code code = {
        .line = 3, .name_len = strlen(name), .name = name, .file_len = strlen(file), .file = file};
    struct tape_in in = tape_in_of(bytes, (size_t)(tape_put_python_code(bytes, &code) - bytes));
    assert_int_equal(python_take(p, number, &in), TAPE_OK);
}

static void tell_interpreter(struct python *p, uint64_t version, uint8_t state, uint64_t module) {
    uint8_t bytes[TAPE_PYTHON_BYTES];
    const struct tape_python y = {.version = version, .state = state, .module = module};
    struct tape_in in = tape_in_of(bytes, (size_t)(tape_put_python(bytes, &y) - bytes));
    assert_int_equal(python_take(p, 0, &in), TAPE_OK);
}

static void expect(const struct python *p, uint64_t address, const char *function, const char *file,
                   unsigned line) {
    struct symbol s;
    assert_true(tape_python_is(address));
    assert_true(python_lookup(p, address, &s));
    assert_string_equal(s.function, function);
    assert_string_equal(s.file, file);
    assert_int_equal(s.line, line);
}

static void addresses(void **state) {
    (void)state;
    assert_false(tape_python_is(0x7fffffffffff));
    assert_false(tape_python_is(UINT64_C(0xffffffffffff00))); /* 56 bits */
    assert_false(tape_python_is(UINT64_C(0xffffffffff600000)));
    uint64_t last = tape_python_address(TAPE_PYTHON_NUMBER_MAX, TAPE_PYTHON_LINE_MAX);
    assert_int_equal(last, UINT64_C(0xefffffffffffff));
    assert_int_equal(tape_python_number(last), TAPE_PYTHON_NUMBER_MAX);
    assert_int_equal(tape_python_line(last), TAPE_PYTHON_LINE_MAX);
}

static void events(void **state) {
    (void)state;
    struct python *p = python_new();
    struct symbol s;
    assert_false(python_lookup(p, tape_python_address(7, 9), &s)); /* its event is lost */
    assert_string_equal(s.function, "<unknown>");
    assert_int_equal(s.line, 9);
    tell_code(p, 7, "Class.method", "/src/a.py");
    tell_code(p, 7, "Class.method", "/src/a.py"); /* by another stream */
    tell_code(p, 8, "<module>", "");
    expect(p, tape_python_address(7, 9), "Class.method", "/src/a.py", 9);
    expect(p, tape_python_address(8, 0), "<module>", "", 0);

    /* A name that is longer than the event, and a number that no frame can have. */
    struct tape_in in = tape_in_of("\x03\x0a"
                                   "abc",
                                   5);
    assert_int_not_equal(python_take(p, 9, &in), TAPE_OK);
    assert_false(python_lookup(p, tape_python_address(9, 1), &s));
    in = tape_in_of("\x03\x01"
                    "abc",
                    5);
    assert_int_not_equal(python_take(p, UINT64_C(1) << 28, &in), TAPE_OK);
    python_free(p);
}

static void interpreters(void **state) {
    (void)state;
    struct python *p = python_new();
    tell_interpreter(p, 0x030b02f0, TAPE_PYTHON_RECORDED, 0x400000);
    tell_interpreter(p, 0x030b02f0, TAPE_PYTHON_RECORDED, 0x400000);
    tell_interpreter(p, 0x030c01f0, TAPE_PYTHON_VERSION, 0x800000);
    assert_true(python_is_interpreter(p, 0x400000));
    assert_false(python_is_interpreter(p, 0x800000));
    assert_non_null(python_interpreter(p, 1));
    assert_null(python_interpreter(p, 2));
    char *version = python_version(0x030b02f0), *none = python_version(0);
    assert_string_equal(version, "3.11.2");
    assert_string_equal(none, "older than 3.11");
    free(version);
    free(none);
    python_free(p);
}

/* Recordings number their code as they meet it: equal code is one in a joined one. */
static void joins(void **state) {
    (void)state;
    struct python *a = python_new(), *b = python_new(), *to = python_new();
    tell_code(a, 1, "f", "a.py");
    tell_code(a, 2, "g", "a.py");
    tell_code(b, 1, "g", "a.py");
    tell_code(b, 2, "g", "b.py");
    uint64_t f = python_join(to, a, tape_python_address(1, 5));
    uint64_t g = python_join(to, a, tape_python_address(2, 6));
    assert_int_not_equal(f, g);
    assert_int_equal(python_join(to, b, tape_python_address(1, 6)), g);
    assert_int_not_equal(python_join(to, b, tape_python_address(2, 6)), g);
    assert_int_not_equal(python_join(to, b, tape_python_address(1, 7)), g);
    struct symbol s;
    assert_false(python_lookup(to, python_join(to, b, tape_python_address(9, 4)), &s));
    python_free(a); /* the joined texts are copies */
    python_free(b);
    expect(to, f, "f", "a.py", 5);
    expect(to, g, "g", "a.py", 6);
    python_free(to);
}

/* ---- which places are shown --------------------------------------------------------------- */

#define PYTHON  UINT64_C(0x400000) /* the interpreter's module; the other ones' */
#define LIBRARY UINT64_C(0x800000)

static size_t look_up(void *context, const struct module *m, uint64_t vaddr, struct symbol *out,
                      size_t room) {
    static const char *const name[] = {"loop", "PyMem_Malloc", "start", "main", "_start"};
    (void)context;
    (void)room;
    if (m->start == LIBRARY)
        out[0] = (struct symbol){.function = "library"};
    else
        out[0] = (struct symbol){.function = name[vaddr / 0x100 - PYTHON / 0x100]};
    return 1;
}
enum { LOOP, ALLOCATE, START, MAIN, CRT };

/* The labels of the places shown, from the inside out, of a stack of addresses, outermost first. */
static void expect_shown(struct stacks *stacks, struct names *names, const uint64_t *address,
                         size_t count, const char *shown) {
    char text[256] = "";
    uint32_t stack = 0;
    for (size_t i = 0; i < count; i++)
        stack = stacks_push(stacks, stack, stacks_intern_frame(stacks, address[i], 0));
    for (uint32_t p = tree_innermost(names, stack); p != 0; p = tree_outer(names, p)) {
        strcat(text, names_get(names, names_of(names, p))->function);
        strcat(text, " ");
    }
    assert_string_equal(text, shown);
}
#define SHOWN(shown, ...)                                                                          \
    expect_shown(stacks, names, (const uint64_t[]){__VA_ARGS__},                                   \
                 sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), shown)

static void shown_with(const struct folding *folding, bool folded) {
    struct stacks *stacks = stacks_new();
    const struct module python = {PYTHON, PYTHON + 0x1000, 0, 0, UINT64_MAX, "/bin/p", {0}, 0};
    const struct module library = {LIBRARY, LIBRARY + 0x1000, 0, 0, UINT64_MAX, "/lib/l", {0}, 0};
    struct names *names = names_new_lookup(stacks, look_up, NULL);
    names_fold(names, folding);
    stacks_add_module(stacks, &python);
    stacks_add_module(stacks, &library);
    tell_interpreter(stacks_python(stacks), 0x030b02f0, TAPE_PYTHON_RECORDED, PYTHON);
    tell_code(stacks_python(stacks), 1, "outer", "a.py");
    tell_code(stacks_python(stacks), 2, "main", "a.py"); /* is not C's */
    tell_code(stacks_python(stacks), 3, "_find", "<frozen importlib._bootstrap>");
    const uint64_t loop = PYTHON + 0x100 * LOOP + 9, allocate = PYTHON + 0x100 * ALLOCATE + 9,
                   start = PYTHON + 0x100 * START + 9, crt = PYTHON + 0x100 * CRT + 9,
                   entry = PYTHON + 0x100 * MAIN + 9, code = LIBRARY + 9,
                   outer = tape_python_address(1, 1), inner = tape_python_address(2, 2),
                   import = tape_python_address(3, 3);
    if (folded) {
        SHOWN("main outer ", crt, entry, start, loop, outer, inner, loop, allocate);
        SHOWN("main outer ", crt, entry, start, loop, outer, loop, allocate, loop, inner, allocate);
        SHOWN("library main outer ", crt, entry, loop, outer, loop, inner, allocate, code);
        SHOWN("main outer ", crt, entry, loop, outer, loop, import, import, loop, inner, allocate);
        SHOWN("outer library ", crt, code, start, loop, outer, allocate); /* Python inside */
    } else {
        SHOWN("PyMem_Malloc loop main outer loop start main ", crt, entry, start, loop, outer,
              inner, loop, allocate);
    }
    /* No Python yet: what is plumbing anyway is left out. */
    SHOWN(folded ? "start main " : "PyMem_Malloc start main ", crt, entry, start, allocate);
    SHOWN("library start main ", crt, entry, start, code);
    names_free(names);
    stacks_free(stacks);
}

static void shown(void **state) {
    (void)state;
    const struct folding on = {0}, off = {.off = true};
    shown_with(&on, true);
    shown_with(NULL, true);
    shown_with(&off, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses), cmocka_unit_test(events), cmocka_unit_test(interpreters),
        cmocka_unit_test(joins),     cmocka_unit_test(shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
