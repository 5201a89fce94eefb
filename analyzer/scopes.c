/* SPDX-License-Identifier: MIT */
#include "scopes.h"

#include <dwarf.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>

#include "spans.h"

#define DEPTH_MAX 256 /* of DIEs in one another: damaged trees could go on for ever */

struct function {
    struct span span;
    Dwarf_Die die;
};

/* A namespace, type or function, from its DIE's offset to behind its last child. */
struct around {
    struct span span;
    Dwarf_Die die;
};

/* The functions of one unit. */
struct unit {
    Dwarf_Off offset; /* of its DIE; with `file` what it goes by */
    Dwarf *file;
    struct function *function;
    size_t count, room;
    struct around *around; /* in the order of the tree */
    size_t arounds, around_room;
};

struct scopes {
    void *units; /* tree of struct unit */
    bool lack_split;
};

struct scopes *scopes_new(void) {
    return calloc(1, sizeof(struct scopes));
}

bool scopes_lack_split(const struct scopes *s) {
    return s->lack_split;
}

static void unit_free(void *opaque) {
    struct unit *u = opaque;
    free(u->function);
    free(u->around);
    free(u);
}

void scopes_free(struct scopes *s) {
    if (s == NULL)
        return;
    tdestroy(s->units, unit_free);
    free(s);
}

/* ---- the functions of a unit -------------------------------------------------------------- */

static bool add(struct unit *u, Dwarf_Die *die, Dwarf_Addr start, Dwarf_Addr end) {
    if (u->count == u->room) {
        size_t room = 2 * u->room + 64;
        struct function *function = reallocarray(u->function, room, sizeof *function);
        if (function == NULL)
            return false;
        u->function = function;
        u->room = room;
    }
    u->function[u->count++] = (struct function){{.start = start, .end = end}, *die};
    return true;
}

static void add_ranges(struct unit *u, Dwarf_Die *die) {
    Dwarf_Addr base, start, end;
    ptrdiff_t next = 0;
    while ((next = dwarf_ranges(die, next, &base, &start, &end)) > 0)
        if (start < end && !add(u, die, start, end))
            return;
}

/* What functions may lie in: namespaces and types, functions with functions of their own. */
static bool may_hold_functions(int tag) {
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_interface_type:
    case DW_TAG_variant_part:
    case DW_TAG_variant:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
        return true;
    default:
        return false;
    }
}

