/* SPDX-License-Identifier: MIT */
/* Names kept for the next report: what comes back, what makes them void, damage, the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch_directory.h"
#include "symbol_cache.h"

static const uint8_t id[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static struct symbol_cache *cache_of(const char *settings) {
    mkdir("cache", 0700);
    struct symbol_cache *c = symbol_cache_open("cache", "module", id, sizeof id, settings);
    assert_non_null(c);
    return c;
}

static const struct symbol frames[] = {
    {.function = "inner", .linkage = "_Zinner", .plain = "in", .file = "/src/a.h", .line = 7},
    {.function = "outer", .linkage = "outer", .file = "/src/a.c", .line = 9},
};

/* A cache of three addresses, whose names are from ./module and would be from ./debug. */
static void fill(void) {
    write_file("module", "code");
    unlink("debug");
    struct symbol_cache *c = cache_of("here");
    symbol_cache_depend(c, "module");
    symbol_cache_depend(c, "debug");
    symbol_cache_describe(c, MODULE_NO_DEBUG, "other.debug");
    symbol_cache_add(c, 0x2000, frames, 2);
    symbol_cache_add(c, 0x1000, &frames[1], 1);
    symbol_cache_add(c, 0x3000, NULL, 0);
    symbol_cache_add(c, 0x1000, &frames[1], 1);
    assert_true(symbol_cache_close(c));
}

static void expect_text(const char *found, const char *expected) {
    if (expected == NULL)
        assert_null(found);
    else
        assert_string_equal(found, expected);
}

static void expect_frames(const struct symbol_cache *c, uint64_t vaddr,
                          const struct symbol *expected, size_t count) {
    struct symbol out[SYMBOLS_INLINED_MAX];
    size_t n = 99;
    assert_true(symbol_cache_find(c, vaddr, out, &n));
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        expect_text(out[i].function, expected[i].function);
        expect_text(out[i].linkage, expected[i].linkage);
        expect_text(out[i].plain, expected[i].plain);
        expect_text(out[i].file, expected[i].file);
        assert_int_equal(out[i].line, expected[i].line);
    }
}

static void comes_back(void **state) {
    struct symbol out[SYMBOLS_INLINED_MAX];
    size_t n;
    (void)state;
    fill();
    struct symbol_cache *c = cache_of("here");
    assert_true(symbol_cache_good(c));
    assert_int_equal(symbol_cache_status(c), MODULE_NO_DEBUG);
    assert_string_equal(symbol_cache_other_build(c), "other.debug");
    expect_frames(c, 0x1000, &frames[1], 1);
    expect_frames(c, 0x2000, frames, 2);
    expect_frames(c, 0x3000, NULL, 0);
    assert_false(symbol_cache_find(c, 0x1001, out, &n));
    assert_false(symbol_cache_close(c)); /* nothing was added */

    /* what is added joins what was there, and what was there stays */
    c = cache_of("here");
    symbol_cache_depend(c, "module");
    symbol_cache_depend(c, "debug");
    symbol_cache_describe(c, MODULE_NO_DEBUG, NULL);
    symbol_cache_add(c, 0x1800, &frames[0], 1);
    symbol_cache_add(c, 0x2000, &frames[1], 1);
    symbol_cache_add(c, 0x4000, &frames[0], 2);
    assert_true(symbol_cache_close(c));
    c = cache_of("here");
    expect_frames(c, 0x1000, &frames[1], 1);
    expect_frames(c, 0x1800, &frames[0], 1);
    expect_frames(c, 0x2000, frames, 2);
    expect_frames(c, 0x3000, NULL, 0);
    expect_frames(c, 0x4000, frames, 2);
    assert_null(symbol_cache_other_build(c));
    symbol_cache_close(c);
}

static void expect_void(const char *settings) {
    struct symbol_cache *c = cache_of(settings);
    assert_false(symbol_cache_good(c));
    symbol_cache_close(c);
}

