/* SPDX-License-Identifier: MIT */
/*
 * What the recordings say to the budgets.
 */
#include <stdlib.h>
#include <string.h>

#include "budget.h"
#include "check.h"
#include "diag.h"
#include "naming.h"

static const enum metric metric_of[BUDGET_KINDS] = {
    [BUDGET_PEAK] = METRIC_PEAK_BYTES,
    [BUDGET_ALLOCS] = METRIC_TOTAL_BLOCKS,
    [BUDGET_LEAKED] = METRIC_LIVE_BYTES,
};

static bool any(const struct budgets *b, enum budget_kind kind, bool at) {
    for (size_t i = 0; i < b->count; i++)
        if (b->budget[i].kind == kind && (b->budget[i].pattern != NULL || !at))
            return true;
    return false;
}

static void clear_sites(struct budget *b) {
    for (size_t i = 0; i < b->site_count; i++)
        check_stack_free(&b->site[i].stack);
    b->site_count = 0;
}

/* Keeps the site if it is among the largest. */
static void keep_site(struct budget *b, const struct names *names, const char *op,
                      const uint32_t *path, uint32_t length, uint64_t value) {
    size_t at = b->site_count;
    while (at > 0 && b->site[at - 1].value < value)
        at--;
    if (at == BUDGET_SITES || value == 0)
        return;
    if (b->site_count == BUDGET_SITES)
        check_stack_free(&b->site[--b->site_count].stack);
    memmove(&b->site[at + 1], &b->site[at], (b->site_count - at) * sizeof b->site[0]);
    b->site[at] = (struct budget_site){check_stack_of(names, op, path, length), value};
    b->site_count++;
}

/* ---- peak and allocations ----------------------------------------------------------------- */

/* The metric's sum over the sites that the budget covers. */
static uint64_t sum_of(const struct budget *b, struct joined *j, const struct joined_site *site,
                       size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t *path, length = joined_path(j, &site[i], 0, false, &path);
        if (budget_covers(b, joined_names(j), path, length))
            sum += site[i].value[metric_of[b->kind]];
        free(path);
    }
    return sum;
}

static void keep_sites(struct budget *b, struct joined *j, const struct joined_site *site,
                       size_t count) {
    clear_sites(b);
    for (size_t i = 0; i < count; i++) {
        uint32_t *path, length = joined_path(j, &site[i], 0, false, &path);
        if (budget_covers(b, joined_names(j), path, length))
            keep_site(b, joined_names(j), NULL, path, length, site[i].value[metric_of[b->kind]]);
        free(path);
    }
}

/* One process's peak against the greatest so far. Names are looked up only for patterns, and for
 * the sites of a budget that is broken. */
static void take_peak(struct budget *b, const struct check_process *p, uint64_t peak,
                      struct joined *j) {
    size_t count = 0;
    bool look = b->pattern != NULL || (peak > b->value && peak > b->limit);
    struct joined_site *site = look ? joined_sites(j, 0, false, &count) : NULL;
    uint64_t value = b->pattern != NULL ? sum_of(b, j, site, count) : peak;
    if (value > b->value) {
        b->value = value;
        b->pid = p->pid;
        if (value > b->limit)
            keep_sites(b, j, site, count);
    }
    free(site);
}

static void measure_process(struct budgets *b, const struct check_process *p,
                            struct symbols *symbols, struct joined *all) {
    struct tape_file *tape = tape_file_open(p->tape);
    if (tape == NULL)
        return;
    struct profile *profile = profile_run(tape, NULL);
    const struct replay_counts *counts = replay_counts(profile->replay);
    const struct joined_from from = {.stacks = replay_stacks(profile->replay),
                                     .process = tape_file_process(tape)};
    if (any(b, BUDGET_PEAK, false)) {
        struct joined *own = joined_new_lookup(names_lookup_in_files, symbols);
        joined_add(own, &from, profile->sites, profile->site_count, NULL);
        for (size_t i = 0; i < b->count; i++)
            if (b->budget[i].kind == BUDGET_PEAK)
                take_peak(&b->budget[i], p, counts->peak_bytes, own);
        joined_free(own);
    }
    if (any(b, BUDGET_ALLOCS, false))
        joined_add(all, &from, profile->sites, profile->site_count, NULL);
    for (size_t i = 0; i < b->count; i++)
        if (b->budget[i].kind == BUDGET_ALLOCS && b->budget[i].pattern == NULL)
            b->budget[i].value += counts->allocations;
    profile_free(profile);
    tape_file_close(tape);
}

