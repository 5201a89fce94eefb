/* SPDX-License-Identifier: MIT */
/*
 * The symbolizer against programs that know the answer: a little program prints, for each of its
 * calls, the function, the line and the address; the symbolizer must say the same offline.
 */
#include "demangle.h"
#include "symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "built_programs.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t build_id[] = {1, 2, 3, 4, 5, 6, 7, 8};
#define BUILD_ID_FLAG "-Wl,--build-id=0x0102030405060708"

/* ---- programs to look at ------------------------------------------------------------------- */

/* `here` prints its caller: "address line exported? name". HERE's barrier prevents a tail call. */
static const char places_source[] =
    "#include <link.h>\n"
    "#include <cstdint>\n"
    "#include <cstdio>\n"
    "static int bias_of(dl_phdr_info *i, size_t, void *b) { *(uintptr_t *)b = i->dlpi_addr; return "
    "1; }\n"
    "extern \"C\" __attribute__((noinline)) void here(int line, int exported, const char *name) {\n"
    "    uintptr_t bias = 0;\n"
    "    dl_iterate_phdr(bias_of, &bias);\n"
    "    printf(\"%zx %d %d %s\\n\", (uintptr_t)__builtin_return_address(0) - 1 - bias, line, "
    "exported, name);\n"
    "}\n"
    "#define HERE(exported, name) do { here(__LINE__, exported, name); __asm__ volatile(\"\"); } "
    "while (0)\n"
    "namespace shop {\n"
    "template <class T> struct Shelf { __attribute__((noinline)) void put(T) { HERE(1, "
    "\"shop::Shelf<int>::put(int)\"); } };\n"
    "__attribute__((noinline)) void count(const char *) { HERE(1, \"shop::count(char const*)\"); "
    "}\n"
    "}\n"
    "static __attribute__((noinline)) void hidden(int) { HERE(0, \"hidden(int)\"); }\n"
    "static __attribute__((always_inline)) inline void inlined() { HERE(1, \"outer\"); }\n"
    "extern \"C\" __attribute__((noinline)) void outer() { inlined(); }\n"
    "int main() { shop::Shelf<int>().put(1); shop::count(\"\"); hidden(1); outer(); HERE(1, "
    "\"main\"); }\n";

/* Code at known places: each 64 bytes begin something else. */
static const char odd_source[] =
    ".text\n.globl sized\n.type sized,@function\n"
    "sized: .cfi_startproc\n nop\n ret\n .cfi_endproc\n .skip 14,0x90\n .size sized,.-sized\n"
    "behind: nop\n"
    ".balign 64\n.globl bare\nbare: nop\n ret\n"
    ".balign 64\n .cfi_startproc\n nop\n ret\n .cfi_endproc\n" /* a function without its name */
    ".balign 64\n.globl big,_alias,better\n.type big,@function\n.size big,64\n"
    "big: .skip 16,0x90\n"
    ".type small,@function\n.size small,16\nsmall: .skip 16,0x90\n"
    ".balign 64\n.type _alias,@function\n.type better,@function\n"
    ".size _alias,16\n.size better,16\n"
    "_alias: better: .skip 16,0x90\n"
    ".balign 64\n.type entered,@function\n.size entered,16\n"
    "entered: .skip 8,0x90\nentry: .skip 8,0x90\n"
    ".balign 64\nlast: .skip 64,0x90\n"
    ".section .text2,\"ax\"\n .skip 64,0x90\n"
    ".globl long\n.type long,@function\n.size long,1<<40\nlong: .skip 64,0x90\n"
    ".section .text3,\"ax\"\n .skip 64,0x90\n"
    ".data\n.globl table\ntable: .skip 64\n";

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

enum expect { EXPORTED_NAMES = 1, ALL_NAMES = 2, LINES = 4 };

