/* SPDX-License-Identifier: MIT */
/*
 * Large arrays in mappings of their own. They grow by moving page tables instead of bytes, begin
 * as zeroes, and go back to the system when they are freed. The kernel is asked for huge pages once
 * an array is large: tables that are looked up at random places are bound by address translation.
 *
 * Sizes are bytes. Running out of memory ends the process with a message, as xmalloc does.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>

void *pages_new(size_t bytes);
/* The same memory, perhaps elsewhere, of at least as many bytes; what is added reads as zeroes. */
void *pages_grow(void *, size_t old_bytes, size_t bytes);
/* NULL is nothing. */
void pages_free(void *, size_t bytes);

#endif
