/* SPDX-License-Identifier: MIT */
#include "family_command.h"

#include <string.h>

#include "diag.h"

/* The path would take the room of the arguments. */
static const char *without_path(const char *command) {
    const char *end = command + strcspn(command, " "), *p = end;
    while (p > command && p[-1] != '/')
        p--;
    return *command == '/' ? p : command;
}

char *family_command(const struct family_member *m, size_t columns, const struct screen *screen) {
    const char *text = without_path(m->command);
    if (columns == 0 || screen_width(text) <= columns)
        return xstrdup(text);
    const char *dots = screen->utf8 ? "\u2026" : "...", *end = text;
    for (size_t left = columns - screen_width(dots); left != 0; left--)
        for (end++; ((unsigned char)*end & 0xc0) == 0x80;)
            end++;
    return xasprintf("%.*s%s", (int)(end - text), text, dots);
}
