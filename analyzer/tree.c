/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* ---- walking the stacks ------------------------------------------------------------------- */

static const struct name *place_name(const struct names *names, uint32_t place) {
    return names_get(names, names_of(names, place));
}

/* The first place that is no plumbing; 0: there is none. */
static uint32_t behind_plumbing(const struct names *names, uint32_t place, bool interpreter) {
    uint32_t p = place;
    while (p != 0 && (interpreter ? place_name(names, p)->plumbing : place_name(names, p)->wrapper))
        p = names_caller(names, p);
    /* A library's own start-up has no other place than itself. */
    return p != 0 && (place_name(names, p)->start_up || place_name(names, p)->loader) ? 0 : p;
}

uint32_t tree_innermost(struct names *names, uint32_t stack) {
    uint32_t place = names_place(names, stack), p = behind_plumbing(names, place, true);
    if (p == 0)
        p = behind_plumbing(names, place, false);
    return p != 0 ? p : place;
}

uint32_t tree_outer(const struct names *names, uint32_t place) {
    const struct name *own = place_name(names, place);
    uint32_t caller = names_caller(names, place), p = caller;
    if (caller == 0 || own->entry)
        return 0;
    while (p != 0 && !own->interpreter && place_name(names, p)->interpreter)
        p = names_caller(names, p);
    if (p != 0 && !place_name(names, p)->start_up)
        caller = p;
    else if (own->python)
        return 0; /* what starts the interpreter is not what the program does */
    return place_name(names, caller)->start_up ? 0 : caller;
}

/*
 * All places that lead to a site, as trees that hang below place 0. Callers precede callees in the
 * numbering of places, so one sweep upwards or downwards carries values or properties along.
 */
struct forest {
    uint32_t *child, *sibling; /* by place; 0 ends a list */
    uint32_t *parent;          /* the caller, or 0 where tree_outer() ends */
    struct tree_site *own;     /* by place: what ends there */
    struct tree_site *all;     /* by place: what ends there or further in */
    uint32_t count;
};

static void forest_init(struct forest *f, struct names *names, const struct tree_site *sites,
                        size_t site_count) {
    for (size_t i = 0; i < site_count; i++)
        names_place(names, sites[i].stack);
    uint32_t n = f->count = names_place_count(names);
    f->child = xcalloc(n, sizeof *f->child);
    f->sibling = xcalloc(n, sizeof *f->sibling);
    f->parent = xcalloc(n, sizeof *f->parent);
    f->own = xcalloc(n, sizeof *f->own);
    f->all = xcalloc(n, sizeof *f->all);
    bool *used = xcalloc(n, sizeof *used), *inside = xcalloc(n, sizeof *inside);
    for (size_t i = 0; i < site_count; i++) {
        uint32_t s = tree_innermost(names, sites[i].stack);
        f->own[s].bytes += sites[i].bytes;
        f->own[s].blocks += sites[i].blocks;
        used[s] = true;
    }
    for (uint32_t s = n; s-- > 1;)
        used[names_caller(names, s)] |= used[s];
    for (uint32_t s = 1; s < n; s++) {
        if (!used[s])
            continue;
        uint32_t caller = names_caller(names, s);
        uint32_t next = tree_outer(names, s);
        inside[s] = inside[caller] || place_name(names, s)->entry;
        f->parent[s] = next == 0 && inside[caller] ? caller : next; /* main may call itself */
    }
    for (uint32_t s = n; s-- > 1;) {
        f->all[s].bytes += f->own[s].bytes;
        f->all[s].blocks += f->own[s].blocks;
        if (f->all[s].blocks == 0 && f->all[s].bytes == 0)
            continue;
        uint32_t p = f->parent[s];
        f->all[p].bytes += f->all[s].bytes;
        f->all[p].blocks += f->all[s].blocks;
        f->sibling[s] = f->child[p];
        f->child[p] = s;
    }
    free(used);
    free(inside);
}

static void forest_free(struct forest *f) {
    free(f->child);
    free(f->sibling);
    free(f->parent);
    free(f->own);
    free(f->all);
}