/* Runs the program and asks about every place it prints; `as` is the file to ask about. */
static void check_places(const char *program, const char *as, enum symbols_module_status status,
                         unsigned expected) {
    struct symbols *s = symbols_new(true);
    struct symbol found;
    char command[300], name[100], source[300];
    unsigned line, exported, places = 0;
    size_t vaddr;
    snprintf(source, sizeof source, "%s/sub/places.cc", directory);
    snprintf(command, sizeof command, "%s/%s", directory, program);
    assert_int_equal(symbols_module_status(s, path_of(as), build_id, sizeof build_id), status);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fscanf(f, "%zx %u %u %99[^\n]", &vaddr, &line, &exported, name) == 4) {
        bool named = (expected & ALL_NAMES) || (exported && (expected & EXPORTED_NAMES));
        bool known = symbols_lookup(s, path_of(as), build_id, sizeof build_id, vaddr, &found);
        assert_int_equal(known, named || (expected & LINES));
        if (named)
            assert_string_equal(found.function, name);
        else
            assert_null(found.function);
        assert_int_equal(found.line, expected & LINES ? line : 0);
        if (expected & LINES)
            assert_string_equal(found.file, source);
        else
            assert_null(found.file);
        places++;
    }
    pclose(f);
    assert_int_equal(places, 5);
    symbols_free(s);
}

static void build(const char *compiler, const char *flags, const char *program) {
    assert_true(run("%s -O1 %s " BUILD_ID_FLAG " sub/places.cc -o %s", compiler, flags, program));
}

/* ---- modules ------------------------------------------------------------------------------- */

static void test_kinds_of_build(void **state) {
    static const char *const flags[] = {
        "-g", "-g -no-pie", "-g -gdwarf-4", "-g -gz", "-g -gsplit-dwarf", "-g -static",
    };
    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        build("g++", flags[i], "places");
        check_places("places", "places", MODULE_OK, ALL_NAMES | LINES);
    }
    build("g++", "", "places");
    check_places("places", "places", MODULE_NO_DEBUG, ALL_NAMES);
    build("g++", "-s -rdynamic", "places");
    check_places("places", "places", MODULE_NO_DEBUG, EXPORTED_NAMES);
    build("g++", "-s", "places");
    check_places("places", "places", MODULE_NO_SYMBOLS, 0);
}

static void test_units_without_aranges(void **state) {
    (void)state;
    if (!run("command -v clang++ >/dev/null"))
        skip();
    build("clang++", "-g", "places");
    check_places("places", "places", MODULE_OK, ALL_NAMES | LINES);
}

static void test_separate_debug_file(void **state) {
    (void)state;
    build("g++", "-g", "places");
    assert_true(run("objcopy --only-keep-debug places places.debug && strip places && "
                    "objcopy --add-gnu-debuglink=places.debug places"));
    check_places("places", "places", MODULE_OK, ALL_NAMES | LINES);
    assert_true(run("rm places.debug"));
    check_places("places", "places", MODULE_NO_SYMBOLS, 0);
}

static void test_mini_debug_info(void **state) {
    (void)state;
    if (!run("command -v xz >/dev/null"))
        skip();
    build("g++", "-g -rdynamic", "places");
    assert_true(run("objcopy -g places mini && strip places && rm -f mini.xz && xz mini && "
                    "objcopy --add-section .gnu_debugdata=mini.xz places"));
    check_places("places", "places", MODULE_NO_DEBUG, ALL_NAMES);
}

static void test_only_the_recorded_build_is_trusted(void **state) {
    (void)state;
    build("g++", "-g", "places");
    assert_true(run("g++ -g -Wl,--build-id=0x0102030405060709 sub/places.cc -o other &&"
                    "g++ -g -Wl,--build-id=none sub/places.cc -o none &&"
                    "g++ -g -Wl,--build-id=0x010203040506 sub/places.cc -o short"));
    check_places("places", "other", MODULE_REBUILT, 0);
    check_places("places", "none", MODULE_REBUILT, 0);
    check_places("places", "short", MODULE_REBUILT, 0);

    struct symbols *s = symbols_new(false);
    assert_int_equal(symbols_module_status(s, path_of("other"), build_id, sizeof build_id),
                     MODULE_REBUILT);
    assert_int_equal(symbols_module_status(s, path_of("other"), NULL, 0), MODULE_OK);
    assert_int_equal(symbols_module_status(s, path_of("none"), NULL, 0), MODULE_OK);
    symbols_free(s);
}

