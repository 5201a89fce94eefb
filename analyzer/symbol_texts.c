/* SPDX-License-Identifier: MIT */
#include "symbol_texts.h"

#include <dwarf.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"

void symbol_texts_init(struct symbol_texts *t, bool demangle) {
    *t = (struct symbol_texts){.demangle = demangle, .lock = PTHREAD_MUTEX_INITIALIZER};
}

void symbol_texts_clear(struct symbol_texts *t) {
    tdestroy(t->tree, free);
    t->tree = NULL;
}

static int text_order(const void *a, const void *b) {
    return strcmp(a, b);
}

const char *symbol_texts_keep(struct symbol_texts *t, char *text) {
    if (text == NULL)
        return NULL;
    pthread_mutex_lock(&t->lock);
    char **kept = tsearch(text, &t->tree, text_order);
    const char *result = kept != NULL ? *kept : NULL;
    pthread_mutex_unlock(&t->lock);
    if (result != text)
        free(text);
    return result;
}

const char *symbol_texts_name(struct symbol_texts *t, const char *linkage) {
    char *readable = t->demangle ? demangle(linkage) : NULL;
    if (readable == NULL)
        readable = strndup(linkage, demangle_unversioned(linkage));
    const char *kept = symbol_texts_keep(t, readable);
    return kept != NULL ? kept : linkage;
}

const char *symbol_texts_path(struct symbol_texts *t, Dwarf_Die *unit, const char *path) {
    Dwarf_Attribute attribute;
    const char *directory;
    if (path == NULL || path[0] == '/')
        return path;
    if (strcmp(path, "???") == 0) /* libdw's word for a file missing from the line table */
        return NULL;
    directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    if (directory == NULL)
        return path;
    char *joined;
    if (asprintf(&joined, "%s/%s", directory, path) < 0)
        return path;
    const char *kept = symbol_texts_keep(t, joined);
    return kept != NULL ? kept : path;
}