/* ---- building ----------------------------------------------------------------------------- */

/* A node whose children are still to be found: the places that reach it, as `stack` of the items.
 * For bottom-up it is the caller that comes next (0: none); for top-down, the place at the node. */
struct work {
    uint32_t node;
    struct tree_site *items;
    size_t count;
};

struct group {
    uint32_t name;
    uint64_t bytes, blocks, address;
    struct tree_site *items;
    size_t count, room;
};

struct builder {
    struct names *names;
    const struct tree_options *options;
    struct forest forest; /* top-down only */
    struct tree *tree;
    size_t node_room;
    struct work *work;
    size_t work_count, work_room;
    uint32_t *group_of; /* by name: index into group + 1, cleared between nodes */
    uint32_t group_of_room;
    struct group *group;
    size_t group_count, group_room;
};

static struct group *group_for(struct builder *b, uint32_t name) {
    if (name >= b->group_of_room) {
        uint32_t room = (name + 1) * 2;
        b->group_of = xrealloc(b->group_of, room * sizeof *b->group_of);
        memset(b->group_of + b->group_of_room, 0, (room - b->group_of_room) * sizeof *b->group_of);
        b->group_of_room = room;
    }
    if (b->group_of[name] == 0) {
        if (b->group_count == b->group_room) {
            b->group_room = b->group_room != 0 ? b->group_room * 2 : 64;
            b->group = xrealloc(b->group, b->group_room * sizeof *b->group);
        }
        b->group[b->group_count++] = (struct group){.name = name, .address = UINT64_MAX};
        b->group_of[name] = (uint32_t)b->group_count;
    }
    return &b->group[b->group_of[name] - 1];
}

/* Adds what comes in from the place; `next` goes on from there. */
static void add_to_group(struct builder *b, uint32_t place, struct tree_site next) {
    struct group *g = group_for(b, names_of(b->names, place));
    uint64_t address =
        stacks_frame(names_stacks(b->names), names_frame(b->names, place))->address - 1;
    g->bytes += next.bytes;
    g->blocks += next.blocks;
    if (address < g->address)
        g->address = address;
    if (g->count == g->room) {
        g->room = g->room != 0 ? g->room * 2 : 4;
        g->items = xrealloc(g->items, g->room * sizeof *g->items);
    }
    g->items[g->count++] = next;
}

static void find_groups(struct builder *b, const struct work *w) {
    struct tree_node *node = &b->tree->node[w->node];
    for (size_t i = 0; i < w->count; i++) {
        const struct tree_site *item = &w->items[i];
        if (b->options->top_down) {
            const struct tree_site *own = &b->forest.own[item->stack];
            node->own_bytes += own->bytes;
            node->own_blocks += own->blocks;
            for (uint32_t c = b->forest.child[item->stack]; c != 0; c = b->forest.sibling[c])
                add_to_group(b, c,
                             (struct tree_site){c, b->forest.all[c].bytes,
                                                b->forest.all[c].blocks});
        } else if (item->stack == 0) {
            node->own_bytes += item->bytes;
            node->own_blocks += item->blocks;
        } else {
            struct tree_site next = *item;
            next.stack = tree_outer(b->names, item->stack);
            add_to_group(b, item->stack, next);
        }
    }
}

static uint64_t weight(const struct builder *b, const struct group *g) {
    return b->options->by_blocks ? g->blocks : g->bytes;
}

static int compare_groups(const void *pa, const void *pb, void *context) {
    const struct group *a = pa, *c = pb;
    const struct builder *b = context;
    uint64_t wa = weight(b, a), wc = weight(b, c);
    if (wa != wc)
        return wa < wc ? 1 : -1;
    uint64_t oa = a->bytes + a->blocks, oc = c->bytes + c->blocks;
    if (oa != oc)
        return oa < oc ? 1 : -1;
    const struct name *na = names_get(b->names, a->name), *nc = names_get(b->names, c->name);
    int order = strcmp(na->label, nc->label);
    return order != 0 ? order : a->name < c->name ? -1 : a->name > c->name;
}