static void test_what_is_no_module(void **state) {
    static const struct {
        const char *path;
        enum symbols_module_status status;
    } cases[] = {
        {"", MODULE_VIRTUAL},          {"[vdso]", MODULE_VIRTUAL},
        {"[heap]", MODULE_VIRTUAL},    {"linux-vdso.so.1", MODULE_VIRTUAL},
        {"/dev/zero", MODULE_MISSING}, {"/no/such/lib.so (deleted)", MODULE_MISSING},
        {"/", MODULE_MISSING},
    };
    (void)state;
    struct symbols *s = symbols_new(true);
    struct symbol found;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(symbols_module_status(s, cases[i].path, NULL, 0), cases[i].status);
        memset(&found, 1, sizeof found);
        assert_false(symbols_lookup(s, cases[i].path, build_id, sizeof build_id, 0x1000, &found));
        assert_null(found.function);
        assert_null(found.linkage);
        assert_null(found.file);
        assert_int_equal(found.line, 0);
    }
    write_file("text", "no ELF file at all\n");
    assert_int_equal(symbols_module_status(s, path_of("text"), NULL, 0), MODULE_MISSING);
    write_file("empty", "");
    assert_int_equal(symbols_module_status(s, path_of("empty"), NULL, 0), MODULE_MISSING);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(symbols_module_status(s, path_of("fifo"), NULL, 0), MODULE_MISSING);
    symbols_free(s);
}

/* Each place of a damaged file once: any answer will do, a crash or a hang will not. */
static void test_damaged_files(void **state) {
    (void)state;
    build("g++", "-g", "places");
    FILE *f = fopen(path_of("places"), "r");
    assert_non_null(f);
    static unsigned char image[1 << 20];
    size_t n = fread(image, 1, sizeof image, f);
    fclose(f);
    assert_in_range(n, 1000, sizeof image - 1);
    for (unsigned seed = 1; seed <= 150; seed++) {
        unsigned random = seed;
        unsigned char *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, image, n);
        for (int i = 0; i < 200; i++) {
            random = random * 1103515245 + 12345;
            size_t at = seed % 3 == 0 && i < 4 ? 16 + random / 65536 % 48 : random / 7 % n;
            copy[at] = (unsigned char)(random >> 24);
        }
        f = fopen(path_of("damaged"), "w");
        assert_non_null(f);
        assert_int_equal(fwrite(copy, 1, seed % 5 == 0 ? n / 2 : n, f), seed % 5 == 0 ? n / 2 : n);
        fclose(f);
        free(copy);
        struct symbols *s = symbols_new(true);
        struct symbol found;
        for (uint64_t vaddr = 0; vaddr < 0x5000; vaddr += 61)
            symbols_lookup(s, path_of("damaged"), NULL, 0, vaddr, &found);
        symbols_free(s);
    }
}

/* ---- symbols ------------------------------------------------------------------------------- */

static void test_symbol_bounds(void **state) {
    static const struct {
        uint64_t offset;
        const char *function; /* NULL: no wrong name */
    } cases[] = {
        {0, "sized"},    {15, "sized"},  {16, "behind"},   {63, "behind"},    {64, "bare"},
        {127, "bare"},   {128, NULL},    {129, NULL},      {192, "big"},      {207, "big"},
        {208, "small"},  {223, "small"}, {224, "big"},     {255, "big"},      {256, "better"},
        {271, "better"}, {272, NULL},    {320, "entered"}, {335, "entered"},  {336, NULL},
        {384, "last"},   {447, "last"},  {0x10000, NULL},  {0x10040, "long"}, {0x1007f, "long"},
        {0x20000, NULL},
    };
    (void)state;
    write_file("odd.s", odd_source);
    assert_true(run("gcc -nostdlib -shared -Wl,-Ttext=0x100000 -Wl,--section-start=.text2=0x110000 "
                    "-Wl,--section-start=.text3=0x120000 odd.s -o odd.so"));
    struct symbols *s = symbols_new(true);
    struct symbol found;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool known =
            symbols_lookup(s, path_of("odd.so"), NULL, 0, 0x100000 + cases[i].offset, &found);
        assert_int_equal(known, cases[i].function != NULL);
        if (known)
            assert_string_equal(found.function, cases[i].function);
    }
    assert_false(symbols_lookup(s, path_of("odd.so"), NULL, 0, 0xfffff, &found));
    assert_false(symbols_lookup(s, path_of("odd.so"), NULL, 0, UINT64_MAX, &found));
    symbols_free(s);
}

