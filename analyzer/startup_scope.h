/* SPDX-License-Identifier: MIT */
/*
 * What a program has in its scope at its start: the objects that the dynamic linker will load, in
 * the order in which it looks names up, and which of them defines the functions that an allocator
 * may bring. The linker itself is asked (ld.so(8), --list), which runs no code of the program.
 */
#ifndef STARTUP_SCOPE_H
#define STARTUP_SCOPE_H

#include <stdbool.h>
#include <stddef.h>

/* The first object that defines each; NULL: none does. Object 0 is the program. */
struct startup_scope {
    char **object; /* paths */
    size_t count;
    const char *malloc_in, *operators_in, *mallocx_in, *sized_in; /* among `object` */
};

/* `program` is an ELF file; preload: what LD_PRELOAD will hold, or NULL. False, and the scope is
 * empty, where the linker cannot be asked: a static program, one of another machine. */
bool startup_scope_read(struct startup_scope *, const char *program, const char *preload);
void startup_scope_free(struct startup_scope *);

/* The object whose file name is `name`; NULL: it is not there. */
const char *startup_scope_find(const struct startup_scope *, const char *name);

#endif
