/* SPDX-License-Identifier: MIT */
/*
 * Texts that a symbolizer makes: readable names, and paths put together. Each is kept once, as long
 * as the object. Several threads may use one object.
 */
#ifndef SYMBOL_TEXTS_H
#define SYMBOL_TEXTS_H

#include <elfutils/libdw.h>
#include <pthread.h>
#include <stdbool.h>

struct symbol_texts {
    bool demangle; /* names become readable ones */
    void *tree;
    pthread_mutex_t lock;
};

void symbol_texts_init(struct symbol_texts *, bool demangle);
void symbol_texts_clear(struct symbol_texts *);

/* Takes over a text; NULL stays NULL, and is what comes back when memory is out. */
const char *symbol_texts_keep(struct symbol_texts *, char *text);

/* A linkage name as it is shown: demangled if that was asked for, without its version. */
const char *symbol_texts_name(struct symbol_texts *, const char *linkage);

/* A source path as it is if absolute, otherwise behind the unit's directory; NULL: unknown. */
const char *symbol_texts_path(struct symbol_texts *, Dwarf_Die *unit, const char *path);

#endif
