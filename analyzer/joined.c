/* SPDX-License-Identifier: MIT */
#include "joined.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "jit_map.h"
#include "python.h"
#include "runtime_code.h"
#include "tree.h"

/*
 * The joined stacks are those of an address space of our own: every module that differs lies in it
 * once, above all addresses that tapes can hold (56 bits), at a distance that no module spans.
 */
#define SPACE_FIRST (UINT64_C(1) << 60)
#define SPACE_SHIFT 44
#define SPACE_COUNT ((UINT64_MAX - SPACE_FIRST) >> SPACE_SHIFT)

/* What ends at one stack. */
struct own {
    uint64_t value[METRIC_COUNT];
    uint32_t *process; /* those it occurred in; perhaps one twice */
    uint32_t count, room;
    uint32_t site; /* of joined_sites, the last time */
};

struct joined {
    struct stacks *stacks;
    struct names *names;
    struct runtime_code *code;
    struct own *own; /* by stack */
    uint32_t room;
    uint32_t processes; /* numbers are below this */
    uint64_t total[METRIC_COUNT];
};

static struct joined *make(struct stacks *stacks, struct names *names) {
    struct joined *j = xcalloc(1, sizeof *j);
    j->stacks = stacks;
    j->names = names;
    j->code = runtime_code_new();
    names_runtime_code(names, j->code);
    return j;
}

struct joined *joined_new(void) {
    struct stacks *stacks = stacks_new();
    return make(stacks, names_new(stacks));
}

struct joined *joined_new_lookup(names_lookup *lookup, void *context) {
    struct stacks *stacks = stacks_new();
    return make(stacks, names_new_lookup(stacks, lookup, context));
}

void joined_free(struct joined *j) {
    if (j == NULL)
        return;
    for (uint32_t i = 0; i < j->room; i++)
        free(j->own[i].process);
    free(j->own);
    names_free(j->names);
    runtime_code_free(j->code);
    stacks_free(j->stacks);
    free(j);
}

struct names *joined_names(struct joined *j) {
    return j->names;
}

const uint64_t *joined_total(const struct joined *j) {
    return j->total;
}

/* ---- into the common address space -------------------------------------------------------- */

/* How the stacks of one recording become joined ones. */
struct translation {
    struct joined *joined;
    struct stacks *from;
    const struct tape_process *process; /* NULL: not known */
    struct jit_map *jit;                /* its code made at run time, when it was asked for */
    bool asked;
    uint32_t *module; /* by module of the recording: index of the joined one + 1; 0: not yet */
    uint32_t *stack;  /* by stack of the recording: the joined one + 1; 0: not yet */
};

/* The joined module that is this one, or UINT32_MAX when there is no room for another. */
static uint32_t join_module(struct stacks *stacks, const struct module *m) {
    uint32_t count = stacks_module_count(stacks);
    for (uint32_t i = 0; i < count; i++) {
        const struct module *old = stacks_module(stacks, i);
        if (old->build_id_len == m->build_id_len &&
            memcmp(old->build_id, m->build_id, m->build_id_len) == 0 &&
            strcmp(old->path, m->path) == 0)
            return i;
    }
    if (count >= SPACE_COUNT)
        return UINT32_MAX;
    struct module new = *m;
    new.start = new.bias = SPACE_FIRST + ((uint64_t)count << SPACE_SHIFT);
    new.end = new.start + (UINT64_C(1) << SPACE_SHIFT);
    new.generation = 0;
    new.gone = UINT64_MAX;
    stacks_add_module(stacks, &new);
    return count;
}

/* What is known of a module as a Python interpreter, when it has been joined. */
static void join_interpreter(struct translation *t, uint32_t module) {
    struct stacks *to = t->joined->stacks;
    uint64_t start = stacks_module(t->from, module)->start;
    const struct tape_python *p;
    for (size_t i = 0; (p = python_interpreter(stacks_python(t->from), i)) != NULL; i++) {
        struct tape_python joined = *p;
        if (p->module != start || t->module[module] == 0)
            continue;
        joined.module = stacks_module(to, t->module[module] - 1)->start;
        python_add_interpreter(stacks_python(to), &joined);
    }
}

/* Code in no module: where its process gave it a name, that is what it goes by. */
static uint64_t join_runtime_code(struct translation *t, uint64_t address) {
    struct symbol symbol;
    if (!t->asked && t->process != NULL)
        t->jit = jit_map_of(t->process);
    t->asked = true;
    if (t->jit == NULL || !jit_map_lookup(t->jit, address - 1, &symbol))
        return address;
    return runtime_code_address(t->joined->code, &symbol);
}

