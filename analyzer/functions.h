/* SPDX-License-Identifier: MIT */
/*
 * The functions of one module by address: its symbol table, .dynsym where there is no other, that
 * of .gnu_debugdata, and the stubs of the procedure linkage table. Which one is meant where several
 * lie at an address: symbols.h, symbols_lookup().
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <stdbool.h>

#include "spans.h"

struct function {
    struct span span;
    const char *linkage; /* the ELF file's own string, or `owned` */
    char *owned;         /* NULL: the file's */
    char *readable;      /* for the user of the table to fill in; freed with it */
    unsigned rank;       /* among names of one address, the higher is the better to show */
};

struct functions;

/* NULL when memory is out. `handle` and `elf`, which is its file, must outlive the table. Free with
 * functions_free(), which allows NULL. */
struct functions *functions_read(Dwfl_Module *handle, Elf *elf);
void functions_free(struct functions *);

bool functions_hold(const struct functions *, uint64_t addr); /* whether code lies there at all */
bool functions_named(const struct functions *);               /* whether it has symbols */
/* NULL: none is known. */
struct function *functions_at(struct functions *, uint64_t addr);

/* How good a symbol's name is to show, beside others of the same address. */
unsigned functions_rank(const GElf_Sym *, const char *name);

#endif