static void push_work(struct builder *b, uint32_t node, struct tree_site *items, size_t count) {
    if (b->work_count == b->work_room) {
        b->work_room = b->work_room != 0 ? b->work_room * 2 : 64;
        b->work = xrealloc(b->work, b->work_room * sizeof *b->work);
    }
    b->work[b->work_count++] = (struct work){node, items, count};
}

static uint32_t add_node(struct builder *b, struct tree_node node) {
    struct tree *t = b->tree;
    if (t->count == b->node_room) {
        b->node_room = b->node_room != 0 ? b->node_room * 2 : 64;
        t->node = xrealloc(t->node, b->node_room * sizeof *t->node);
    }
    t->node[t->count] = node;
    return t->count++;
}

/* Turns the groups just found into children of the node and into work. */
static void keep_groups(struct builder *b, uint32_t at) {
    size_t kept = 0;
    for (size_t i = 0; i < b->group_count; i++)
        b->group_of[b->group[i].name] = 0;
    if (b->group_count != 0) /* qsort_r must not see NULL */
        qsort_r(b->group, b->group_count, sizeof *b->group, compare_groups, b);
    while (kept < b->group_count && weight(b, &b->group[kept]) >= b->options->threshold)
        kept++;
    if (b->options->lone_in_full && kept + 1 == b->group_count)
        kept++;
    uint32_t first = b->tree->count;
    for (size_t i = 0; i < kept; i++) {
        const struct group *g = &b->group[i];
        uint32_t node = add_node(b, (struct tree_node){.name = g->name,
                                                       .parent = at,
                                                       .level = b->tree->node[at].level + 1,
                                                       .bytes = g->bytes,
                                                       .blocks = g->blocks,
                                                       .address = g->address});
        push_work(b, node, g->items, g->count);
    }
    struct tree_node *node = &b->tree->node[at];
    node->first = first;
    node->count = (uint32_t)kept;
    for (size_t i = kept; i < b->group_count; i++) {
        node->below++;
        node->below_bytes += b->group[i].bytes;
        node->below_blocks += b->group[i].blocks;
        free(b->group[i].items);
    }
}

/* At the last level nothing is looked up any more: only whether anything would follow. */
static void cut_node(struct builder *b, const struct work *w) {
    struct tree_node *node = &b->tree->node[w->node];
    for (size_t i = 0; i < w->count; i++) {
        const struct tree_site *item = &w->items[i];
        bool top_down = b->options->top_down;
        bool more = top_down ? b->forest.child[item->stack] != 0 : item->stack != 0;
        const struct tree_site *own = top_down ? &b->forest.own[item->stack] : item;
        node->cut |= more;
        if (top_down || !more) {
            node->own_bytes += own->bytes;
            node->own_blocks += own->blocks;
        }
    }
}

/* All stacks are going to be asked for: what a person would call their sites decides which of them
 * belong together. */
static void prepare(struct names *names, const struct tree_site *sites, size_t count) {
    uint32_t *stack = xmalloc((count + 1) * sizeof *stack);
    for (size_t i = 0; i < count; i++)
        stack[i] = sites[i].stack;
    names_prepare(names, stack, count);
    free(stack);
}

struct tree *tree_build(struct names *names, const struct tree_site *sites, size_t count,
                        const struct tree_options *options) {
    struct builder b = {.names = names, .options = options, .tree = xcalloc(1, sizeof *b.tree)};
    struct tree_node root = {.count = 0};
    struct tree_site *items = xmalloc((count != 0 ? count : 1) * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        root.bytes += sites[i].bytes;
        root.blocks += sites[i].blocks;
    }
    add_node(&b, root);
    prepare(names, sites, count);
    if (options->top_down) {
        forest_init(&b.forest, names, sites, count);
        items[0] = (struct tree_site){0, root.bytes, root.blocks};
        push_work(&b, 0, items, 1);
    } else {
        for (size_t i = 0; i < count; i++) {
            items[i] = sites[i];
            items[i].stack = tree_innermost(names, sites[i].stack);
        }
        push_work(&b, 0, items, count);
    }
    uint32_t depth = options->depth;
    if (depth == 0 || depth > TREE_DEPTH_MAX)
        depth = TREE_DEPTH_MAX;
    while (b.work_count != 0) {
        struct work w = b.work[--b.work_count];
        if (b.tree->node[w.node].level == depth) {
            cut_node(&b, &w);
        } else {
            b.group_count = 0;
            find_groups(&b, &w);
            keep_groups(&b, w.node);
        }
        free(w.items);
    }
    forest_free(&b.forest);
    free(b.work);
    free(b.group_of);
    free(b.group);
    return b.tree;
}

