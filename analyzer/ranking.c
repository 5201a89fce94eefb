/* SPDX-License-Identifier: MIT */
#include "ranking.h"

#include <stdlib.h>

#include "diag.h"

const struct ranking_info ranking_info[RANKING_COUNT] = {
    {"by_peak", "Live at the peak", METRIC_PEAK_BYTES, METRIC_PEAK_BLOCKS},
    {"by_allocated_bytes", "Allocated over the whole run, by bytes", METRIC_TOTAL_BYTES,
     METRIC_TOTAL_BLOCKS},
    {"by_allocations", "Allocated over the whole run, by number", METRIC_TOTAL_BLOCKS,
     METRIC_TEMPORARY},
    {"not_freed", "Not freed at exit", METRIC_LIVE_BYTES, METRIC_LIVE_BLOCKS},
};

static int compare_sites(const void *pa, const void *pb) {
    const struct ranked_site *a = pa, *b = pb;
    if (a->ranked != b->ranked)
        return a->ranked < b->ranked ? 1 : -1;
    if (a->second != b->second)
        return a->second < b->second ? 1 : -1;
    return a->node < b->node ? -1 : a->node > b->node; /* the tree's order: by label */
}

struct ranking *ranking_of(struct names *names, const struct tree_site *sites, size_t count,
                           uint32_t depth, uint32_t limit) {
    struct ranking *r = xcalloc(1, sizeof *r);
    struct tree_options options = {.depth = depth};
    r->tree = tree_build(names, sites, count, &options);
    /* A site is a node where a stack ends, or where the depth does; both count what ends there. */
    r->site = xmalloc(r->tree->count * sizeof *r->site);
    for (uint32_t i = 0; i < r->tree->count; i++) {
        const struct tree_node *n = &r->tree->node[i];
        uint64_t ranked = n->cut ? n->bytes : n->own_bytes;
        uint64_t second = n->cut ? n->blocks : n->own_blocks;
        if (ranked != 0 || second != 0)
            r->site[r->count++] = (struct ranked_site){i, ranked, second};
    }
    qsort(r->site, r->count, sizeof *r->site, compare_sites);
    if (limit != 0 && r->count > limit) {
        r->more = r->count - limit;
        r->count = limit;
    }
    return r;
}

struct ranking *ranking_new(struct names *names, const struct profile *p,
                            const struct ranking_info *info, uint32_t depth, uint32_t limit) {
    struct tree_site *sites = xmalloc((p->site_count != 0 ? p->site_count : 1) * sizeof *sites);
    size_t count = 0;
    for (size_t i = 0; i < p->site_count; i++) {
        uint64_t ranked = p->sites[i].value[info->ranked], second = p->sites[i].value[info->second];
        if (ranked != 0 || second != 0)
            sites[count++] = (struct tree_site){p->sites[i].stack, ranked, second};
    }
    struct ranking *r = ranking_of(names, sites, count, depth, limit);
    free(sites);
    return r;
}

void ranking_free(struct ranking *r) {
    if (r == NULL)
        return;
    tree_free(r->tree);
    free(r->site);
    free(r);
}

uint32_t ranking_path(const struct ranking *r, const struct ranked_site *site, uint32_t **path) {
    const struct tree_node *node = r->tree->node;
    uint32_t length = node[site->node].level;
    *path = xmalloc((length + 1) * sizeof **path);
    for (uint32_t at = site->node, i = length; i-- != 0; at = node[at].parent)
        (*path)[i] = node[at].name;
    return length;
}
