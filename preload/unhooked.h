/* SPDX-License-Identifier: MIT */
/*
 * Modules whose allocations do not come to the recorder. Their calls of malloc or free lead
 * elsewhere: they were opened with RTLD_DEEPBIND, which looks in their own dependencies first. Or
 * they call entries of an allocator that only the second objects (ext/ext.h) hook, which the
 * process does not have: the launcher adds them to the first program that needs them, not to its
 * children.
 */
#ifndef UNHOOKED_H
#define UNHOOKED_H

#include <stddef.h>

/* Remembers how many modules were loaded at the start: only later ones can be such. From the
 * constructor. */
void unhooked_begin(void);

/* Looks for them, if the process has one thread: the loader's lock could be held by another. At
 * the end of the process, not from a hook. */
void unhooked_find(void);

/* Looks for the second kind among the modules of the start, when the allocator is known and is
 * another than libc. Takes the loader's lock. */
void unhooked_find_past(void);
const char *unhooked_past_list(size_t *bytes); /* as unhooked_list(); "" is the program */

/* Their paths, each ended by a zero byte, and the bytes of all; as far as they found room. */
const char *unhooked_list(size_t *bytes);

#endif
