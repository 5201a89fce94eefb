/* SPDX-License-Identifier: MIT */
/* The command line of a recorded process, as tables have room for it. */
#ifndef FAMILY_COMMAND_H
#define FAMILY_COMMAND_H

#include "family.h"
#include "screen.h"

/* Its beginning in at most `columns` columns (0: all of it), with the program's base name in place
 * of its path. The caller frees. */
char *family_command(const struct family_member *, size_t columns, const struct screen *);

#endif
