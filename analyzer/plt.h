/* SPDX-License-Identifier: MIT */
/*
 * Calls into other modules, by the calling module's own tables: slots that the loader fills with
 * functions' addresses, and the stubs of the procedure linkage table that jump through them. Only
 * this part of the analyzer reads instructions; plt_x86_64.c does.
 */
#ifndef PLT_H
#define PLT_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

struct plt;

/* The tables of a module, whose `elf` must outlive them. NULL: it has none, or is for another
 * processor. The caller frees it with plt_free(); NULL is allowed there. */
struct plt *plt_new(Elf *elf);
void plt_free(struct plt *);

/* The function that is asked for by the call instruction in front of `return_address`, or NULL: it
 * is no call through a slot or a stub. Addresses are as the file counts them; the name is the
 * file's. */
const char *plt_called(const struct plt *, uint64_t return_address);

/* Calls `found` for each stub of .plt, .plt.sec and .plt.got whose function is known. */
typedef void plt_found(void *context, uint64_t start, uint64_t size, const char *function);
void plt_each_stub(const struct plt *, plt_found *found, void *context);

#endif
