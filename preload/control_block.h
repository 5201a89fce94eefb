/* SPDX-License-Identifier: MIT */
/* What libc keeps of a thread at the end of the thread's stack: by it a stack is known as one. */
#ifndef CONTROL_BLOCK_H
#define CONTROL_BLOCK_H

#include "regions.h"

/* Its size, at least: that differs between versions of glibc. */
#define CONTROL_BLOCK_BYTES 0x700
/* Where it points to the thread's table of thread-local storage: the x86-64 ABI's second word. */
#define CONTROL_BLOCK_TABLE 8

/* Where it is in a mapping that begins with a stack; 0: there is none. */
uint64_t control_block_find(const struct regions *r, const struct map_entry *m);

#endif
