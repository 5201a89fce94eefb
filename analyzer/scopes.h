/* SPDX-License-Identifier: MIT */
/*
 * Which functions of the source an address belongs to: the one whose code it is, and those that the
 * compiler has put inline there. By DWARF's tree of DW_TAG_subprogram, DW_TAG_lexical_block and
 * DW_TAG_inlined_subroutine (DWARF 5, sections 3.3 and 3.5).
 *
 * A unit's tree is walked once, at the first question about it, and a table of its functions kept;
 * libdw's own dwarf_getscopes() walks it for every address.
 */
#ifndef SCOPES_H
#define SCOPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

struct scopes; /* of the units of one file */

/* NULL when memory is out. */
struct scopes *scopes_new(void);
/* Whether a unit was asked for whose .dwo file is missing, or of another build. */
bool scopes_lack_split(const struct scopes *);
/* NULL is nothing. */
void scopes_free(struct scopes *);

/*
 * The chain at an address, innermost first: inlined subroutines, then the subprogram.
 *
 * unit      the unit's DIE. Of split DWARF the skeleton; the chain is then of the unit in the .dwo
 *           file, and empty where that is missing.
 * address   as the debug information counts.
 * chain     room for `room` entries, at least 1. When there are more, the innermost are left out.
 *
 * Returns how many there are; 0: no subprogram is known there, or memory is out.
 */
size_t scopes_at(struct scopes *, Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die *chain,
                 size_t room);

/* The namespaces and types that a function is declared in, innermost first; `function` may be a
 * copy of it that was put inline. Where there are more than `room`, outer ones are left out. */
size_t scopes_around(struct scopes *, Dwarf_Die *function, Dwarf_Die *chain, size_t room);

#endif
