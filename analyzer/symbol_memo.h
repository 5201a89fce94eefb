/* SPDX-License-Identifier: MIT */
/* What was found out about addresses of one module ahead of the questions. */
#ifndef SYMBOL_MEMO_H
#define SYMBOL_MEMO_H

#include "symbols.h"

struct symbol_memo;

/* Room for `count` addresses; NULL when memory is out. Free with symbol_memo_free(). */
struct symbol_memo *symbol_memo_new(size_t count);
void symbol_memo_free(struct symbol_memo *); /* NULL is allowed */

/* Addresses come in ascending order. The symbols are copied, their texts are not. False, and the
 * address is not in it, when memory is out. */
bool symbol_memo_add(struct symbol_memo *, uint64_t vaddr, const struct symbol *, size_t count);

/* False: the address is not in it. `out` has room for SYMBOLS_INLINED_MAX. */
bool symbol_memo_find(const struct symbol_memo *, uint64_t vaddr, struct symbol *out,
                      size_t *count);

#endif
