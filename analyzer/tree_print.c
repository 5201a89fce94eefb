/* SPDX-License-Identifier: MIT */
#include "tree_print.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "units.h"

#define SHARE_WIDTH 6 /* "100.0%" */

/* ---- one line ----------------------------------------------------------------------------- */

struct columns {
    int size, blocks;
    size_t used; /* columns in front of the tree */
};

static struct columns columns_for(uint64_t blocks) {
    char buf[UNITS_ROOM];
    struct columns c = {.size = 11, .blocks = 8}; /* no size is wider than "1023.99 KiB" */
    int width = (int)strlen(units_count(buf, blocks));
    if (width > c.blocks)
        c.blocks = width;
    c.used = (size_t)c.size + 2 + SHARE_WIDTH + 2 + (size_t)c.blocks + 2;
    return c;
}

struct printer {
    FILE *out;
    const struct tree *tree;
    const struct tree_print *how;
    struct columns columns;
    char *prefix; /* the tree's lines in front of the current level */
    size_t prefix_room;
};

static const char *arrow(const struct printer *p) {
    if (p->how->screen->utf8)
        return p->how->top_down ? "\u2192 " : "\u2190 ";
    return p->how->top_down ? "-> " : "<- ";
}

static void print_values(const struct printer *p, uint64_t bytes, uint64_t blocks) {
    char size[UNITS_ROOM], share[UNITS_ROOM], count[UNITS_ROOM];
    fprintf(p->out, "%*s  %*s  %*s  ", p->columns.size, units_bytes(size, bytes), SHARE_WIDTH,
            units_percent(share, bytes, p->how->total_bytes), p->columns.blocks,
            units_count(count, blocks));
}

static void print_no_values(const struct printer *p) {
    fprintf(p->out, "%*s", (int)p->columns.used, "");
}

/* The tree ends here only because every child is small: a word on the node's own line says so. */
static bool only_below(const struct tree_node *n) {
    return n->count == 0 && n->below != 0 && n->own_blocks == 0;
}

/* The rest of a line: prefix, sign and the name, shortened to what is left of the screen. */
static void print_name(const struct printer *p, const char *sign, const struct tree_node *node,
                       bool bold) {
    const struct screen *screen = p->how->screen;
    const struct name *n = names_get(p->how->names, node->name);
    char note[64] = "";
    if (only_below(node))
        snprintf(note, sizeof note, "  %s%u below %g%%", screen->utf8 ? "\u2026" : "...",
                 node->below, p->how->threshold);
    size_t used =
        p->columns.used + screen_width(p->prefix) + screen_width(sign) + screen_width(note);
    size_t left = screen->columns > used + 32 ? screen->columns - used : 32;
    char *label = screen_fit(screen, n->label, n->function, screen->columns == 0 ? 0 : left);
    fprintf(p->out, "%s%s%s%s%s%s%s", screen_dim(screen), p->prefix, sign, screen_plain(screen),
            bold ? screen_bold(screen) : "", label, bold ? screen_plain(screen) : "");
    fprintf(p->out, "%s%s%s\n", screen_dim(screen), note, screen_plain(screen));
    free(label);
}

static void print_note(const struct printer *p, const char *sign, const char *text) {
    const struct screen *screen = p->how->screen;
    fprintf(p->out, "%s%s%s%s%s\n", screen_dim(screen), p->prefix, sign, text,
            screen_plain(screen));
}

/* ---- trees -------------------------------------------------------------------------------- */

/* Appends to the prefix; returns its length before, to go back to. */
static size_t deepen(struct printer *p, const char *more) {
    size_t length = strlen(p->prefix), need = length + strlen(more) + 1;
    if (need > p->prefix_room) {
        p->prefix_room = need * 2;
        p->prefix = xrealloc(p->prefix, p->prefix_room);
    }
    strcpy(p->prefix + length, more);
    return length;
}

/* A single child that takes everything is the same blocks seen one frame further. */
static bool is_chain(const struct tree_node *n) {
    return n->count == 1 && n->below == 0 && n->own_blocks == 0 && n->own_bytes == 0;
}

static void below_text(char *text, size_t room, uint32_t places, double threshold) {
    snprintf(text, room, "%u place%s below the threshold of %g%%", places, places == 1 ? "" : "s",
             threshold);
}

