/* SPDX-License-Identifier: MIT */
/*
 * Code that programs made at run time, of several processes: each function is known by a number, in
 * the form of an address that no code has, because the same address is other code in another
 * process.
 */
#ifndef RUNTIME_CODE_H
#define RUNTIME_CODE_H

#include "symbols.h"

struct runtime_code;

struct runtime_code *runtime_code_new(void);
void runtime_code_free(struct runtime_code *); /* NULL is allowed */

/* The address that stands for this function, made when it is new; texts are copied. */
uint64_t runtime_code_address(struct runtime_code *, const struct symbol *);

/* The function that such an address, or an address inside the call, stands for; false: it is none.
 * The texts belong to the object. */
bool runtime_code_lookup(const struct runtime_code *, uint64_t address, struct symbol *out);

#endif
