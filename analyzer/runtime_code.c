/* SPDX-License-Identifier: MIT */
#include "runtime_code.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Above what programs have, below Python's frames (tape/python.h). A return address and the one
 * before it, inside the call, are of one function. */
#define FIRST UINT64_C(0xd0000000000000)
#define STEP  16
#define SPACE (UINT64_C(1) << 52)

struct function {
    struct symbol symbol;
    uint64_t address;
};

struct runtime_code {
    struct function **function; /* in the order of their addresses */
    size_t count, room;
    void *tree;
};

struct runtime_code *runtime_code_new(void) {
    return xcalloc(1, sizeof(struct runtime_code));
}

static void keep(void *function) {
    (void)function; /* the list has them, too */
}

void runtime_code_free(struct runtime_code *c) {
    if (c == NULL)
        return;
    tdestroy(c->tree, keep);
    for (size_t i = 0; i < c->count; i++) {
        free((char *)c->function[i]->symbol.function);
        free((char *)c->function[i]->symbol.file);
        free(c->function[i]);
    }
    free(c->function);
    free(c);
}

static int text_order(const char *a, const char *b) {
    if (a == NULL || b == NULL)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int function_order(const void *a, const void *b) {
    const struct symbol *f = &((const struct function *)a)->symbol;
    const struct symbol *g = &((const struct function *)b)->symbol;
    int order = text_order(f->function, g->function);
    if (order == 0)
        order = text_order(f->file, g->file);
    return order != 0 ? order : (f->line > g->line) - (f->line < g->line);
}

uint64_t runtime_code_address(struct runtime_code *c, const struct symbol *s) {
    const struct function key = {.symbol = *s};
    struct function *const *found = tfind(&key, &c->tree, function_order);
    if (found != NULL)
        return (*found)->address;
    struct function *f = xcalloc(1, sizeof *f);
    f->symbol.function = s->function != NULL ? xstrdup(s->function) : NULL;
    f->symbol.file = s->file != NULL ? xstrdup(s->file) : NULL;
    f->symbol.line = s->line;
    f->address = FIRST + STEP * (c->count + 1);
    if (c->count == c->room) {
        c->room = c->room != 0 ? 2 * c->room : 64;
        c->function = xrealloc(c->function, c->room * sizeof(*c->function));
    }
    c->function[c->count++] = f;
    tsearch(f, &c->tree, function_order); /* without memory for it: another number the next time */
    return f->address;
}

bool runtime_code_lookup(const struct runtime_code *c, uint64_t address, struct symbol *out) {
    if (address - FIRST >= SPACE)
        return false;
    uint64_t number = (address - FIRST + STEP - 1) / STEP;
    if (number == 0 || number > c->count)
        return false;
    *out = c->function[number - 1]->symbol;
    return true;
}
