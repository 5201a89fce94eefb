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

#endif
