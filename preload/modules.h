/* SPDX-License-Identifier: MIT */
/* Loaded modules: what the tape says of them, and whether they are still there. */
#ifndef MODULES_H
#define MODULES_H

#include "tape/blobs.h"
#include "unwind.h"

/* Writes the MODULE_LOAD bytes of a module into `to` (TAPE_BLOB_MAX bytes); returns how many.
 * The module must be loaded. Reads its program headers in memory and the link map; no lock. */
size_t module_describe(const struct unwind_module *m, uint64_t generation, uint8_t *to);

/* Whether the module is loaded as it was when it was noted. */
bool module_is_loaded(const struct unwind_module *m);

/* Path of the program, for modules without a name; at most 4095 bytes, set once. */
extern char module_program_path[4096];

#endif
