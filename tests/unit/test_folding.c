/* SPDX-License-Identifier: MIT */
/* Which functions are plumbing, by names as compilers make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "demangle.h"
#include "folding.h"

static bool plumbing(const struct folding *f, const char *linkage) {
    char *readable = demangle(linkage);
    bool is = folding_is_plumbing(f, readable != NULL ? readable : linkage, linkage);
    free(readable);
    return is;
}

static const char *const plumbing_names[] = {
    "_Znwm",
    "_Znam",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    /* void std::vector<int>::_M_realloc_insert<int const&>(…): the type comes first */
    "_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvN9__gnu_cxx17__normal_iteratorIPiS1_EEDpOT_",
    "_ZN9__gnu_cxx13new_allocatorIiE8allocateEmPKv",
    "_ZNSt15__new_allocatorIcE8allocateEmPKv",
    "_ZNKSt4hashIiEclEi",
    "_ZSt11make_uniqueIiJEENSt8__detail9_MakeUniqIT_E15__single_objectEDpOT0_",
    "_ZNSaIcEC1Ev",
    "_ZNSsC1EPKc",
    "_ZN5alloc5alloc5alloc17h0123456789abcdefE",
    "_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$8grow_one17h0123456789abcdefE",
    ("_ZN63_$LT$alloc..alloc..Global$u20$as$u20$core..alloc..Allocator$GT$"
     "8allocate17h0123456789abcdefE"),
    "_ZN46_$LT$str$u20$as$u20$alloc..borrow..ToOwned$GT$8to_owned17h0123456789abcdefE",
    "_ZN9hashbrown3raw13RawTableInner17new_uninitialized17h0123456789abcdefE",
    "_ZN5alloc7raw_vec20RawVecInner$LT$A$GT$11finish_grow17h0123456789abcdefE.llvm.1234",
    ("_ZN70_$LT$$RF$mut$u20$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_"
     "str17h0123456789abcdefE"),
    "_RNvNtCs1234_5alloc5alloc5alloc",
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "g_malloc0",
    "PyObject_Malloc",
    "_PyMem_RawRealloc",
    "Perl_safesysmalloc",
};

static const char *const other_names[] = {
    "main",
    "xmalloc",
    "strdup",
    "g_strdup",
    "PyList_Append",
    "_ZN4shop5countEv",
    "_ZN5alloc4makeEv", /* C++, not Rust */
    "_ZN4core6Engine5startEv",
    "_ZN4shop5ShelfISt6vectorIiSaIiEEE3putES3_",
    "_ZN5words4main17h0123456789abcdefE",
    "_ZN50_$LT$words..Tree$u20$as$u20$core..clone..Clone$GT$5clone17h0123456789abcdefE",
    ("_ZN60_$LT$$RF$mut$u20$words..Tree$u20$as$u20$core..fmt..Write$GT$9write_"
     "str17h0123456789abcdefE"),
    "_RNvCs1234_5words4main",
};

static void built_in(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof plumbing_names / sizeof *plumbing_names; i++)
        if (!plumbing(NULL, plumbing_names[i]))
            fail_msg("%s is plumbing", plumbing_names[i]);
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++)
        if (plumbing(NULL, other_names[i]))
            fail_msg("%s is not", other_names[i]);
    assert_true(folding_is_plumbing(NULL, "std::vector<int>::push_back", NULL));
    assert_false(folding_is_plumbing(NULL, NULL, NULL));
}

/* As the demangler writes names of the newer mangling. */
static void language(void **state) {
    (void)state;
    static const char *const ours[] = {
        "<str>::repeat",
        "<[u8]>::concat::<words::Line>",
        "<[words::Tree]>::to_vec",
        "<u8 as <[_]>::to_vec_in::ConvertVec>::to_vec::<alloc::alloc::Global>",
    };
    static const char *const theirs[] = {
        "<u8 as words::Shape>::area",
        "<[u8] as words::Shape>::area::<[u8]>::of",
        "<words::Tree>::grow",
        "<words::str>::repeat",
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!folding_is_plumbing(NULL, ours[i], "_RNvCs1234_5words4main"))
            fail_msg("%s is plumbing", ours[i]);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (folding_is_plumbing(NULL, theirs[i], "_RNvCs1234_5words4main"))
            fail_msg("%s is not", theirs[i]);
}

static void libraries(void **state) {
    (void)state;
    struct folding off = {.off = true};
    assert_true(folding_is_library(NULL, "/lib/x86_64-linux-gnu/libstdc++.so.6.0.30"));
    assert_true(folding_is_library(NULL, "libc++abi.so.1"));
    assert_false(folding_is_library(NULL, "/opt/libstdc++.so/libshop.so"));
    assert_false(folding_is_library(NULL, NULL));
    assert_false(folding_is_library(&off, "libc++.so.1"));
}

static void options(void **state) {
    (void)state;
    struct folding f = {0};
    folding_add(&f, "xmalloc");
    folding_add(&f, "shop::c*t");
    assert_true(plumbing(&f, "xmalloc"));
    assert_true(plumbing(&f, "_ZN4shop5countEv"));
    assert_true(plumbing(&f, "_Znwm"));
    assert_false(plumbing(&f, "xrealloc"));
    f.off = true;
    assert_false(plumbing(&f, "xmalloc"));
    assert_false(plumbing(&f, "_Znwm"));
    folding_free(&f);
    assert_int_equal(f.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(built_in), cmocka_unit_test(language),
                                       cmocka_unit_test(libraries), cmocka_unit_test(options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
