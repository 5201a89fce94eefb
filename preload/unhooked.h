/* SPDX-License-Identifier: MIT */
/*
 * Modules whose calls of malloc or free do not come to the recorder: opened with RTLD_DEEPBIND,
 * which looks in their own dependencies first. What they allocate is not seen.
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

/* Their paths, each ended by a zero byte, and the bytes of all; as far as they found room. */
const char *unhooked_list(size_t *bytes);

#endif
