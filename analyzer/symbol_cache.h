/* SPDX-License-Identifier: MIT */
/*
 * What is known about addresses of one module, kept in a file for the next report
 * (docs/decisions/0013-symbol-cache.md).
 *
 * A cache goes by build-id, the module's path and `settings`, and counts only as long as every file
 * that the names came from, or would have come from had it been there, is as it was: that is what
 * symbol_cache_depend() notes. What is in the directory but is not of this form, damaged, of
 * another version or another user's, is passed over. Writing never disturbs: a cache that cannot be
 * written is none.
 */
#ifndef SYMBOL_CACHE_H
#define SYMBOL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols.h"

/* Goes up when symbols.c comes to name the same code differently: older caches are passed over. */
#define SYMBOL_CACHE_NAMES 2

/* Bytes that all files together may have before the oldest are removed. */
#define SYMBOL_CACHE_BYTES_MAX ((uint64_t)256 << 20)

/* $XDG_CACHE_HOME/heaptape, or ~/.cache/heaptape, made if need be; NULL: it is not to be had, or
 * not this user's. The caller frees. */
char *symbol_cache_directory(void);

struct symbol_cache;

/* Reads the module's file in `directory` if there is a good one. Texts are copied. NULL when memory
 * is out. */
struct symbol_cache *symbol_cache_open(const char *directory, const char *path,
                                       const uint8_t *build_id, size_t build_id_len,
                                       const char *settings);

/* Whether there was; only then the next three may be asked. */
bool symbol_cache_good(const struct symbol_cache *);
enum symbols_module_status symbol_cache_status(const struct symbol_cache *);
const char *symbol_cache_other_build(const struct symbol_cache *); /* or NULL */
/* False: the address is not in it. Otherwise *count symbols are in `out`, which has room for
 * SYMBOLS_INLINED_MAX; 0 when nothing is known. The texts live as long as the cache. */
bool symbol_cache_find(const struct symbol_cache *, uint64_t vaddr, struct symbol *out,
                       size_t *count);

/* Notes a file as it is now, or that there is none. */
void symbol_cache_depend(struct symbol_cache *, const char *path);
/* What is known of the module; `other_build` may be NULL. */
void symbol_cache_describe(struct symbol_cache *, enum symbols_module_status,
                           const char *other_build);
/* Adds what is known about an address; texts must live until the cache is closed. */
void symbol_cache_add(struct symbol_cache *, uint64_t vaddr, const struct symbol *, size_t count);
/* Names come from files that cannot be noted: nothing will be written. */
void symbol_cache_forbid(struct symbol_cache *);

/* Writes what was added, together with what was there, and frees the cache; whether there is a new
 * file. NULL is allowed. */
bool symbol_cache_close(struct symbol_cache *);

/* Removes the files that were used longest ago until `limit` bytes are left, and remains of writers
 * that were killed. */
void symbol_cache_trim(const char *directory, uint64_t limit);

#endif
