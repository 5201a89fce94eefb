/* SPDX-License-Identifier: MIT */
/*
 * What an allocator other than libc's has mapped for itself: the hooks of mmap and its like note
 * the calls that its module makes, when heap images are wanted or the program may mark tests. Its
 * blocks lie in there, and so does what it keeps on them, which keeps no block alive.
 */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include "ranges.h"

extern struct range_table allocator_mapped;

/* The functions underneath are known now. */
void allocator_resolved(void);

#endif