/* Functions without size, as assembly has them, whose frame changes on the way. */
static void test_unsized_with_frames(void **state) {
    static const char source[] = ".text\n"
                                 ".globl first, second\n"
                                 "first: .cfi_startproc\n push %rbp\n .cfi_def_cfa_offset 16\n"
                                 " .skip 30, 0x90\n pop %rbp\n .cfi_def_cfa_offset 8\n"
                                 " ret\n .cfi_endproc\n"
                                 ".p2align 6, 0x90\n"
                                 ".cfi_startproc\n .skip 32, 0x90\n .cfi_endproc\n"
                                 ".p2align 6, 0x90\n"
                                 "second: .cfi_startproc\n .skip 4, 0x90\n"
                                 " .cfi_def_cfa_offset 32\n .skip 28, 0x90\n .cfi_endproc\n"
                                 ".skip 32, 0x90\n";
    static const struct {
        uint64_t offset;
        const char *function;
    } cases[] = {{0, "first"},    {1, "first"},    {20, "first"},   {32, "first"},
                 {64, NULL},      {90, NULL},      {128, "second"}, {131, "second"},
                 {140, "second"}, {159, "second"}, {160, NULL}};
    (void)state;
    write_file("frames.s", source);
    assert_true(run("gcc -nostdlib -shared -Wl,-Ttext=0x100000 frames.s -o frames.so"));
    struct symbols *s = symbols_new(true);
    struct symbol found;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        symbols_lookup(s, path_of("frames.so"), NULL, 0, 0x100000 + cases[i].offset, &found);
        if (cases[i].function == NULL)
            assert_null(found.function);
        else
            assert_string_equal(found.function, cases[i].function);
    }
    symbols_free(s);
}

/* As prelinked libraries: the first address in the file is not 0. */
static void test_library_with_a_base(void **state) {
    (void)state;
    write_file("odd.s", odd_source);
    assert_true(run("gcc -nostdlib -shared -Wl,-Ttext-segment=0x7000000,-Ttext=0x7100000 odd.s "
                    "-o based.so && readelf -h based.so | grep -q DYN && "
                    "readelf -lW based.so | grep -q 'LOAD .*0x0*7000000'"));
    struct symbols *s = symbols_new(true);
    struct symbol found;
    assert_true(symbols_lookup(s, path_of("based.so"), NULL, 0, 0x7100000, &found));
    assert_string_equal(found.function, "sized");
    assert_true(symbols_lookup(s, path_of("based.so"), NULL, 0, 0x7100000 + 256, &found));
    assert_string_equal(found.function, "better");
    assert_false(symbols_lookup(s, path_of("based.so"), NULL, 0, 0x100000, &found));
    symbols_free(s);
}

static void test_names(void **state) {
    (void)state;
    write_file("versioned.c", "int grow_2(int x) { return x * 3; }\n"
                              "__asm__(\".symver grow_2, grow@@V2\");\n");
    write_file("versioned.map", "V2 { global: grow; local: *; };\n");
    assert_true(run("gcc -shared -fPIC -Wl,--version-script=versioned.map -Wl,-Ttext=0x100000 "
                    "-nostdlib versioned.c -o versioned.so && nm versioned.so | grep -q grow@@V2"));
    struct symbols *s = symbols_new(true);
    struct symbol found;
    assert_true(symbols_lookup(s, path_of("versioned.so"), NULL, 0, 0x100001, &found));
    assert_string_equal(found.function, "grow");
    assert_string_equal(found.linkage, "grow@@V2");
    symbols_free(s);

    /* Strings stay where they are; without demangling the linkage name is the function. */
    write_file("one.cc", "void one(int) {}\n");
    assert_true(run("g++ -shared -fPIC -nostdlib -Wl,-Ttext=0x100000 one.cc -o one.so"));
    struct symbol again;
    s = symbols_new(false);
    assert_true(symbols_lookup(s, path_of("one.so"), NULL, 0, 0x100001, &found));
    assert_string_equal(found.function, "_Z3onei");
    assert_string_equal(found.linkage, "_Z3onei");
    assert_true(symbols_lookup(s, path_of("one.so"), NULL, 0, 0x100000, &again));
    assert_ptr_equal(found.function, again.function);
    symbols_free(s);
    s = symbols_new(true);
    assert_true(symbols_lookup(s, path_of("one.so"), NULL, 0, 0x100001, &found));
    assert_string_equal(found.function, "one(int)");
    assert_string_equal(found.linkage, "_Z3onei");
    symbols_free(s);
}

/* ---- the network --------------------------------------------------------------------------- */

