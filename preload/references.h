/* SPDX-License-Identifier: MIT */
/* Which functions the loaded modules were bound to, from their relocations. */
#ifndef REFERENCES_H
#define REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a module refers to a symbol whose name begins with one of these (NULL at the end). weak:
 * weakly, which is quicker to tell. A module whose path contains `but`, and the one around the
 * address `except`, are passed over; both may be 0. Takes the loader's lock: not from a hook.
 */
bool references_any(const char *const *prefixes, bool weak, const char *but, uint64_t except);

/* Hands over every slot that the loader fills with the address of another module's function: path
 * of the module, an address inside it, the function's name. Takes the loader's lock. */
typedef void references_slot(void *context, const char *path, uint64_t inside, const char *symbol,
                             const uint64_t *slot);
void references_slots(references_slot *found, void *context);

/* Whether the module around an address defines a symbol, by its GNU hash table; false where it has
 * none. Takes the loader's lock, and unlike dlsym() allocates nothing when there is no such symbol.
 */
bool references_defines(uint64_t inside, const char *symbol);

#endif
