/* SPDX-License-Identifier: MIT */
/* Commands that read one recording or several: their operands, and the options that choose. */
#ifndef FAMILY_CHOICE_H
#define FAMILY_CHOICE_H

#include "command.h"
#include "family.h"

/* Rows for a command's table of options. */
#define FAMILY_CHOICE_PID                                                                          \
    { "pid", 0, "PID", "only the recordings of this process" }
#define FAMILY_CHOICE_EXE                                                                          \
    { "exe", 0, "GLOB", "only those of programs whose path or file name matches" }

struct family_choice {
    uint64_t pid;    /* 0: any */
    const char *exe; /* a glob; NULL: any */
};

/* Takes one of these options; false when it is another one. *good is set to false, and one line is
 * printed, when its value is wrong. */
bool family_choice_option(const struct command *, struct family_choice *, const char *name,
                          const char *value, bool *good);

/* The recordings that operands name, linked; those chosen are selected, *selected of them. When it
 * is 0 the reason has been printed. The caller frees with family_free. */
struct family *family_chosen(const struct command *, int count, char **operand,
                             const struct family_choice *, uint32_t *selected);

#endif
