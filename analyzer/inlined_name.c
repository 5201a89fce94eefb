/* SPDX-License-Identifier: MIT */
#include "inlined_name.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCOPE_DEPTH_MAX 32

static const char *linkage_name(Dwarf_Die *function) {
    Dwarf_Attribute attribute;
    const char *name =
        dwarf_formstring(dwarf_attr_integrate(function, DW_AT_linkage_name, &attribute));
    return name != NULL ? name
                        : dwarf_formstring(
                              dwarf_attr_integrate(function, DW_AT_MIPS_linkage_name, &attribute));
}

/* What a type or namespace without a name is called around `inner`. */
static const char *unnamed(Dwarf_Die *die, const char *inner) {
    if (dwarf_tag(die) == DW_TAG_namespace)
        return "(anonymous namespace)";
    return strncmp(inner, "operator()", 10) == 0 ? "{lambda}" : "{unnamed type}";
}

/* A function's name behind those of the namespaces and types around it, and of the function that
   these are local to, as a demangled name would have them. */
static const char *qualify(struct symbol_texts *texts, struct scopes *scopes, Dwarf_Die *die,
                           const char *name) {
    Dwarf_Die chain[SCOPE_DEPTH_MAX];
    size_t count = name != NULL ? scopes_around(scopes, die, chain, SCOPE_DEPTH_MAX) : 0;
    if (count == 0 || dwarf_tag(&chain[0]) == DW_TAG_subprogram) /* C knows nested functions, too */
        return name;
    char *text = strdup(name);
    bool whole = false; /* nothing further out is missing */
    for (size_t i = 0; i < count && text != NULL && !whole; i++) {
        const char *around = dwarf_diename(&chain[i]);
        char *longer;
        if (dwarf_tag(&chain[i]) == DW_TAG_subprogram) {
            const char *linkage = linkage_name(&chain[i]);
            whole = linkage != NULL;
            around = whole ? symbol_texts_name(texts, linkage) : around;
        }
        if (asprintf(&longer, "%s::%s", around != NULL ? around : unnamed(&chain[i], text), text) <
            0)
            longer = NULL;
        free(text);
        text = longer;
    }
    const char *kept = symbol_texts_keep(texts, text);
    return kept != NULL ? kept : name;
}

void inlined_name(struct symbol_texts *texts, struct scopes *scopes, Dwarf_Die *die,
                  struct symbol *out) {
    const char *linkage = linkage_name(die);
    out->plain = dwarf_diename(die);
    out->function = linkage != NULL ? symbol_texts_name(texts, linkage)
                                    : qualify(texts, scopes, die, out->plain);
    out->linkage = linkage != NULL ? linkage : out->plain;
}
