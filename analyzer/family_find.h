/* SPDX-License-Identifier: MIT */
/*
 * The files of recordings that an operand names. Only the first bytes of files are looked at.
 */
#ifndef FAMILY_FIND_H
#define FAMILY_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct family_files {
    char **path; /* in the order of their names */
    size_t count;
};

/* The operand of family_add (family.h) as files, at least one; on failure one line is printed, the
 * result is false and there is nothing to free. A file is not opened: it may be no recording. */
bool family_find(const char *operand, struct family_files *);
void family_files_free(struct family_files *);

/* The path of the recording `name` in the directory of `path`, if its id is this one; otherwise
 * NULL. Prints nothing. The caller frees. */
char *family_find_beside(const char *path, const char *name, const uint8_t *id);

#endif
