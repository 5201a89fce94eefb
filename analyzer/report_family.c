/* SPDX-License-Identifier: MIT */
/* What the report of several recordings is made from: sums, and sites ranked. */
#include "report_family.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* ---- gathering ---------------------------------------------------------------------------- */

/* The first image of the member's process: it stands for all of them. */
static uint32_t process_of(const struct family *f, uint32_t at) {
    while (f->member[at].tie == FAMILY_EXEC)
        at = f->member[at].parent;
    return at;
}

static void add_sites(void *context, struct family_member *m, struct tape_file *tape,
                      const struct profile *p) {
    struct report_family *r = context;
    const struct joined_from from = {.stacks = replay_stacks(p->replay),
                                     .process = tape_file_process(tape),
                                     .number =
                                         process_of(r->family, (uint32_t)(m - r->family->member))};
    joined_add(r->joined, &from, p->sites, p->site_count, NULL);
    unseen_add(&r->unseen, tape_file_process(tape));
    ledger_family_add(r->memory, (uint32_t)(m - r->family->member), p->ledger);
}

static void sum_up(struct report_family *r, uint32_t at, bool *counted) {
    const struct family_member *m = &r->family->member[at];
    const struct replay_counts *c = &m->counts;
    struct replay_counts *t = &r->total;
    uint32_t process = process_of(r->family, at);
    r->recordings++;
    r->processes += !counted[process];
    counted[process] = true;
    t->events += c->events;
    t->allocations += c->allocations;
    t->allocated_bytes += c->allocated_bytes;
    t->frees += c->frees;
    t->reallocs += c->reallocs;
    t->failed += c->failed;
    t->temporary += c->temporary;
    t->live_bytes += c->live_bytes;
    t->live_blocks += c->live_blocks;
    t->peak_bytes += c->peak_bytes;
    t->peak_blocks += c->peak_blocks;
    t->pools.allocations += c->pools.allocations;
    t->pools.allocated_bytes += c->pools.allocated_bytes;
    t->pools.frees += c->pools.frees;
    t->pools.unmatched += c->pools.unmatched;
    t->pools.dropped += c->pools.dropped;
    t->pools.live_bytes += c->pools.live_bytes;
    t->pools.live_blocks += c->pools.live_blocks;
    t->inherited_known |= c->inherited_known;
    t->inherited_bytes += c->inherited_bytes;
    t->inherited_blocks += c->inherited_blocks;
    t->inherited_freed_bytes += c->inherited_freed_bytes;
    t->inherited_freed_blocks += c->inherited_freed_blocks;
    completeness_add(&r->completeness, &m->health, c, m->truncated);
    r->doubtful += m->failed || m->health.lost != 0 || m->health.damaged_chunks != 0;
    if (r->largest == FAMILY_NONE ||
        c->peak_bytes > r->family->member[r->largest].counts.peak_bytes)
        r->largest = at;
    if (m->start != 0 && (r->start == 0 || m->start < r->start))
        r->start = m->start;
    uint64_t end = m->start + c->end_time;
    if (m->start != 0 && end > r->end)
        r->end = end;
    r->alive += m->alive;
    r->unclosed += !m->closed && !m->alive && !m->replaced;
    r->parents_missing += m->parent_missing && c->unmatched_frees != 0;
}

struct report_family *report_family_new(struct family *f, const struct folding *folding,
                                        uint32_t depth, uint32_t limit, bool sites) {
    struct report_family *r = xcalloc(1, sizeof *r);
    r->family = f;
    r->joined = joined_new();
    r->memory = ledger_family_new();
    names_fold(joined_names(r->joined), folding);
    r->depth = depth;
    r->limit = limit;
    r->largest = FAMILY_NONE;
    family_run(f, add_sites, r);
    ledger_family_finish(r->memory, f);
    bool *counted = xcalloc((uint64_t)f->count + 1, sizeof *counted);
    for (uint32_t i = 0; i < f->count; i++)
        if (f->member[i].selected)
            sum_up(r, i, counted);
    free(counted);
    if (sites)
        r->sites = joined_sites(r->joined, depth, true, &r->site_count);
    return r;
}

void report_family_free(struct report_family *r) {
    if (r == NULL)
        return;
    joined_free(r->joined);
    ledger_family_free(r->memory);
    unseen_free(&r->unseen);
    free(r->sites);
    free(r);
}

int report_family_status(const struct report_family *r) {
    bool fine = completeness_whole(&r->completeness) && r->family->unreadable == 0;
    return fine ? EXIT_FINE : EXIT_FINDING;
}

const char *report_family_ending(const struct family_member *m) {
    if (m->failed)
        return "unreadable";
    if (m->alive)
        return "running";
    if (m->replaced)
        return "exec";
    if (!m->closed)
        return "killed or exec";
    static const char prefix[] = "ended by ";
    return strncmp(m->ending, prefix, sizeof prefix - 1) == 0 ? m->ending + sizeof prefix - 1
                                                              : m->ending;
}

/* ---- ranking ------------------------------------------------------------------------------ */

struct order {
    const struct report_family *report;
    const struct ranking_info *info;
};

/* Sites that are equally large come in the order of their frames' labels. */
static int compare_frames(const struct report_family *r, const struct joined_site *a,
                          const struct joined_site *b) {
    uint32_t *x, *y;
    uint32_t n = joined_path(r->joined, a, r->depth, true, &x);
    uint32_t m = joined_path(r->joined, b, r->depth, true, &y);
    struct names *names = joined_names(r->joined);
    int order = 0;
    for (uint32_t i = 0; order == 0 && i < n && i < m; i++)
        order = strcmp(names_get(names, x[i])->label, names_get(names, y[i])->label);
    free(x);
    free(y);
    if (order == 0 && n != m)
        order = n < m ? -1 : 1;
    return order != 0 ? order : a->stack < b->stack ? -1 : a->stack > b->stack;
}

static int compare_sites(const void *pa, const void *pb, void *context) {
    const struct joined_site *a = *(const struct joined_site *const *)pa;
    const struct joined_site *b = *(const struct joined_site *const *)pb;
    const struct order *o = context;
    uint64_t x = a->value[o->info->ranked], y = b->value[o->info->ranked];
    if (x != y)
        return x < y ? 1 : -1;
    x = a->value[o->info->second];
    y = b->value[o->info->second];
    if (x != y)
        return x < y ? 1 : -1;
    return a == b ? 0 : compare_frames(o->report, a, b);
}

size_t report_family_rank(const struct report_family *r, const struct ranking_info *info,
                          const struct joined_site ***site) {
    struct order order = {r, info};
    size_t count = 0;
    *site = xmalloc((r->site_count + 1) * sizeof **site);
    for (size_t i = 0; i < r->site_count; i++)
        if (r->sites[i].value[info->ranked] != 0 || r->sites[i].value[info->second] != 0)
            (*site)[count++] = &r->sites[i];
    qsort_r(*site, count, sizeof **site, compare_sites, &order);
    return count;
}