static void judge_allocs(struct budgets *b, struct joined *all) {
    bool over = any(b, BUDGET_ALLOCS, true);
    for (size_t i = 0; i < b->count; i++)
        over |= b->budget[i].kind == BUDGET_ALLOCS && b->budget[i].value > b->budget[i].limit;
    if (!over)
        return; /* no names are needed */
    size_t count;
    struct joined_site *site = joined_sites(all, 0, false, &count);
    for (size_t i = 0; i < b->count; i++) {
        struct budget *budget = &b->budget[i];
        if (budget->kind != BUDGET_ALLOCS)
            continue;
        if (budget->pattern != NULL)
            budget->value = sum_of(budget, all, site, count);
        if (budget->value > budget->limit)
            keep_sites(budget, all, site, count);
    }
    free(site);
}

static void measure(struct check *c) {
    struct budgets *b = c->budgets;
    if (!any(b, BUDGET_PEAK, false) && !any(b, BUDGET_ALLOCS, false))
        return;
    struct symbols *symbols = naming_symbols();
    struct joined *all = joined_new_lookup(names_lookup_in_files, symbols);
    for (size_t i = 0; i < c->process_count; i++)
        if (check_is_read(&c->process[i]))
            measure_process(b, &c->process[i], symbols, all);
    judge_allocs(b, all);
    joined_free(all);
    symbols_free(symbols);
}

/* ---- leaks -------------------------------------------------------------------------------- */

static bool covers(const struct budget *b, const struct check *c, const struct check_finding *f) {
    return b->kind == BUDGET_LEAKED && f->suppressed_by == NULL &&
           budget_covers(b, joined_names(c->joined), f->path, f->length);
}

static void judge_leaked(struct budget *b, const struct check *c) {
    for (size_t i = 0; i < c->finding_count; i++)
        if (covers(b, c, &c->finding[i]))
            b->value += c->finding[i].bytes;
    for (size_t i = 0; i < c->finding_count && b->value > b->limit; i++)
        if (covers(b, c, &c->finding[i]))
            keep_site(b, joined_names(c->joined), c->finding[i].op, c->finding[i].path,
                      c->finding[i].length, c->finding[i].bytes);
}

/* What kept budgets cover, and no broken one, is allowed. */
static void allow(struct check *c, struct check_finding *f) {
    const struct budget *kept = NULL;
    bool broken = false;
    for (size_t i = 0; i < c->budgets->count; i++) {
        const struct budget *b = &c->budgets->budget[i];
        if (!covers(b, c, f))
            continue;
        broken |= b->broken;
        if (!b->broken && kept == NULL)
            kept = b;
    }
    if (kept == NULL || broken)
        return;
    f->allowed_by = kept;
    c->found--;
    c->found_bytes -= f->bytes;
    c->found_blocks -= f->blocks;
    c->allowed++;
    c->allowed_bytes += f->bytes;
    c->allowed_blocks += f->blocks;
    struct check_total *total = &c->total[f->kind];
    total->places--;
    total->bytes -= f->bytes;
    total->blocks -= f->blocks;
}

void budgets_judge(struct check *c) {
    struct budgets *b = c->budgets;
    measure(c);
    for (size_t i = 0; i < b->count; i++) {
        if (b->budget[i].kind == BUDGET_LEAKED)
            judge_leaked(&b->budget[i], c);
        b->budget[i].broken = b->budget[i].value > b->budget[i].limit;
        b->broken += b->budget[i].broken;
    }
    for (size_t i = 0; i < c->finding_count; i++)
        allow(c, &c->finding[i]);
}