static uint32_t join_frame(struct translation *t, uint32_t frame) {
    struct stacks *to = t->joined->stacks;
    const struct frame *f = stacks_frame(t->from, frame);
    uint64_t address = f->address;
    if (f->module != UINT32_MAX) {
        const struct module *m = stacks_module(t->from, f->module);
        uint64_t offset = address - 1 - m->bias;
        if (t->module[f->module] == 0) {
            t->module[f->module] = join_module(to, m) + 1;
            join_interpreter(t, f->module);
        }
        uint32_t joined = t->module[f->module] - 1; /* a full space wraps round to UINT32_MAX */
        if (joined != UINT32_MAX && offset >> SPACE_SHIFT == 0)
            address = stacks_module(to, joined)->start + offset + 1;
    }
    if (f->module == UINT32_MAX && tape_python_is(address))
        address = python_join(stacks_python(to), stacks_python(t->from), address);
    else if (f->module == UINT32_MAX)
        address = join_runtime_code(t, address);
    return stacks_intern_frame(to, address, 0);
}

static uint32_t join_stack(struct translation *t, uint32_t stack) {
    uint32_t known, count, *open = stacks_open(t->from, stack, t->stack, &known, &count);
    uint32_t joined = t->stack[known] - 1;
    for (uint32_t i = 0; i < count; i++) {
        joined = stacks_push(t->joined->stacks, joined,
                             join_frame(t, stacks_innermost(t->from, open[i])));
        t->stack[open[i]] = joined + 1;
    }
    free(open);
    return joined;
}

static struct own *own_of(struct joined *j, uint32_t stack) {
    if (stack >= j->room) {
        uint32_t room = j->room != 0 ? j->room : 1024;
        while (room <= stack)
            room *= 2;
        j->own = xrealloc(j->own, room * sizeof *j->own);
        memset(j->own + j->room, 0, (room - j->room) * sizeof *j->own);
        j->room = room;
    }
    return &j->own[stack];
}

void joined_add(struct joined *j, const struct joined_from *from, const struct site *sites,
                size_t count, uint32_t *to) {
    struct stacks *stacks = from->stacks;
    uint32_t process = from->number;
    struct translation t = {.joined = j, .from = stacks, .process = from->process};
    t.module = xcalloc(stacks_module_count(stacks) + 1, sizeof *t.module);
    t.stack = xcalloc(stacks_count(stacks), sizeof *t.stack);
    t.stack[0] = 1;
    if (process >= j->processes)
        j->processes = process + 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t stack = join_stack(&t, sites[i].stack);
        struct own *o = own_of(j, stack);
        if (to != NULL)
            to[i] = stack;
        for (int m = 0; m < METRIC_COUNT; m++) {
            o->value[m] += sites[i].value[m];
            j->total[m] += sites[i].value[m];
        }
        if (o->count != 0 && o->process[o->count - 1] == process)
            continue;
        if (o->count == o->room) {
            o->room = o->room != 0 ? o->room * 2 : 1;
            o->process = xrealloc(o->process, o->room * sizeof *o->process);
        }
        o->process[o->count++] = process;
    }
    jit_map_free(t.jit);
    free(t.module);
    free(t.stack);
}

/* ---- sites -------------------------------------------------------------------------------- */

/* A walk along the places of a stack, outwards. */
struct walk {
    struct joined *joined;
    uint32_t at, left;  /* the place that comes next, 0: none; places allowed, plumbing aside */
    bool trimmed, past; /* past: the plumbing at the inner end is over */
};

static struct walk begin(struct joined *j, uint32_t stack, uint32_t depth, bool trimmed) {
    return (struct walk){.joined = j,
                         .at = trimmed ? tree_innermost(j->names, stack)
                                       : names_place(j->names, stack),
                         .left = depth != 0 ? depth : UINT32_MAX,
                         .trimmed = trimmed};
}

static bool step(struct walk *w, uint32_t *name) {
    if (w->at == 0 || w->left == 0)
        return false;
    struct joined *j = w->joined;
    *name = names_of(j->names, w->at);
    w->at = w->trimmed ? tree_outer(j->names, w->at) : names_caller(j->names, w->at);
    w->past |= !names_get(j->names, *name)->plumbing;
    w->left -= w->past;
    return true;
}