/* What is part of a function's name in C++; functions are of those of the types in them. */
static bool is_around(int tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_subprogram || tag == DW_TAG_class_type ||
           tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static void add_around(struct unit *u, Dwarf_Die *die, Dwarf_Off end) {
    if (u->arounds == u->around_room) {
        size_t room = 2 * u->around_room + 16;
        struct around *around = reallocarray(u->around, room, sizeof *around);
        if (around == NULL)
            return;
        u->around = around;
        u->around_room = room;
    }
    u->around[u->arounds++] = (struct around){{.start = dwarf_dieoffset(die), .end = end}, *die};
}

/* `end`: where the parent's children end. */
static void collect(struct unit *u, Dwarf_Die *parent, Dwarf_Off end, unsigned depth) {
    Dwarf_Die die, next;
    if (depth == DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return;
    for (bool more = true; more; die = next) {
        more = dwarf_siblingof(&die, &next) == 0;
        int tag = dwarf_tag(&die);
        Dwarf_Off behind = more ? dwarf_dieoffset(&next) : end;
        if (tag == DW_TAG_subprogram)
            add_ranges(u, &die);
        if (!may_hold_functions(tag) || !dwarf_haschildren(&die))
            continue;
        if (is_around(tag))
            add_around(u, &die, behind);
        collect(u, &die, behind, depth + 1);
    }
}

static int function_order(const void *a, const void *b) {
    const struct function *f = a, *g = b;
    return spans_by_start(&f->span, &g->span);
}

static int unit_order(const void *a, const void *b) {
    const struct unit *u = a, *v = b;
    if (u->file != v->file)
        return u->file < v->file ? -1 : 1;
    return (u->offset > v->offset) - (u->offset < v->offset);
}

static struct unit *get_unit(struct scopes *s, Dwarf_Die *die) {
    const struct unit key = {.offset = dwarf_dieoffset(die), .file = dwarf_cu_getdwarf(die->cu)};
    struct unit **found = tfind(&key, &s->units, unit_order);
    if (found != NULL)
        return *found;
    struct unit *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    *u = key;
    if (tsearch(u, &s->units, unit_order) == NULL) {
        free(u);
        return NULL;
    }
    collect(u, die, UINT64_MAX, 0);
    spans_finish(u->around, sizeof *u->around, u->arounds);
    if (u->count != 0)
        qsort(u->function, u->count, sizeof *u->function, function_order);
    spans_finish(u->function, sizeof *u->function, u->count);
    return u;
}

/* ---- one address -------------------------------------------------------------------------- */

/* The unit that has the tree: that of the .dwo file for a skeleton. */
static bool whole_unit(Dwarf_Die *unit, Dwarf_Die *whole) {
    uint8_t type;
    Dwarf_Die split;
    *whole = *unit;
    if (dwarf_cu_info(unit->cu, NULL, &type, NULL, &split, NULL, NULL, NULL) != 0 ||
        type != DW_UT_skeleton)
        return true;
    *whole = split;
    return split.addr != NULL;
}

/* The innermost function that holds the address: of nested ones, the one that begins last. */
static struct function *function_at(struct unit *u, Dwarf_Addr address) {
    size_t n = spans_upto(u->function, sizeof *u->function, u->count, address);
    for (size_t i = n; i > 0 && u->function[i - 1].span.reach > address; i--)
        if (u->function[i - 1].span.end > address)
            return &u->function[i - 1];
    return NULL;
}

/* The child that holds the address and may hold inlined code or is it. */
static bool step_in(Dwarf_Die *die, Dwarf_Addr address) {
    Dwarf_Die child;
    if (dwarf_child(die, &child) != 0)
        return false;
    do {
        int tag = dwarf_tag(&child);
        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
             tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
            dwarf_haspc(&child, address) == 1) {
            *die = child;
            return true;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

size_t scopes_at(struct scopes *s, Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die *chain,
                 size_t room) {
    Dwarf_Die whole;
    bool there = whole_unit(unit, &whole);
    s->lack_split |= !there;
    struct unit *u = there ? get_unit(s, &whole) : NULL;
    struct function *f = u != NULL ? function_at(u, address) : NULL;
    if (f == NULL)
        return 0;
    size_t count = 0;
    chain[count++] = f->die;
    Dwarf_Die die = f->die;
    for (unsigned depth = 0; depth < DEPTH_MAX && count < room && step_in(&die, address); depth++)
        if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
            chain[count++] = die;
    for (size_t i = 0; i < count / 2; i++) { /* outermost first becomes innermost first */
        Dwarf_Die other = chain[i];
        chain[i] = chain[count - 1 - i];
        chain[count - 1 - i] = other;
    }
    return count;
}

size_t scopes_around(struct scopes *s, Dwarf_Die *function, Dwarf_Die *chain, size_t room) {
    Dwarf_Die die = *function, unit;
    Dwarf_Attribute attribute;
    for (unsigned i = 0; i < DEPTH_MAX; i++) /* to where it is declared */
        if ((dwarf_attr(&die, DW_AT_abstract_origin, &attribute) == NULL &&
             dwarf_attr(&die, DW_AT_specification, &attribute) == NULL) ||
            dwarf_formref_die(&attribute, &die) == NULL)
            break;
    if (dwarf_diecu(&die, &unit, NULL, NULL) == NULL)
        return 0;
    const struct unit *u = get_unit(s, &unit);
    if (u == NULL)
        return 0;
    Dwarf_Off offset = dwarf_dieoffset(&die);
    size_t count = 0;
    for (size_t i = spans_upto(u->around, sizeof *u->around, u->arounds, offset);
         i > 0 && u->around[i - 1].span.reach > offset && count < room; i--)
        if (u->around[i - 1].span.end > offset && u->around[i - 1].span.start < offset)
            chain[count++] = u->around[i - 1].die;
    return count;
}
