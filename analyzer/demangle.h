/* SPDX-License-Identifier: MIT */
/*
 * Readable names from the names that C++ and Rust compilers give to the linker.
 *
 * Both functions are pure apart from allocation and may be called from any thread. Names come from
 * files that nobody has vetted, so demangle() bounds what a name can cost: see the limits below.
 */
#ifndef ANALYZER_DEMANGLE_H
#define ANALYZER_DEMANGLE_H

#include <stddef.h>

/* Longest name, in bytes without its version, that is looked at. Parsing recurses about once a byte
   at no more than 200 bytes of stack each, so a call needs less than 2 MiB of the caller's stack.
 */
#define DEMANGLE_INPUT_MAX ((size_t)8 * 1024)

/* Longest result in bytes. A few hundred bytes of back-references can stand for terabytes. */
#define DEMANGLE_OUTPUT_MAX ((size_t)64 * 1024)

/* Bytes of `linkage` in front of its symbol version: 6 for "malloc", "malloc@GLIBC_2.2.5" and
   "malloc@@GLIBC_2.2.5". A name that begins with '@' has no version, and "@plt" is none: the stub
   that "malloc@plt" stands for is not malloc. */
size_t demangle_unversioned(const char *linkage);

/*
 * The readable form of `linkage`, or NULL when it is no mangled name, is malformed, goes beyond a
 * limit, or memory ran out: print the name as it is then.
 *
 * Knows C++ (Itanium ABI), Rust v0 and legacy Rust, whose hash is dropped. A symbol version is
 * dropped; suffixes of compiler-made copies stay visible: "f(int) [clone .cold]".
 * The caller frees the result with free().
 */
char *demangle(const char *linkage);

#endif