void tree_free(struct tree *t) {
    if (t == NULL)
        return;
    free(t->node);
    free(t);
}

/* ---- flat list ---------------------------------------------------------------------------- */

struct tree_place *tree_places(struct names *names, const struct tree_site *sites,
                               size_t site_count, size_t *count) {
    struct forest f;
    forest_init(&f, names, sites, site_count); /* resolves every name that is met below */
    uint32_t n = names_count(names);
    struct tree_place *place = xcalloc(n != 0 ? n : 1, sizeof *place);
    uint32_t *open = xcalloc(n != 0 ? n : 1, sizeof *open); /* times a name is on the path */
    uint32_t s = f.child[0];
    while (s != 0) {
        uint32_t name = names_of(names, s);
        struct tree_place *p = &place[name];
        p->own_bytes += f.own[s].bytes;
        p->own_blocks += f.own[s].blocks;
        if (open[name]++ == 0) {
            p->bytes += f.all[s].bytes;
            p->blocks += f.all[s].blocks;
        }
        if (f.child[s] != 0) {
            s = f.child[s];
            continue;
        }
        for (;;) { /* back up to the next sibling */
            open[names_of(names, s)]--;
            if (f.sibling[s] != 0) {
                s = f.sibling[s];
                break;
            }
            s = f.parent[s];
            if (s == 0)
                break;
        }
    }
    forest_free(&f);
    free(open);
    *count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (place[i].bytes == 0 && place[i].blocks == 0)
            continue;
        place[i].name = i;
        place[(*count)++] = place[i];
    }
    return place;
}

/* ---- filter ------------------------------------------------------------------------------- */

static bool matches_path(const char *glob, const char *path) {
    return path != NULL && (fnmatch(glob, path, 0) == 0 || fnmatch(glob, names_base(path), 0) == 0);
}

static bool matches_name(const char *glob, const struct name *n) {
    return matches_path(glob, n->file) || matches_path(glob, n->module) ||
           (n->readable != NULL && folding_matches(glob, n->readable)) ||
           (n->linkage != NULL && fnmatch(glob, n->linkage, 0) == 0);
}

size_t tree_filter(struct names *names, struct tree_site *sites, size_t count, const char *glob) {
    prepare(names, sites, count);
    for (size_t i = 0; i < count; i++)
        names_place(names, sites[i].stack);
    uint32_t n = names_place_count(names);
    bool *matched = xcalloc(n, sizeof *matched), *used = xcalloc(n, sizeof *used);
    uint8_t *verdict = NULL; /* by name: 0 not yet asked, 1 no, 2 yes */
    uint32_t verdicts = 0;
    for (size_t i = 0; i < count; i++)
        used[names_place(names, sites[i].stack)] = true;
    for (uint32_t s = n; s-- > 1;)
        used[names_caller(names, s)] |= used[s];
    for (uint32_t s = 1; s < n; s++) {
        if (!used[s])
            continue;
        uint32_t name = names_of(names, s);
        if (name >= verdicts) {
            uint32_t room = (name + 1) * 2;
            verdict = xrealloc(verdict, room);
            memset(verdict + verdicts, 0, room - verdicts);
            verdicts = room;
        }
        if (verdict[name] == 0)
            verdict[name] = matches_name(glob, names_get(names, name)) ? 2 : 1;
        matched[s] = matched[names_caller(names, s)] || verdict[name] == 2;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (matched[names_place(names, sites[i].stack)])
            sites[kept++] = sites[i];
    free(matched);
    free(used);
    free(verdict);
    return kept;
}
