/* SPDX-License-Identifier: MIT */
#include "folding.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Functions with C names that allocate for whoever calls them. */
static const char *const allocators[] = {
    "g_malloc",           "g_malloc0",           "g_malloc_n",
    "g_malloc0_n",        "g_realloc",           "g_realloc_n",
    "g_try_malloc*",      "g_try_realloc*",      "g_slice_alloc",
    "g_slice_alloc0",     "g_aligned_alloc*",    "PyObject_Malloc",
    "PyObject_Calloc",    "PyObject_Realloc",    "PyMem_*alloc",
    "_PyMem_*alloc",      "_PyObject_*alloc",    "_PyObject_GC_Alloc*",
    "_PyObject_GC_New*",  "_PyObject_GC_Resize", "Perl_safesysmalloc",
    "Perl_safesyscalloc", "Perl_safesysrealloc", "heaptape_pool_alloc",
    "__rust_alloc*",      "__rust_realloc",      "__rdl_*alloc*",
    "__rg_*alloc*",       "__rustc::__r*alloc*",
};

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* std and __gnu_cxx as linkage names of C++ begin (Itanium ABI, 5.1.8: St is std, Sa, Ss, Sb and
 * the like are classes in it). */
static bool is_cxx_library(const char *linkage) {
    if (!begins(linkage, "_Z"))
        return false;
    const char *p = linkage + 2;
    if (*p == 'N') {
        p++;
        p += strspn(p, "rVKRO");
    }
    return (*p == 'S' && p[1] != '\0' && strchr("tabsiod", p[1]) != NULL) ||
           begins(p, "9__gnu_cxx");
}

static bool is_rust(const char *linkage) {
    if (begins(linkage, "_R"))
        return true;
    size_t n = strcspn(linkage, "."); /* ".llvm.123" may follow */
    while (linkage[n] == '.' && linkage[n - 1] != 'E')
        n += 1 + strcspn(linkage + n + 1, ".");
    if (!begins(linkage, "_ZN") || n < 24 || linkage[n - 1] != 'E' ||
        !begins(linkage + n - 20, "17h"))
        return false;
    for (size_t i = n - 17; i < n - 1; i++)
        if (!isxdigit((unsigned char)linkage[i]))
            return false;
    return true;
}

/* A path in one of the crates that come with the compiler. */
static bool is_library_path(const char *path) {
    return begins(path, "alloc::") || begins(path, "core::") || begins(path, "std::") ||
           begins(path, "hashbrown::");
}

/* "<T as alloc::vec::SpecFromElem>::from_elem": a trait's own code for whatever type. */
static bool is_blanket(const char *type) {
    size_t n = strcspn(type, " :<>");
    return n > 0 && begins(type + n, " as ") && is_library_path(type + n + 4);
}

static bool is_primitive(const char *type, size_t n) {
    static const char *const names[] = {"str",  "bool",  "char",  "u8",  "u16", "u32",
                                        "u64",  "u128",  "i8",    "i16", "i32", "i64",
                                        "i128", "usize", "isize", "f32", "f64"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncmp(type, names[i], n) == 0)
            return true;
    return false;
}

/* "<str>::repeat", "<[T]>::concat", "<u8 as <[_]>::to_vec_in::ConvertVec>::to_vec": only the
 * standard library can give types of the language methods of their own. */
static bool is_of_language(const char *type, bool slice) {
    size_t n = strcspn(type, " :<>]");
    const char *as = strstr(type, " as "), *behind = strstr(type, "]>::");
    return (is_primitive(type, n) && begins(type + n, ">::")) ||
           (as != NULL && begins(as + 4, "<[")) ||
           (slice && behind != NULL && (as == NULL || behind < as));
}

static bool is_rust_library(const char *function) {
    size_t front = strspn(function, "<&*[(");
    const char *p = function + front;
    if (begins(p, "mut ") || begins(p, "dyn "))
        p += 4;
    return is_library_path(p) ||
           (*function == '<' &&
            (is_blanket(p) || is_of_language(p, memchr(function, '[', front) != NULL)));
}

bool folding_matches(const char *glob, const char *function) {
    if (fnmatch(glob, function, 0) == 0)
        return true;
    const char *parameters = strchr(function + (function[0] == '('), '(');
    if (parameters == NULL)
        return false;
    char *bare = xasprintf("%.*s", (int)(parameters - function), function);
    bool found = fnmatch(glob, bare, 0) == 0;
    free(bare);
    return found;
}

void folding_add(struct folding *f, const char *glob) {
    f->pattern = xrealloc(f->pattern, (f->count + 1) * sizeof *f->pattern);
    f->pattern[f->count++] = xstrdup(glob);
}

bool folding_option(struct folding *f, const char *name, const char *value) {
    if (strcmp(name, "no-fold") == 0)
        f->off = true;
    else if (strcmp(name, "alloc-fn") == 0)
        folding_add(f, value);
    else
        return false;
    return true;
}

void folding_free(struct folding *f) {
    for (size_t i = 0; i < f->count; i++)
        free(f->pattern[i]);
    free(f->pattern);
    *f = (struct folding){0};
}

static bool is_named(const struct folding *f, const char *function) {
    for (size_t i = 0; f != NULL && i < f->count; i++)
        if (folding_matches(f->pattern[i], function))
            return true;
    return false;
}

bool folding_is_library(const struct folding *f, const char *module) {
    if (module == NULL || (f != NULL && f->off))
        return false;
    const char *slash = strrchr(module, '/'), *name = slash != NULL ? slash + 1 : module;
    return begins(name, "libstdc++.so") || begins(name, "libc++.so") ||
           begins(name, "libc++abi.so") || begins(name, "libsupc++.so");
}

bool folding_is_plumbing(const struct folding *f, const char *function, const char *linkage) {
    if (function == NULL || (f != NULL && f->off))
        return false;
    if (begins(function, "operator new(") || begins(function, "operator new[](") ||
        begins(function, "std::") || begins(function, "__gnu_cxx::") || is_named(f, function))
        return true;
    for (size_t i = 0; i < sizeof allocators / sizeof *allocators; i++)
        if (fnmatch(allocators[i], function, 0) == 0)
            return true;
    return linkage != NULL &&
           (is_rust(linkage) ? is_rust_library(function) : is_cxx_library(linkage));
}
