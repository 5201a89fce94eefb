/* SPDX-License-Identifier: MIT */
/*
 * Which functions are plumbing: they hand the request for memory on, and are never the place that a
 * person would say asked for it. At the inner end of a stack they are folded away: operator new,
 * the C++ and Rust standard libraries, the allocation functions of GLib, Python and Perl, and what
 * the user names.
 */
#ifndef FOLDING_H
#define FOLDING_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory is the built-in list alone. */
struct folding {
    bool off;       /* nothing is plumbing */
    char **pattern; /* globs (fnmatch(3)) of functions that are plumbing too; owned */
    size_t count;
};

/* Adds a copy of the glob. It is compared with a function's name, with or without parameters. */
void folding_add(struct folding *, const char *glob);

/* The options of the commands that show stacks, for their tables. */
#define FOLDING_NO_FOLD                                                                            \
    { "no-fold", 0, NULL, "show standard libraries and allocation wrappers at the inner end too" }
#define FOLDING_ALLOC_FN                                                                           \
    { "alloc-fn", 0, "GLOB", "a function that allocates for its callers: fold it too; repeatable" }
/* Takes one of them; false for another option. */
bool folding_option(struct folding *, const char *name, const char *value);
void folding_free(struct folding *);

/* Whether all code of a module (its path; NULL: unknown) is plumbing, with or without a name: the
 * standard library of C++, of which distributions give the dynamic symbols alone. */
bool folding_is_library(const struct folding *, const char *module);
/* function, linkage: as in struct name; either may be NULL. f NULL: the built-in list. */
bool folding_is_plumbing(const struct folding *f, const char *function, const char *linkage);

/* Whether a glob is a function's name, with or without parameters. */
bool folding_matches(const char *glob, const char *function);

#endif
