/* SPDX-License-Identifier: MIT */
/*
 * One module of a symbolizer (symbols.h): its file, found and read with libdwfl, and what addresses
 * in it mean. A module is used by one thread at a time; several modules of one source by several.
 */
#ifndef SYMBOL_MODULE_H
#define SYMBOL_MODULE_H

#include <elfutils/libdwfl.h>

#include "symbol_cache.h"
#include "symbol_texts.h"
#include "symbols.h"

#define SYMBOLS_SYSTEM_DIRECTORY "/usr/lib/debug"

struct symbol_memo;
struct symbol_unit;

/* What all modules have in common. */
struct symbol_source {
    Dwfl_Callbacks callbacks;
    char *search; /* libdwfl's list of directories for debug files; NULL: its own */
    struct symbol_texts texts;
};

struct symbol_module {
    char *path;
    uint8_t *build_id;
    size_t build_id_len;
    enum symbols_module_status status;
    bool opened;
    struct symbol_cache *cache; /* NULL: none; owned */
    bool *written;              /* to be set when that was */
    bool queued;                /* symbols_prepare() has had it */
    struct symbol_memo *memo;   /* what symbols_prepare() found out; NULL: nothing; owned */
    Dwfl *dwfl;
    Dwfl_Module *handle;
    struct functions *functions;
    Dwarf *dwarf;
    Dwarf_Addr dwarf_bias; /* debug file's addresses + this = ours */
    bool units_loaded;
    struct symbol_unit *units;
    size_t unit_count, unit_room;
    struct scopes *scopes; /* NULL: not yet asked for */
    char *other_build;     /* path of a debug file of another build */
};

/* Those with the same path and build-id are the same. */
int symbol_module_order(const void *a, const void *b);

/* A module that is not opened, with a copy of the key's path and build-id; NULL: no memory. */
struct symbol_module *symbol_module_new(const struct symbol_module *key);
void symbol_module_free(void *module);

/* No file has it: [vdso] and its like. */
bool symbol_module_is_virtual(const char *path);

/* Directories of debug files, separated by colons. */
const char *symbol_source_path(const struct symbol_source *);

/* Reads the module's file, once, and sets `status`; until then what the cache knows is enough. */
void symbol_module_open(struct symbol_source *, struct symbol_module *);

/* As symbols_frames() and symbols_variables(), from the file; texts live as long as the source. */
size_t symbol_module_frames(struct symbol_source *, struct symbol_module *, uint64_t vaddr,
                            struct symbol *out, size_t room);
void symbol_module_variables(struct symbol_source *, struct symbol_module *, size_t count,
                             const uint64_t *vaddr, struct symbols_variable *out);

#endif
