/* SPDX-License-Identifier: MIT */
#include "growing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "tree.h"
#include "units.h"

static int compare_paths(const void *pa, const void *pb) {
    const struct growing *a = pa, *b = pb;
    for (uint32_t i = 0; i < a->length && i < b->length; i++)
        if (a->path[i] != b->path[i])
            return a->path[i] < b->path[i] ? -1 : 1;
    return (a->length > b->length) - (a->length < b->length);
}

static int most_first(const void *pa, const void *pb) {
    const struct growing *a = pa, *b = pb;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    if (a->blocks != b->blocks)
        return a->blocks < b->blocks ? 1 : -1;
    return compare_paths(a, b);
}

static struct growing growing_of(struct names *names, const struct growth_site *s, uint32_t depth) {
    struct growing g = {.blocks = s->blocks, .bytes = s->bytes, .grew = s->grew};
    uint32_t at = tree_innermost(names, s->stack);
    g.path = xmalloc((names_depth(names, at) + 1UL) * sizeof *g.path);
    for (; at != 0 && (depth == 0 || g.length < depth); at = tree_outer(names, at))
        g.path[g.length++] = names_of(names, at);
    g.cut = at != 0;
    return g;
}

struct growing *growing_list(struct names *names, const struct growth_loop *l, uint32_t depth,
                             uint32_t *count) {
    struct growing *all = xcalloc(l->count + 1UL, sizeof *all);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->count; i++)
        all[i] = growing_of(names, &l->site[i], depth);
    if (l->count != 0)
        qsort(all, l->count, sizeof *all, compare_paths);
    for (uint32_t i = 0; i < l->count; i++) {
        const struct growing one = all[i];
        struct growing *same = kept != 0 ? &all[kept - 1] : NULL;
        if (same == NULL || compare_paths(same, &one) != 0) {
            all[kept++] = one;
            continue;
        }
        same->blocks += one.blocks;
        same->bytes += one.bytes;
        same->grew = one.grew > same->grew ? one.grew : same->grew;
        same->cut |= one.cut;
        free(one.path);
    }
    if (kept != 0)
        qsort(all, kept, sizeof *all, most_first);
    *count = kept;
    return all;
}

void growing_free(struct growing *all, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        free(all[i].path);
    free(all);
}

/* "1,024", "1.5", "0.25", "0.003": per iteration, with a decimal where it is no whole number, below
 * 1 with two digits that say something. */
static const char *per_round(char buf[UNITS_ROOM], uint64_t amount, uint64_t rounds) {
    if (amount % rounds == 0)
        return units_count(buf, amount / rounds);
    unsigned __int128 tenths = ((unsigned __int128)amount * 10 + rounds / 2) / rounds;
    if (amount < rounds) {
        snprintf(buf, UNITS_ROOM, "%.2g", (double)amount / (double)rounds);
        return buf;
    }
    units_count(buf, (uint64_t)(tenths / 10));
    size_t used = strlen(buf);
    snprintf(buf + used, UNITS_ROOM - used, ".%u", (unsigned)(tenths % 10));
    return buf;
}

char *growing_sentence(uint64_t blocks, uint64_t bytes, uint64_t grew,
                       const struct growth_loop *l) {
    char a[UNITS_ROOM], b[UNITS_ROOM], some[UNITS_ROOM], all[UNITS_ROOM];
    return xasprintf("grows by %s block%s, %s byte%s per iteration (in %s of %s rounds)",
                     per_round(a, blocks, l->measured), blocks == l->measured ? "" : "s",
                     per_round(b, bytes, l->measured), bytes == l->measured ? "" : "s",
                     units_count(some, grew), units_count(all, l->rounds - 1));
}
