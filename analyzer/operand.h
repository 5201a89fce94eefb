/* SPDX-License-Identifier: MIT */
/*
 * The recording that a command's operand names, for commands that read one.
 */
#ifndef OPERAND_H
#define OPERAND_H

#include "tape_file.h"

/*
 * Opens a file; of a directory, or of a running process by its number, the one recording that is
 * there, as family_add (family.h) finds them. When there are several, or none can be opened, one
 * line is printed and the result is NULL. To be closed with tape_file_close().
 */
struct tape_file *operand_open(const char *operand);

#endif
