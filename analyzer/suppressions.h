/* SPDX-License-Identifier: MIT */
/*
 * Suppressions: which allocations a leak check shall not complain of.
 *
 * Two kinds of files are read, told apart by their first line that is neither empty nor a comment:
 *
 *   Valgrind   { NAME, Memcheck:Leak, an optional "match-leak-kinds:" line, frames: fun:GLOB,
 *              obj:GLOB, src:GLOB[:LINE] or "...", then } each on a line of its own. Frames are
 *              compared from the allocation function outwards, the outer rest of a stack is free.
 *              Entries of other tools and other kinds of Memcheck are skipped. Without leak
 *              kinds, every kind matches.
 *   LSan       leak:PATTERN, a part of a frame's function, source file or module, in which * is
 *              anything; ^ and $ tie it to the beginning and the end.
 *
 * Lines that begin with # are comments in both. Function names are compared as the linker has them
 * and demangled, with and without parameters. Not thread-safe.
 */
#ifndef SUPPRESSIONS_H
#define SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leak_kind.h"

/* One frame of a stack to be matched. Texts may be NULL: unknown. */
struct supp_frame {
    const char *function;    /* demangled */
    const char *linkage;     /* as in the symbol table, without version */
    const char *file;        /* source, full path */
    const char *module;      /* path as recorded */
    const char *module_real; /* the same without symbolic links */
    unsigned line;           /* 0: unknown */
    bool entered;            /* not on the stack: how its caller entered the module, see below */
};

struct suppression {
    char *name;     /* of a Valgrind entry; the pattern of an LSan line */
    char *file;     /* where it was read from */
    unsigned line;  /* of the entry's first line */
    bool built_in;  /* one of heaptape's own */
    bool valgrind;  /* what the fields below are */
    unsigned kinds; /* bits 1 << enum leak_kind */
    char **pattern; /* frames as written ("fun:…", "..."), or one LSan pattern */
    size_t count;
    /* What it was used for, by whoever matched. */
    uint64_t sites, blocks, bytes;
};

struct suppressions {
    struct suppression *entry;
    size_t count, room;
};

void suppressions_free(struct suppressions *);

/* Adds the entries of a file. Returns EXIT_FINE, or prints one line, FILE:LINE and what is wrong,
 * and returns EXIT_USAGE. */
int suppressions_load(struct suppressions *, const char *path);

/* The same for a text, which `path` names in messages. */
int suppressions_parse(struct suppressions *, const char *path, const char *text, bool built_in);

/* heaptape's own: what the C library, its loader and libstdc++ keep until the end of a process. In
 * Valgrind's format. */
extern const char suppressions_default[];

/*
 * The first entry that matches the stack, innermost frame first, or NULL. frame[0] is the
 * allocation function as called ("malloc", "calloc", "realloc", …), never without a name. A stack
 * through operator new is also seen as Valgrind shows it, with operator new as the allocation
 * function, and so are realloc, posix_memalign and their like. `entered` frames are for built-in
 * entries alone: others see the stack as other tools show it. A block of kind LEAK_UNKNOWN may be
 * of any: it matches whatever matches one.
 */
struct suppression *suppressions_match(struct suppressions *, const struct supp_frame *frame,
                                       size_t count, enum leak_kind kind);

/* Whether the whole text matches: * is any text, ? any character if `question`, all else itself. */
bool suppressions_glob(const char *pattern, const char *text, bool question);

#endif
