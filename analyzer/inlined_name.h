/* SPDX-License-Identifier: MIT */
/* Names of functions that the compiler has put inline: they have no code of their own, hence no
 * symbol; debug information has their names. */
#ifndef INLINED_NAME_H
#define INLINED_NAME_H

#include "scopes.h"
#include "symbol_texts.h"
#include "symbols.h"

/* Fills in the names of *out, nothing else. Without a linkage name, which compilers leave out of
 * what no other unit can see, the function is named with the scopes around it, as a demangled name
 * would have them: namespaces, types, and the function that these are local to. */
void inlined_name(struct symbol_texts *, struct scopes *, Dwarf_Die *function, struct symbol *out);

#endif
