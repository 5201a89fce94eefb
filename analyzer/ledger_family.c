/* SPDX-License-Identifier: MIT */
#include "ledger_family.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "ledger_print.h"

struct ledger_family *ledger_family_new(void) {
    return xcalloc(1, sizeof(struct ledger_family));
}

void ledger_family_free(struct ledger_family *f) {
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        free(f->member[i].rows);
    free(f->member);
    free(f->rows);
    free(f);
}

void ledger_family_add(struct ledger_family *f, uint32_t member, const struct ledger *l) {
    if ((f->count & (f->count - 1)) == 0)
        f->member = xrealloc(f->member, (f->count != 0 ? 2 * f->count : 1) * sizeof *f->member);
    struct ledger_member *m = &f->member[f->count++];
    *m = (struct ledger_member){.member = member,
                                .row_count = l->row_count,
                                .samples = l->samples,
                                .peak_rss = l->peak_rss,
                                .peak = l->peak};
    m->rows = xcalloc(l->row_count + 1, sizeof *m->rows);
    if (l->row_count != 0)
        memcpy(m->rows, l->rows, l->row_count * sizeof *m->rows);
    f->samples += l->samples;
}

/* ---- the sum ------------------------------------------------------------------------------ */

/* From `time` (ns since the first start) on a process has what the row says; NULL: it has ended. */
struct change {
    uint64_t time;
    uint32_t member; /* index of ledger_family.member */
    const struct ledger_row *row;
};

static int by_time(const void *a, const void *b) {
    const struct change *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if ((x->row == NULL) != (y->row == NULL)) /* who ends makes room first */
        return x->row == NULL ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static uint64_t first_start(const struct ledger_family *f, const struct family *family) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < f->count; i++) {
        uint64_t start = family->member[f->member[i].member].start;
        first = start != 0 && start < first ? start : first;
    }
    return first != UINT64_MAX ? first : 0;
}

/* The greatest sample of a process may be none of its rows, which are thinned out. */
static bool has_peak(const struct ledger_member *m) {
    for (size_t i = 0; i < m->row_count; i++)
        if (m->rows[i].time == m->peak.time)
            return true;
    return m->samples == 0;
}

static struct change *list_changes(const struct ledger_family *f, const struct family *family,
                                   size_t *count) {
    uint64_t first = first_start(f, family);
    size_t room = 0, n = 0;
    for (size_t i = 0; i < f->count; i++)
        room += f->member[i].row_count + 2;
    struct change *list = xcalloc(room + 1, sizeof *list);
    for (size_t i = 0; i < f->count; i++) {
        const struct ledger_member *m = &f->member[i];
        const struct family_member *process = &family->member[m->member];
        uint64_t start = process->start > first ? process->start - first : 0;
        for (size_t k = 0; k < m->row_count; k++)
            list[n++] = (struct change){start + m->rows[k].time, (uint32_t)i, &m->rows[k]};
        if (!has_peak(m))
            list[n++] = (struct change){start + m->peak.time, (uint32_t)i, &m->peak};
        if (m->samples != 0 && !process->alive)
            list[n++] = (struct change){start + process->counts.end_time + 1, (uint32_t)i, NULL};
    }
    qsort(list, n, sizeof *list, by_time);
    *count = n;
    return list;
}

static void add_row(struct ledger_row *sum, const struct ledger_row *r, bool comes) {
    uint64_t sign = comes ? 1 : UINT64_MAX; /* times -1, modulo 2^64 */
    sum->resident += sign * r->resident;
    sum->swapped += sign * r->swapped;
    sum->live += sign * ledger_live(r);
    for (int c = 0; c < LEDGER_CLASSES; c++)
        sum->bytes[c] += sign * r->bytes[c];
}

static void keep_peak(struct ledger_family *f, const struct ledger_row *sum,
                      const struct ledger_row *const *now) {
    f->peak = *sum;
    f->alive = 0;
    for (size_t i = 0; i < f->count; i++) {
        f->member[i].then = now[i] != NULL ? now[i]->resident : 0;
        f->alive += now[i] != NULL;
    }
}

void ledger_family_finish(struct ledger_family *f, const struct family *family) {
    size_t count;
    struct change *list = list_changes(f, family, &count);
    const struct ledger_row **now = xcalloc(f->count + 1, sizeof(*now));
    struct ledger_row sum = {0};
    f->rows = xcalloc(count + 1, sizeof *f->rows);
    for (size_t i = 0; i < count; i++) {
        const struct change *c = &list[i];
        if (now[c->member] != NULL)
            add_row(&sum, now[c->member], false);
        if (c->row != NULL)
            add_row(&sum, c->row, true);
        now[c->member] = c->row;
        sum.time = c->time;
        if (i + 1 < count && list[i + 1].time == c->time)
            continue;
        f->rows[f->row_count++] = sum;
        if (sum.resident > f->peak.resident)
            keep_peak(f, &sum, now);
    }
    while (f->row_count != 0 && f->rows[f->row_count - 1].resident == 0)
        f->row_count--; /* all have ended */
    free(now);
    free(list);
}