/* The frames behind a node whose own line has just been printed, and its branches. */
static void print_inner(struct printer *p, uint32_t at) {
    const struct tree_node *node = p->tree->node;
    while (is_chain(&node[at])) {
        at = node[at].first;
        print_no_values(p);
        print_name(p, arrow(p), &node[at], false);
    }
    const struct tree_node *n = &node[at];
    if (n->cut) {
        print_no_values(p);
        print_note(p, "", p->how->screen->utf8 ? "\u2026" : "...");
        return;
    }
    if (only_below(n))
        return;
    bool ends_here = n->own_blocks != 0 && (n->count != 0 || n->below != 0);
    uint32_t lines = n->count + ends_here + (n->below != 0);
    const char *branch = p->how->screen->utf8 ? "\u251c\u2500 " : "|- ";
    const char *last = p->how->screen->utf8 ? "\u2514\u2500 " : "`- ";
    const char *trunk = p->how->screen->utf8 ? "\u2502  " : "|  ";
    for (uint32_t i = 0; i < n->count; i++) {
        uint32_t child = n->first + i;
        bool is_last = --lines == 0;
        print_values(p, node[child].bytes, node[child].blocks);
        print_name(p, is_last ? last : branch, &node[child], false);
        size_t length = deepen(p, is_last ? "   " : trunk);
        print_inner(p, child);
        p->prefix[length] = '\0';
    }
    if (ends_here) {
        print_values(p, n->own_bytes, n->own_blocks);
        print_note(p, --lines == 0 ? last : branch,
                   p->how->top_down ? "(allocated right here)" : "(no further caller)");
    }
    if (n->below != 0) {
        char text[96];
        below_text(text, sizeof text, n->below, p->how->threshold);
        print_values(p, n->below_bytes, n->below_blocks);
        print_note(p, last, text);
    }
}

void tree_print(FILE *out, const struct tree *t, const struct tree_print *how) {
    const struct tree_node *root = &t->node[0];
    struct printer p = {.out = out,
                        .tree = t,
                        .how = how,
                        .columns = columns_for(root->blocks),
                        .prefix = xcalloc(1, 64),
                        .prefix_room = 64};
    fprintf(out, "%*s  %*s  %*s  %s\n", p.columns.size, "size", SHARE_WIDTH, "share",
            p.columns.blocks, "blocks",
            how->top_down ? "call path, from the outside in"
                          : "allocated at, and the callers from the inside out");
    uint32_t shown = how->limit != 0 && how->limit < root->count ? how->limit : root->count;
    uint64_t more_bytes = 0, more_blocks = 0;
    for (uint32_t i = 0; i < root->count; i++) {
        const struct tree_node *n = &t->node[root->first + i];
        if (i >= shown) {
            more_bytes += n->bytes;
            more_blocks += n->blocks;
            continue;
        }
        fputc('\n', out);
        print_values(&p, n->bytes, n->blocks);
        print_name(&p, "", n, true);
        print_inner(&p, root->first + i);
    }
    if (shown < root->count || root->own_blocks != 0 || root->below != 0)
        fputc('\n', out);
    char text[96];
    if (root->own_blocks != 0) {
        print_values(&p, root->own_bytes, root->own_blocks);
        print_note(&p, "", "(no call stack)");
    }
    if (shown < root->count) {
        uint32_t more = root->count - shown;
        snprintf(text, sizeof text, "%u more place%s (-n)", more, more == 1 ? "" : "s");
        print_values(&p, more_bytes, more_blocks);
        print_note(&p, "", text);
    }
    if (root->below != 0) {
        below_text(text, sizeof text, root->below, how->threshold);
        print_values(&p, root->below_bytes, root->below_blocks);
        print_note(&p, "", text);
    }
    free(p.prefix);
}

/* ---- flat lists --------------------------------------------------------------------------- */

struct place_order {
    const struct names *names;
    bool inclusive;
};

static int compare_places(const void *pa, const void *pb, void *context) {
    const struct tree_place *a = pa, *b = pb;
    const struct place_order *order = context;
    uint64_t va = order->inclusive ? a->bytes : a->own_bytes;
    uint64_t vb = order->inclusive ? b->bytes : b->own_bytes;
    if (va == vb) {
        va = order->inclusive ? a->own_bytes : a->bytes;
        vb = order->inclusive ? b->own_bytes : b->bytes;
    }
    if (va != vb)
        return va < vb ? 1 : -1;
    return strcmp(names_get(order->names, a->name)->label, names_get(order->names, b->name)->label);
}

/* Sorts; returns how many places reach the threshold and the limit. */
static size_t rank_places(struct tree_place *place, size_t count, uint64_t threshold,
                          const struct tree_print *how) {
    struct place_order order = {how->names, how->top_down};
    if (count != 0)
        qsort_r(place, count, sizeof *place, compare_places, &order);
    size_t shown = 0;
    while (shown < count && (how->limit == 0 || shown < how->limit)) {
        const struct tree_place *x = &place[shown];
        uint64_t bytes = how->top_down ? x->bytes : x->own_bytes;
        if (bytes < threshold || (!how->top_down && x->own_blocks == 0))
            break;
        shown++;
    }
    return shown;
}