static void void_when_files_change(void **state) {
    (void)state;
    fill();
    expect_void("elsewhere");
    write_file("debug", "it came");
    expect_void("here");
    unlink("debug");
    write_file("module.new", "code");
    assert_int_equal(rename("module.new", "module"), 0); /* the same bytes, another file */
    expect_void("here");
    fill();
    unlink("module");
    expect_void("here");
    fill();
    struct symbol_cache *c = symbol_cache_open("cache", "other", id, sizeof id, "here");
    assert_false(symbol_cache_good(c));
    symbol_cache_close(c);
}

static void forbidden(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct symbol_cache *c = cache_of(i == 0 ? "forbidden" : "missing");
        symbol_cache_depend(c, "module");
        symbol_cache_describe(c, i == 0 ? MODULE_OK : MODULE_MISSING, NULL);
        if (i == 0)
            symbol_cache_forbid(c);
        symbol_cache_add(c, 0x1000, frames, 2);
        assert_false(symbol_cache_close(c));
        expect_void(i == 0 ? "forbidden" : "missing");
    }
}

/* The one file in the directory. */
static void find_file(char *path, size_t room) {
    FILE *in = popen("ls cache/*.names", "r");
    assert_non_null(in);
    assert_non_null(fgets(path, (int)room, in));
    path[strcspn(path, "\n")] = '\0';
    pclose(in);
}

static void damage(void **state) {
    char path[256], bytes[4096];
    (void)state;
    assert_int_equal(system("rm -rf cache"), 0);
    fill();
    find_file(path, sizeof path);
    FILE *f = fopen(path, "r");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_in_range(n, 100, sizeof bytes - 1);
    for (size_t i = 0; i < n; i++) { /* every byte, and every length */
        bytes[i] ^= 0x11;
        f = fopen(path, "w");
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
        expect_void("here");
        bytes[i] ^= 0x11;
        assert_int_equal(truncate(path, 0), 0);
        f = fopen(path, "w");
        assert_int_equal(fwrite(bytes, 1, i, f), i);
        fclose(f);
        expect_void("here");
    }
    fill(); /* takes the damaged one's place */
    struct symbol_cache *c = cache_of("here");
    assert_true(symbol_cache_good(c));
    symbol_cache_close(c);
    unlink(path);
    assert_int_equal(symlink("/dev/zero", path), 0);
    expect_void("here");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_void("here");
}

static void bound(void **state) {
    (void)state;
    assert_int_equal(
        system("rm -rf cache; mkdir cache; cd cache; for i in 1 2 3 4; do head -c 1000 /dev/zero "
               ">$i.names; touch -d 2026-01-0$i $i.names; done; touch -d 2026-01-03 .new-abc; "
               "touch .new-def; head -c 9000 /dev/zero >somebody-elses; mkdir 5.names"),
        0);
    symbol_cache_trim("cache", 2500);
    assert_int_equal(system("cd cache; test \"$(ls -A | xargs)\" = '.new-def 3.names 4.names "
                            "5.names somebody-elses'"),
                     0);
    symbol_cache_trim("cache", 0);
    symbol_cache_trim("nowhere", 0);
    assert_int_equal(system(
                         "cd cache; test \"$(ls -A | xargs)\" = '.new-def 5.names somebody-elses'"),
                     0);
}

static void where(void **state) {
    char expected[4200], here[4096];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", here, 1);
    snprintf(expected, sizeof expected, "%s/.cache/heaptape", here);
    for (int i = 0; i < 2; i++) {
        char *found = symbol_cache_directory();
        expect_text(found, expected);
        free(found);
        snprintf(expected, sizeof expected, "%s/xdg/heaptape", here);
        char base[4200];
        snprintf(base, sizeof base, "%s/xdg", here);
        setenv("XDG_CACHE_HOME", base, 1);
    }
    write_file("file", "");
    snprintf(expected, sizeof expected, "%s/file", here);
    setenv("XDG_CACHE_HOME", expected, 1);
    assert_null(symbol_cache_directory());
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_null(symbol_cache_directory());
}

static int leave(void **state) {
    return system("rm -rf cache .cache xdg") != 0 || scratch_leave(state) != 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back), cmocka_unit_test(void_when_files_change),
        cmocka_unit_test(forbidden),  cmocka_unit_test(damage),
        cmocka_unit_test(bound),      cmocka_unit_test(where),
    };
    return cmocka_run_group_tests(tests, scratch_enter, leave);
}
