/* SPDX-License-Identifier: MIT */
/* Entries of the second objects (ext/ext.h): which calls are part of one. */
#ifndef EXT_ENTRIES_H
#define EXT_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a call from there is made by an entry that is at work: by the hook itself, as a tail call
 * of the real function leaves it, or by the real function, which begins at `entry`. A new_handler
 * or a signal handler lies elsewhere, and is the program's. */
bool ext_is_part(uintptr_t entry, uint64_t caller);

#endif
