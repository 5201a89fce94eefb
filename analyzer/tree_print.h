/* SPDX-License-Identifier: MIT */
/*
 * Call trees and flat lists as text and as JSON.
 *
 * JSON of a tree node: label; function, file, line, module, offset where known; bytes, blocks;
 * own_bytes, own_blocks when the stack of some blocks ends here; below {places, bytes, blocks} for
 * children under the threshold; cut (true) where the depth limit hides further frames; children.
 * Numbers are exact integers; `offset` is a decimal address within the module's file.
 */
#ifndef TREE_PRINT_H
#define TREE_PRINT_H

#include <json-c/json.h>

#include "screen.h"
#include "tree.h"

struct tree_print {
    struct names *names;
    const struct screen *screen;
    bool top_down;
    uint64_t total_bytes; /* what 100% is */
    uint32_t limit;       /* entries at the top, 0: all */
    double threshold;     /* percent, for the text */
};

void tree_print(FILE *out, const struct tree *, const struct tree_print *);

/* Sorts the places, by what they allocate themselves or (top-down) with what they call. Those with
 * fewer than `threshold_bytes` of that are counted in one line. */
void tree_print_places(FILE *out, struct tree_place *, size_t count, uint64_t threshold_bytes,
                       const struct tree_print *);

/* The root's object: bytes, blocks and children. The caller owns the reference. */
struct json_object *tree_json(const struct tree *, const struct tree_print *);

/* Array of {label, …, own_bytes, own_blocks, bytes, blocks}, sorted and cut as above. */
struct json_object *tree_json_places(struct tree_place *, size_t count, uint64_t threshold_bytes,
                                     const struct tree_print *);

/* {label, function, file, line, module, offset} */
struct json_object *tree_json_name(const struct name *);

#endif
