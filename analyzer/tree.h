/* SPDX-License-Identifier: MIT */
/*
 * Call trees over allocation sites, by name: places that read the same are one node.
 *
 *   bottom-up  the root's children are the allocating places, a node's children its callers
 *   top-down   the root's children are the outermost places (main), a node's children its callees
 *
 * Two kinds of places are left out because they say nothing about the program: plumbing at the
 * inner end (folding.h), and at the outer end what lies outside main, or the start-up code that
 * calls a main without a name.
 *
 * Cost: memory grows with the number of stacks and the nodes that are kept, never with
 * stacks × depth; names are resolved only where a kept node needs them (bottom-up).
 */
#ifndef TREE_H
#define TREE_H

#include "names.h"

#define TREE_DEPTH_MAX 4096 /* levels; deeper ones are never kept */

/* What one call stack is worth. */
struct tree_site {
    uint32_t stack;
    uint64_t bytes, blocks;
};

struct tree_options {
    bool top_down;
    bool by_blocks;     /* children are sorted by blocks instead of bytes */
    bool lone_in_full;  /* a single sibling below the threshold is kept as a node of its own */
    uint64_t threshold; /* nodes of fewer bytes (blocks) are folded into their parent's `below` */
    uint32_t depth;     /* levels to keep, 0: TREE_DEPTH_MAX */
};

struct tree_node {
    uint32_t name;                      /* for names_get(); not for the root */
    uint32_t parent;                    /* index of a node; the root is its own */
    uint32_t level;                     /* 0: the root */
    uint32_t first, count;              /* children: node[first] … node[first + count - 1] */
    uint64_t bytes, blocks;             /* of all stacks through this node */
    uint64_t own_bytes, own_blocks;     /* of these, stacks that end here */
    uint64_t below_bytes, below_blocks; /* of these, in children below the threshold */
    uint32_t below;                     /* number of such children */
    bool cut;                           /* there are children, but `depth` ends here */
    uint64_t address;                   /* lowest run-time address of a call in this place */
};

struct tree {
    struct tree_node *node; /* node[0] is the root; its own_* are stacks without a frame */
    uint32_t count;
};

/* Children come largest first; equal ones by label. The sites are not changed. */
struct tree *tree_build(struct names *, const struct tree_site *sites, size_t count,
                        const struct tree_options *);
void tree_free(struct tree *);

/* The places of a stack that trees show, for others who walk one: the one to begin with (without
 * plumbing at the inner end, unless nothing would be left), and the one that goes on outwards
 * from `place`, 0 when that is the last to show. Code that runs Python is left out where it stands
 * further in than another place: between functions of Python, mostly. */
uint32_t tree_innermost(struct names *, uint32_t stack);
uint32_t tree_outer(const struct names *, uint32_t place);

/* One place in a flat list. */
struct tree_place {
    uint32_t name;
    uint64_t own_bytes, own_blocks; /* allocated by this place itself */
    uint64_t bytes, blocks;         /* by it and by what it calls; recursion counts once */
};

/* All places on the stacks of the sites, unsorted; *count of them. The caller frees. */
struct tree_place *tree_places(struct names *, const struct tree_site *sites, size_t site_count,
                               size_t *count);

/*
 * Keeps the sites whose stack has a frame that matches `glob` (fnmatch(3)): its function, with or
 * without parameters, its source file or its module, the last two with or without directories.
 * Returns how many are kept; they move to the front in their order.
 */
size_t tree_filter(struct names *, struct tree_site *sites, size_t count, const char *glob);

#endif
