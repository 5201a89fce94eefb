/* SPDX-License-Identifier: MIT */
#include "inherited.h"

#include <stdlib.h>

#include "diag.h"
#include "tape/python.h"

/* Stacks as a trie of their own: number 0 is the empty stack, a caller comes before its callees. */
struct kept_stack {
    uint64_t address;
    uint32_t caller;
};

struct inherited_mappings {
    struct mapping *mapping; /* `stack` is an index of `stack` */
    size_t count;
    struct kept_stack *stack;
    uint32_t stacks, room;
    struct module *module; /* paths are owned */
    uint32_t modules;
};

struct copy {
    struct inherited_mappings *to;
    const struct stacks *from;
    uint32_t *stack; /* by stack of the parent's: number here + 1; 0: not yet */
    bool *module;    /* by module of the parent's: it is needed */
};

static uint32_t keep_frame(struct copy *c, uint32_t caller, uint32_t frame) {
    struct inherited_mappings *to = c->to;
    const struct frame f = stacks_frame_so_far(c->from, frame);
    if (f.module != UINT32_MAX)
        c->module[f.module] = true;
    else if (tape_python_is(f.address))
        return caller; /* what it means is told in the parent's tape alone */
    if (to->stacks == to->room) {
        to->room = to->room != 0 ? 2 * to->room : 64;
        to->stack = xrealloc(to->stack, to->room * sizeof *to->stack);
    }
    to->stack[to->stacks] = (struct kept_stack){.address = f.address, .caller = caller};
    return to->stacks++;
}

static uint32_t keep_stack(struct copy *c, uint32_t stack) {
    uint32_t known, count, *open = stacks_open(c->from, stack, c->stack, &known, &count);
    uint32_t kept = c->stack[known] - 1;
    for (uint32_t i = 0; i < count; i++) {
        kept = keep_frame(c, kept, stacks_innermost(c->from, open[i]));
        c->stack[open[i]] = kept + 1;
    }
    free(open);
    return kept;
}

static void keep_modules(struct copy *c) {
    struct inherited_mappings *to = c->to;
    uint32_t count = stacks_module_count(c->from);
    to->module = xcalloc(count + UINT64_C(1), sizeof *to->module);
    for (uint32_t i = 0; i < count; i++) {
        if (!c->module[i])
            continue;
        struct module *m = &to->module[to->modules++];
        *m = *stacks_module(c->from, i);
        m->path = xstrdup(m->path);
    }
}

struct inherited_mappings *inherited_mappings_of(struct mappings *m, const struct stacks *stacks) {
    size_t count;
    const struct mapping *list = mappings_list(m, &count);
    if (count == 0)
        return NULL;
    struct inherited_mappings *to = xcalloc(1, sizeof *to);
    struct copy c = {.to = to, .from = stacks};
    c.stack = xcalloc(stacks_count(stacks), sizeof *c.stack);
    c.module = xcalloc(stacks_module_count(stacks) + UINT64_C(1), sizeof *c.module);
    c.stack[0] = 1;
    to->stacks = to->room = 1;
    to->stack = xcalloc(1, sizeof *to->stack);
    to->mapping = xcalloc(count, sizeof *to->mapping);
    for (size_t i = 0; i < count; i++) {
        struct mapping *kept = &to->mapping[to->count++];
        *kept = list[i];
        kept->stack = keep_stack(&c, list[i].stack);
        kept->born = 0;
    }
    keep_modules(&c);
    free(c.stack);
    free(c.module);
    return to;
}

void inherited_mappings_free(struct inherited_mappings *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->modules; i++)
        free(m->module[i].path);
    free(m->module);
    free(m->stack);
    free(m->mapping);
    free(m);
}

void inherited_mappings_give(const struct inherited_mappings *m, struct mappings *to,
                             struct stacks *stacks) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->modules; i++) {
        struct module module = m->module[i];
        module.generation = 0;
        module.gone = UINT64_MAX;
        stacks_add_module(stacks, &module);
    }
    uint32_t *stack = xcalloc(m->stacks, sizeof *stack);
    for (uint32_t i = 1; i < m->stacks; i++)
        stack[i] = stacks_push(stacks, stack[m->stack[i].caller],
                               stacks_intern_frame(stacks, m->stack[i].address, 0));
    for (size_t i = 0; i < m->count; i++) {
        struct mapping r = m->mapping[i];
        r.stack = stack[r.stack];
        mappings_put(to, &r);
    }
    free(stack);
}

void inherited_free(struct inherited *i) {
    if (i == NULL)
        return;
    inherited_mappings_free(i->mappings);
    free(i);
}
