/* SPDX-License-Identifier: MIT */
/*
 * The allocator underneath: which module the real malloc is in, and, when it is not libc and heap
 * images are wanted or the program may mark tests, what that module has mapped for itself. Its
 * blocks lie in there, and so does what it keeps on them, which keeps no block alive.
 */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include <stdbool.h>

#include "ranges.h"

extern struct range_table allocator_mapped;

/* The functions underneath are known now. */
void allocator_resolved(void);

/* Paths, which stay; "" is the program's own, NULL unknown. The second: of the module whose malloc
 * the program calls instead of the recorder's; NULL when it calls that. */
const char *allocator_path(void);
const char *allocator_bypassed(void);

/* Whether code of the allocator's module lies there, if that is not libc. */
bool allocator_holds(uint64_t address);

/* Memory was mapped, by code at `caller`; was unmapped, or is about to be. */
void allocator_note_map(uint64_t caller, void *p, size_t bytes, int flags);
void allocator_note_unmap(void *p, size_t bytes);

#endif
