/* SPDX-License-Identifier: MIT */
/* Names of code made at run time: lines as runtimes write them, overlaps, whose file it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "jit_map.h"
#include "scratch_directory.h"

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void expect(const struct jit_map *m, uint64_t address, const char *function,
                   const char *file, unsigned line) {
    struct symbol found;
    assert_true(jit_map_lookup(m, address, &found));
    assert_string_equal(found.function, function);
    assert_null(found.linkage);
    if (file == NULL)
        assert_null(found.file);
    else
        assert_string_equal(found.file, file);
    assert_int_equal(found.line, line);
}

static void lines(void **state) {
    static const char path[] = "perf.map";
    struct symbol found;
    (void)state;
    write_file(path, "7f0000001000 100 JS:*makeThings /src/a b.js:12:5\n"
                     "7f0000001100 100 JS:~ /src/a.js:1:1\n"
                     "7f0000001200 80 LazyCompile:^load node:internal/loader:155:31\n"
                     "7f0000001280 80 Builtin:ArrayPush\n"
                     "not a line\n"
                     "7f0000001300 0 nothing\n"
                     "7f0000001300 100 py::outer:/src/x.py\n"
                     "7f0000001400 100 java.lang.String::hashCode\n"
                     "7f0000001500 100 JS:*\n"
                     "7f0000001500 20 moved later\n"
                     "7f0000001700 20 JS:~again /src/a.js:3:1\n"
                     "7f0000001700 40 JS:*again /src/a.js:3:1\n"
                     "7f0000001410 10 Lorg/Inner; ::call\n"
                     "fffffffffffffff0 100 beyond\n");
    struct jit_map *m = jit_map_read(path);
    assert_non_null(m);
    assert_false(jit_map_lookup(m, 0x7f0000000fff, &found));
    expect(m, 0x7f0000001000, "makeThings", "/src/a b.js", 12);
    expect(m, 0x7f00000010ff, "makeThings", "/src/a b.js", 12);
    expect(m, 0x7f0000001100, "(anonymous)", "/src/a.js", 1);
    expect(m, 0x7f0000001210, "load", "node:internal/loader", 155);
    expect(m, 0x7f0000001290, "Builtin:ArrayPush", NULL, 0);
    expect(m, 0x7f0000001300, "outer", "/src/x.py", 0);
    expect(m, 0x7f000000140f, "java.lang.String::hashCode", NULL, 0);
    expect(m, 0x7f0000001410, "Lorg/Inner; ::call (?)", NULL, 0);
    expect(m, 0x7f0000001420, "java.lang.String::hashCode", NULL, 0);
    expect(m, 0x7f0000001710, "again", "/src/a.js", 3); /* compiled twice: no doubt */
    expect(m, 0x7f0000001510, "moved later (?)", NULL, 0);
    expect(m, 0x7f0000001520, "JS:*", NULL, 0);
    assert_false(jit_map_lookup(m, 0x7f0000001600, &found));
    assert_false(jit_map_lookup(m, UINT64_MAX, &found));
    jit_map_free(m);
    write_file(path, "no map at all\n");
    assert_null(jit_map_read(path));
    unlink(path);
    assert_null(jit_map_read(path));
    assert_null(jit_map_read("/dev/null"));
}

static void whose(void **state) {
    char path[64];
    (void)state;
    struct tape_process p = {.pid = (uint64_t)getpid()};
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    unlink(path);
    assert_null(jit_map_of(&p));
    write_file(path, "1000 10 f\n");
    struct jit_map *m = jit_map_of(&p);
    assert_non_null(m);
    jit_map_free(m);
    p.start_real = UINT64_MAX / 2; /* the process came later: the file is another's */
    assert_null(jit_map_of(&p));
    unlink(path);
}

/* Lines that overlap keep their order: the excerpt names the same addresses as the whole. */
static void excerpt(void **state) {
    static const char text[] = "1000 100 first\n"
                               "1400 100 JS:*never /a.js:1:1\n"
                               "1200 100 JS:*kept /a.js:7:1\n"
                               "1080 10 moved there\n";
    (void)state;
    struct jit_map *m = jit_map_parse(text);
    assert_non_null(m);
    assert_true(jit_map_use(m, 0x1000));
    assert_true(jit_map_use(m, 0x1210));
    assert_true(jit_map_use(m, 0x1088));
    assert_false(jit_map_use(m, 0x1300));
    size_t length;
    char *used = jit_map_text_of_used(m, &length);
    assert_string_equal(used, "1000 100 first\n1200 100 JS:*kept /a.js:7:1\n1080 10 moved there\n");
    assert_int_equal(length, strlen(used));
    jit_map_free(m);
    m = jit_map_parse(used);
    free(used);
    expect(m, 0x107f, "first", NULL, 0);
    expect(m, 0x1088, "moved there (?)", NULL, 0);
    expect(m, 0x12ff, "kept", "/a.js", 7);
    jit_map_free(m);
    assert_null(jit_map_parse("nothing\n"));
    assert_null(jit_map_parse(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(whose),
                                       cmocka_unit_test(excerpt)};
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
