/* SPDX-License-Identifier: MIT */
#include "stacks.h"

#include <stdlib.h>

#include "diag.h"
#include "modules.h"
#include "pages.h"
#include "python.h"

#define UNRESOLVED (UINT32_MAX - 1)

struct node {
    uint32_t caller, frame, depth;
};

/* What was pushed upon a stack last: most often it is the next one again. */
struct last {
    uint32_t frame, stack; /* stack 0: nothing yet */
};

/* A stack by caller and frame; id 0: an empty slot. */
struct slot {
    uint32_t caller, frame, id;
};

/* A return address in a generation, and its frame. Several generations share one frame while the
 * module that holds the address stays loaded. */
struct key {
    uint64_t address, generation;
    uint32_t frame; /* plus 1; 0: an empty slot */
};

struct stacks {
    struct node *node; /* these three in pages: by id, by id, open addressing */
    struct last *last;
    struct slot *table;
    uint32_t count, room; /* room: a power of two, and half the slots */
    struct frame *frame;
    uint64_t *frame_generation;
    uint32_t frame_count, frame_room;
    struct key *key;
    uint32_t key_count, key_mask;
    struct modules modules;
    struct python *python;
};

#define FIRST_ROOM 1024 /* a power of two */

struct stacks *stacks_new(void) {
    struct stacks *s = xcalloc(1, sizeof *s);
    s->room = FIRST_ROOM;
    s->node = pages_new(s->room * sizeof *s->node);
    s->last = pages_new(s->room * sizeof *s->last);
    s->table = pages_new(2 * s->room * sizeof *s->table);
    s->count = 1;
    s->key_mask = FIRST_ROOM - 1;
    s->python = python_new();
    s->key = xcalloc(s->key_mask + 1, sizeof *s->key);
    return s;
}

void stacks_free(struct stacks *s) {
    if (s == NULL)
        return;
    modules_free(&s->modules);
    python_free(s->python);
    pages_free(s->node, s->room * sizeof *s->node);
    pages_free(s->last, s->room * sizeof *s->last);
    pages_free(s->table, 2 * (size_t)s->room * sizeof *s->table);
    free(s->frame);
    free(s->frame_generation);
    free(s->key);
    free(s);
}

static uint64_t mix(uint64_t v) {
    v *= UINT64_C(0x9e3779b97f4a7c15);
    return v ^ v >> 32;
}

/* ---- modules ------------------------------------------------------------------------------ */

void stacks_add_module(struct stacks *s, const struct module *m) {
    modules_add(&s->modules, m);
}

void stacks_unload_module(struct stacks *s, uint64_t start, uint64_t generation) {
    modules_unload(&s->modules, start, generation);
}

uint32_t stacks_module_count(const struct stacks *s) {
    return s->modules.count;
}

const struct module *stacks_loaded_at(const struct stacks *s, uint64_t address) {
    for (uint32_t i = stacks_module_count(s); i-- > 0;) {
        const struct module *m = stacks_module(s, i);
        if (address >= m->start && address < m->end && m->gone == UINT64_MAX)
            return m;
    }
    return NULL;
}

const struct module *stacks_module(const struct stacks *s, uint32_t index) {
    return s->modules.module[index];
}

struct python *stacks_python(const struct stacks *s) {
    return s->python;
}

/* ---- frames ------------------------------------------------------------------------------- */

/* The slot of a key, or the empty one where it belongs. */
static struct key *find_key(const struct stacks *s, uint64_t address, uint64_t generation) {
    uint32_t i = (uint32_t)mix(address + mix(generation)) & s->key_mask;
    while (s->key[i].frame != 0 &&
           (s->key[i].address != address || s->key[i].generation != generation))
        i = (i + 1) & s->key_mask;
    return &s->key[i];
}

static void grow_keys(struct stacks *s) {
    struct key *old = s->key;
    uint32_t n = s->key_mask + 1;
    s->key_mask = 2 * n - 1;
    s->key = xcalloc(2 * (uint64_t)n, sizeof *s->key);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].frame != 0)
            *find_key(s, old[i].address, old[i].generation) = old[i];
    free(old);
}

static void set_key(struct stacks *s, uint64_t address, uint64_t generation, uint32_t frame) {
    if (s->key_count >= s->key_mask / 2)
        grow_keys(s);
    *find_key(s, address, generation) = (struct key){address, generation, frame + 1};
    s->key_count++;
}