void tree_print_places(FILE *out, struct tree_place *place, size_t count, uint64_t threshold,
                       const struct tree_print *how) {
    size_t shown = rank_places(place, count, threshold, how);
    char own[UNITS_ROOM], own_share[UNITS_ROOM], blocks[UNITS_ROOM], all[UNITS_ROOM],
        all_share[UNITS_ROOM];
    fprintf(out, "%11s  %6s  %10s  %11s  %6s  %s\n", "own", "share", "own blocks", "with calls",
            "share", "place");
    for (size_t i = 0; i < shown; i++) {
        const struct tree_place *x = &place[i];
        const struct name *n = names_get(how->names, x->name);
        char *label = screen_fit(how->screen, n->label, n->function,
                                 how->screen->columns == 0 ? 0 : how->screen->columns - 54);
        fprintf(out, "%11s  %6s  %10s  %11s  %6s  %s\n", units_bytes(own, x->own_bytes),
                units_percent(own_share, x->own_bytes, how->total_bytes),
                units_count(blocks, x->own_blocks), units_bytes(all, x->bytes),
                units_percent(all_share, x->bytes, how->total_bytes), label);
        free(label);
    }
    size_t rest = 0;
    uint64_t rest_bytes = 0, rest_blocks = 0;
    for (size_t i = shown; i < count; i++) {
        rest += how->top_down || place[i].own_blocks != 0;
        rest_bytes += place[i].own_bytes;
        rest_blocks += place[i].own_blocks;
    }
    if (rest != 0)
        fprintf(out, "%11s  %6s  %10s  %19s  %s%zu more place%s (-n, --threshold)%s\n",
                units_bytes(own, rest_bytes),
                units_percent(own_share, rest_bytes, how->total_bytes),
                units_count(blocks, rest_blocks), "", screen_dim(how->screen), rest,
                rest == 1 ? "" : "s", screen_plain(how->screen));
}

/* ---- JSON --------------------------------------------------------------------------------- */

struct json_object *tree_json_name(const struct name *n) {
    struct json_object *o = json_object_new_object();
    json_put_text(o, "label", n->label);
    json_put_text(o, "function", n->function);
    bool own = n->linkage != NULL && (n->plain == NULL || strcmp(n->linkage, n->plain) != 0);
    if (own && (n->function == NULL || strcmp(n->linkage, n->function) != 0))
        json_put_text(o, "linkage", n->linkage);
    json_put_text(o, "file", n->file);
    if (n->line != 0)
        json_put(o, "line", n->line);
    json_put_text(o, "module", n->module);
    if (!n->python)
        json_put(o, "offset", n->offset);
    if (n->inlined)
        json_object_object_add(o, "inlined", json_object_new_boolean(true));
    if (n->python)
        json_put_text(o, "language", "python");
    return o;
}

struct json_object *tree_json(const struct tree *t, const struct tree_print *how) {
    struct json_object **made = xcalloc(t->count, sizeof(struct json_object *));
    struct json_object **children = xcalloc(t->count, sizeof(struct json_object *));
    const struct tree_node *root = &t->node[0];
    for (uint32_t i = 0; i < t->count; i++) { /* parents come before their children */
        const struct tree_node *n = &t->node[i];
        if (i != 0 && (made[n->parent] == NULL ||
                       (n->parent == 0 && how->limit != 0 && i - root->first >= how->limit)))
            continue;
        made[i] =
            i == 0 ? json_object_new_object() : tree_json_name(names_get(how->names, n->name));
        json_put(made[i], "bytes", n->bytes);
        json_put(made[i], "blocks", n->blocks);
        if (n->own_blocks != 0) {
            json_put(made[i], "own_bytes", n->own_bytes);
            json_put(made[i], "own_blocks", n->own_blocks);
        }
        if (n->below != 0) {
            struct json_object *below = json_object_new_object();
            json_put(below, "places", n->below);
            json_put(below, "bytes", n->below_bytes);
            json_put(below, "blocks", n->below_blocks);
            json_object_object_add(made[i], "below", below);
        }
        if (n->cut)
            json_object_object_add(made[i], "cut", json_object_new_boolean(true));
        if (n->count != 0 || i == 0) {
            children[i] = json_object_new_array();
            json_object_object_add(made[i], "children", children[i]);
        }
        if (i != 0)
            json_object_array_add(children[n->parent], made[i]);
    }
    struct json_object *out = made[0];
    free(made);
    free(children);
    return out;
}

struct json_object *tree_json_places(struct tree_place *place, size_t count, uint64_t threshold,
                                     const struct tree_print *how) {
    size_t shown = rank_places(place, count, threshold, how);
    struct json_object *out = json_object_new_array();
    for (size_t i = 0; i < shown; i++) {
        struct json_object *o = tree_json_name(names_get(how->names, place[i].name));
        json_put(o, "own_bytes", place[i].own_bytes);
        json_put(o, "own_blocks", place[i].own_blocks);
        json_put(o, "bytes", place[i].bytes);
        json_put(o, "blocks", place[i].blocks);
        json_object_array_add(out, o);
    }
    return out;
}