static void test_no_server_is_asked(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    char url[64];
    (void)state;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server, 8), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    build("g++", "-s", "places");
    setenv("DEBUGINFOD_TIMEOUT", "1", 1);
    setenv("DEBUGINFOD_CACHE_PATH", directory, 1);
    setenv("DEBUGINFOD_URLS", url, 1);
    struct symbols *s = symbols_new(true);
    symbols_module_status(s, path_of("places"), NULL, 0);
    symbols_free(s);
    struct pollfd waiting = {.fd = server, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
    close(server);
}

/* ---- demangling ---------------------------------------------------------------------------- */

static void test_demangle(void **state) {
    static const char *const cases[][2] = {
        {"_ZN3foo3barEi", "foo::bar(int)"},
        {"_ZN3foo3barEi@@V_1.2", "foo::bar(int)"},
        {"_ZN3foo3barEi@V_1.2", "foo::bar(int)"},
        {"_Z3fooi.isra.0", "foo(int) [clone .isra.0]"},
        {"_Z3fooi.cold", "foo(int) [clone .cold]"},
        {"_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size() const"},
        {"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"},
        {"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
        {"_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_"
         "str17h0123456789abcdefE",
         "<alloc::string::String as core::fmt::Write>::write_str"},
        {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
        {"_RINvCs1234_7mycrate3fooiE", "mycrate::foo::<isize>"},
        {"malloc", NULL},
        {"malloc@@GLIBC_2.2.5", NULL},
        {"_start", NULL},
        {"_Z", NULL},
        {"_R", NULL},
        {"_ZN3foo", NULL},
        {"", NULL},
        {"@", NULL},
        {"_", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = demangle(cases[i][0]);
        if (cases[i][1] != NULL) {
            assert_non_null(name);
            assert_string_equal(name, cases[i][1]);
        } else {
            assert_null(name);
        }
        free(name);
    }
    assert_int_equal(demangle_unversioned("malloc"), 6);
    assert_int_equal(demangle_unversioned("malloc@@GLIBC_2.2.5"), 6);
    assert_int_equal(demangle_unversioned("@plain"), 6);
    assert_int_equal(demangle_unversioned(""), 0);
}

static char *repeated(const char *head, const char *unit, size_t count, const char *tail) {
    char *text = malloc(strlen(head) + count * strlen(unit) + strlen(tail) + 1);
    assert_non_null(text);
    char *end = stpcpy(text, head);
    while (count-- > 0)
        end = stpcpy(end, unit);
    stpcpy(end, tail);
    return text;
}

static void demangle_and_drop(char *name, bool expected) {
    char *readable = demangle(name);
    assert_int_equal(readable != NULL, expected);
    free(readable);
    free(name);
}

static void test_demangle_limits(void **state) {
    (void)state;
    demangle_and_drop(repeated("_Z1f", "1a", 0, "v"), true);
    demangle_and_drop(repeated("_ZN", "5abcde", 400, "1fEv"), true); /* long, as templates are */
    demangle_and_drop(repeated("_ZN", "5abcde", 4000, "1fEv"), false);
    demangle_and_drop(repeated("_Z1f", "P", 8000, "i"), false);
    demangle_and_drop(repeated("_Z1f", "1AI", 2000, "i"), false);
    demangle_and_drop(repeated("_Z1f", "P", 1000000, "i"), false);
    demangle_and_drop(repeated("_RIC1a", "R", 8000, "uE"), false);

    /* Each argument is a pair of the one before: 2 to the power of 30 names. */
    char bomb[400] = "_Z1f1AIiiE";
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int i = 0; i < 30; i++)
        sprintf(bomb + strlen(bomb), "S_IS%c_S%c_E", digits[i], digits[i]);
    assert_null(demangle(bomb));
}

/* ---- set-up -------------------------------------------------------------------------------- */

static int set_up(void **state) {
    if (programs_enter(state) != 0 || !run("mkdir sub"))
        return -1;
    write_file("sub/places.cc", places_source);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_build),
        cmocka_unit_test(test_units_without_aranges),
        cmocka_unit_test(test_separate_debug_file),
        cmocka_unit_test(test_mini_debug_info),
        cmocka_unit_test(test_only_the_recorded_build_is_trusted),
        cmocka_unit_test(test_what_is_no_module),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_symbol_bounds),
        cmocka_unit_test(test_unsized_with_frames),
        cmocka_unit_test(test_library_with_a_base),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_server_is_asked),
        cmocka_unit_test(test_demangle),
        cmocka_unit_test(test_demangle_limits),
    };
    return cmocka_run_group_tests(tests, set_up, programs_leave);
}