static uint32_t new_frame(struct stacks *s, uint64_t address, uint64_t generation) {
    if (s->frame_count == s->frame_room) {
        s->frame_room = s->frame_room != 0 ? s->frame_room * 2 : FIRST_ROOM;
        s->frame = xrealloc(s->frame, s->frame_room * sizeof *s->frame);
        s->frame_generation =
            xrealloc(s->frame_generation, s->frame_room * sizeof *s->frame_generation);
    }
    s->frame[s->frame_count] = (struct frame){address, UNRESOLVED};
    s->frame_generation[s->frame_count] = generation;
    return s->frame_count++;
}

uint32_t stacks_intern_frame(struct stacks *s, uint64_t address, uint64_t generation) {
    const struct key *known = find_key(s, address, generation);
    if (known->frame != 0)
        return known->frame - 1;
    /* Every unloading of a module begins a generation: code that stayed is still the same. */
    uint32_t module = modules_find(&s->modules, address - 1, generation, false), frame;
    uint64_t first = module != UINT32_MAX ? s->modules.module[module]->generation : generation;
    known = find_key(s, address, first);
    if (known->frame != 0) {
        frame = known->frame - 1;
    } else {
        frame = new_frame(s, address, first);
        set_key(s, address, first, frame);
    }
    if (first != generation)
        set_key(s, address, generation, frame);
    return frame;
}

const struct frame *stacks_frame(struct stacks *s, uint32_t frame) {
    struct frame *f = &s->frame[frame];
    if (f->module == UNRESOLVED)
        f->module = modules_find(&s->modules, f->address - 1, s->frame_generation[frame], true);
    return f;
}

struct frame stacks_frame_so_far(const struct stacks *s, uint32_t frame) {
    struct frame f = s->frame[frame];
    if (f.module == UNRESOLVED)
        f.module = modules_find(&s->modules, f.address - 1, s->frame_generation[frame], true);
    return f;
}

uint32_t stacks_frame_count(const struct stacks *s) {
    return s->frame_count;
}

/* ---- stacks ------------------------------------------------------------------------------- */

/* The slot of a stack, or the empty one where it belongs. */
static struct slot *find_slot(const struct stacks *s, uint32_t caller, uint32_t frame) {
    uint32_t mask = 2 * s->room - 1, i = (uint32_t)mix((uint64_t)caller << 32 | frame) & mask;
    while (s->table[i].id != 0 && (s->table[i].caller != caller || s->table[i].frame != frame))
        i = (i + 1) & mask;
    return &s->table[i];
}

static void grow_nodes(struct stacks *s) {
    if (s->room >= UINT32_MAX / 4) {
        diag("more than %u different call stacks: this heaptape cannot hold them", s->room);
        exit(EXIT_FINDING);
    }
    size_t old = s->room;
    s->room *= 2;
    s->node = pages_grow(s->node, old * sizeof *s->node, s->room * sizeof *s->node);
    s->last = pages_grow(s->last, old * sizeof *s->last, s->room * sizeof *s->last);
    pages_free(s->table, 2 * old * sizeof *s->table);
    s->table = pages_new(2 * (size_t)s->room * sizeof *s->table);
    for (uint32_t id = 1; id < s->count; id++) {
        const struct node *n = &s->node[id];
        *find_slot(s, n->caller, n->frame) = (struct slot){n->caller, n->frame, id};
    }
}

uint32_t stacks_push(struct stacks *s, uint32_t caller, uint32_t frame) {
    struct last *last = &s->last[caller];
    if (last->frame == frame && last->stack != 0)
        return last->stack;
    struct slot *slot = find_slot(s, caller, frame);
    if (slot->id == 0) {
        if (s->count == s->room) {
            grow_nodes(s);
            slot = find_slot(s, caller, frame);
        }
        uint32_t id = s->count++;
        s->node[id] = (struct node){caller, frame, s->node[caller].depth + 1};
        *slot = (struct slot){caller, frame, id};
    }
    s->last[caller] = (struct last){frame, slot->id};
    return slot->id;
}

uint32_t stacks_caller(const struct stacks *s, uint32_t stack) {
    return s->node[stack].caller;
}

uint32_t stacks_innermost(const struct stacks *s, uint32_t stack) {
    return s->node[stack].frame;
}

uint32_t stacks_depth(const struct stacks *s, uint32_t stack) {
    return s->node[stack].depth;
}

uint32_t stacks_count(const struct stacks *s) {
    return s->count;
}

uint32_t *stacks_open(const struct stacks *s, uint32_t stack, const uint32_t *done, uint32_t *known,
                      uint32_t *count) {
    *count = 0;
    for (*known = stack; done[*known] == 0; *known = stacks_caller(s, *known))
        ++*count;
    uint32_t *open = xmalloc((*count + 1UL) * sizeof *open), at = stack;
    for (uint32_t i = *count; i-- != 0; at = stacks_caller(s, at))
        open[i] = at;
    return open;
}