static uint64_t hash_walk(struct walk w) {
    uint64_t h = 0;
    for (uint32_t name; step(&w, &name);)
        h = (h ^ name) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
    return h * UINT64_C(0x9e3779b97f4a7c15);
}

static bool same_walk(struct walk a, struct walk b) {
    uint32_t x = 0, y = 0;
    for (;;) {
        bool more = step(&a, &x);
        if (more != step(&b, &y))
            return false;
        if (!more)
            return true;
        if (x != y)
            return false;
    }
}

/* Which site each stack belongs to: an open hash table of sites by their frames' names. */
struct grouping {
    struct joined_site *site;
    size_t count;
    uint32_t *slot; /* site + 1 */
    size_t mask;
};

static size_t find_site(struct grouping *g, struct joined *j, uint32_t stack, uint32_t depth,
                        bool trimmed) {
    struct walk walk = begin(j, stack, depth, trimmed);
    size_t i = (size_t)(hash_walk(walk) >> 20) & g->mask;
    for (; g->slot[i] != 0; i = (i + 1) & g->mask)
        if (same_walk(walk, begin(j, g->site[g->slot[i] - 1].stack, depth, trimmed)))
            return g->slot[i] - 1;
    g->site[g->count] = (struct joined_site){.stack = stack};
    g->slot[i] = (uint32_t)++g->count;
    return g->count - 1;
}

/* How many different processes the site's stacks occurred in; `seen` holds site + 1 by process. */
static void count_processes(struct joined_site *site, const struct own *o, uint64_t *seen,
                            uint64_t mark) {
    for (uint32_t i = 0; i < o->count; i++) {
        site->processes += seen[o->process[i]] != mark;
        seen[o->process[i]] = mark;
    }
}

static void prepare(struct joined *j, uint32_t count) {
    uint32_t *stack = xcalloc(count + 1UL, sizeof *stack), n = 0;
    for (uint32_t s = 0; s < j->room; s++)
        if (j->own[s].count != 0)
            stack[n++] = s;
    names_prepare(j->names, stack, n);
    free(stack);
}

struct joined_site *joined_sites(struct joined *j, uint32_t depth, bool trimmed, size_t *count) {
    uint32_t stacks = 0;
    for (uint32_t s = 0; s < j->room; s++)
        stacks += j->own[s].count != 0;
    prepare(j, stacks);
    struct grouping g = {.site = xcalloc((uint64_t)stacks + 1, sizeof *g.site), .mask = 1023};
    while (g.mask < 2 * (size_t)stacks)
        g.mask = 2 * g.mask + 1;
    g.slot = xcalloc(g.mask + 1, sizeof *g.slot);
    /* The stacks of each site as a list, so that its processes can be counted together. */
    uint32_t *next = xcalloc((uint64_t)j->room + 1, sizeof *next);
    uint32_t *first = xcalloc((uint64_t)stacks + 1, sizeof *first);
    for (uint32_t s = 0; s < j->room; s++) {
        if (j->own[s].count == 0)
            continue;
        size_t at = find_site(&g, j, s, depth, trimmed);
        for (int m = 0; m < METRIC_COUNT; m++)
            g.site[at].value[m] += j->own[s].value[m];
        j->own[s].site = (uint32_t)at;
        next[s] = first[at];
        first[at] = s + 1;
    }
    uint64_t *seen = xcalloc((uint64_t)j->processes + 1, sizeof *seen);
    for (size_t i = 0; i < g.count; i++) {
        for (uint32_t s = first[i]; s != 0; s = next[s - 1]) {
            count_processes(&g.site[i], &j->own[s - 1], seen, i + 1);
            struct walk walk = begin(j, s - 1, depth, trimmed);
            for (uint32_t name; step(&walk, &name);)
                ;
            g.site[i].cut |= walk.at != 0;
        }
    }
    free(seen);
    free(first);
    free(next);
    free(g.slot);
    *count = g.count;
    return g.site;
}

uint32_t joined_site_of(const struct joined *j, uint32_t stack) {
    return j->own[stack].site;
}

uint32_t joined_path(struct joined *j, const struct joined_site *site, uint32_t depth, bool trimmed,
                     uint32_t **path) {
    uint32_t length = 0, name;
    for (struct walk w = begin(j, site->stack, depth, trimmed); step(&w, &name);)
        length++;
    *path = xmalloc(((uint64_t)length + 1) * sizeof **path);
    length = 0;
    for (struct walk w = begin(j, site->stack, depth, trimmed); step(&w, &name);)
        (*path)[length++] = name;
    return length;
}
