/* SPDX-License-Identifier: MIT */
/*
 * What the reader's screen shows, and names fitted into it.
 *
 * Output that goes to a file or a pipe has no colour. The character set is the one of the locale
 * (LC_ALL, LC_CTYPE, LANG). All functions are pure but for screen_of.
 */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SCREEN_COLUMNS 100

struct screen {
    bool utf8;      /* line-drawing characters, arrows, the ellipsis */
    bool colour;    /* a terminal that is neither dumb nor told otherwise by NO_COLOR */
    size_t columns; /* names are shortened to fit; 0: never */
};

/* The screen that `out` is; `wide`: names in full. */
struct screen screen_of(FILE *out, bool wide);

/* Escape sequences, empty without colour. */
const char *screen_bold(const struct screen *);
const char *screen_dim(const struct screen *);
const char *screen_plain(const struct screen *);

/* Columns that a printable UTF-8 text takes, a character each. */
size_t screen_width(const char *text);

/*
 * The label of a name in at most `columns` columns (at least 8; 0: as it is), the caller frees.
 * What goes first is the return type and the parameters, then template arguments, outer scopes, and
 * at last the middle of what is left; the source location stays as long as there is room for it.
 * `function` is the text that `label` begins with and that the location follows, or NULL.
 */
char *screen_fit(const struct screen *, const char *label, const char *function, size_t columns);

#endif
