/* SPDX-License-Identifier: MIT */
/* The page about several recordings. Its length does not depend on how many there are. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "diag.h"
#include "family_command.h"
#include "report_family.h"
#include "report_parts.h"
#include "units.h"

#define PROCESSES_SHOWN 30
#define DAMAGED_SHOWN   10

/* ---- the process tree --------------------------------------------------------------------- */

/* The selected members as a tree. */
struct forest {
    const struct report_family *report;
    const struct screen *screen;
    uint32_t *parent, *child, *sibling; /* member or FAMILY_NONE; index count: above the roots */
    bool *shown;
    uint32_t *hidden; /* by member: descendants that are not shown, below none that is hidden */
};

static int compare_peaks(const void *pa, const void *pb, void *context) {
    const uint32_t *a = pa, *b = pb;
    const struct family_member *m = context;
    uint64_t x = m[*a].counts.peak_bytes, y = m[*b].counts.peak_bytes;
    if (x != y)
        return x < y ? 1 : -1;
    return *a < *b ? -1 : *a > *b;
}

/* Shows the processes with the largest peaks and all their ancestors, as many as there is room. */
static void choose(struct forest *t) {
    const struct family *f = t->report->family;
    uint32_t *order = xcalloc((uint64_t)f->count + 1, sizeof *order), count = 0, used = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->member[i].selected)
            order[count++] = i;
    qsort_r(order, count, sizeof *order, compare_peaks, f->member);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t needed = 0;
        for (uint32_t at = order[i]; at < f->count && !t->shown[at]; at = t->parent[at])
            needed++;
        if (t->report->limit != 0 && used != 0 && used + needed > PROCESSES_SHOWN)
            continue;
        used += needed;
        for (uint32_t at = order[i]; at < f->count && !t->shown[at]; at = t->parent[at])
            t->shown[at] = true;
    }
    /* Whoever is hidden is counted at the nearest ancestor that is shown. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = order[i];
        if (t->shown[at])
            continue;
        while (at < f->count && !t->shown[at])
            at = t->parent[at];
        t->hidden[at]++;
    }
    /* "1 more" would take as many lines as the process itself. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = order[i], parent = t->parent[at];
        if (t->shown[at] || t->hidden[parent] != 1 || (parent < f->count && !t->shown[parent]))
            continue;
        t->shown[at] = true;
        t->hidden[parent] = 0;
    }
    free(order);
}

static struct forest plant(const struct report_family *r, const struct screen *screen) {
    const struct family *f = r->family;
    uint64_t n = (uint64_t)f->count + 1;
    struct forest t = {.report = r,
                       .screen = screen,
                       .parent = xcalloc(n, sizeof *t.parent),
                       .child = xcalloc(n, sizeof *t.child),
                       .sibling = xcalloc(n, sizeof *t.sibling),
                       .shown = xcalloc(n, sizeof *t.shown),
                       .hidden = xcalloc(n, sizeof *t.hidden)};
    for (uint32_t i = 0; i <= f->count; i++)
        t.child[i] = t.sibling[i] = t.parent[i] = FAMILY_NONE;
    for (uint32_t i = f->count; i-- != 0;) {
        if (!f->member[i].selected)
            continue;
        uint32_t parent = family_selected_parent(f, i);
        t.parent[i] = parent != FAMILY_NONE ? parent : f->count;
        t.sibling[i] = t.child[t.parent[i]];
        t.child[t.parent[i]] = i;
    }
    choose(&t);
    return t;
}

static void cut_down(struct forest *t) {
    free(t->parent);
    free(t->child);
    free(t->sibling);
    free(t->shown);
    free(t->hidden);
}

static void print_member(FILE *out, const struct forest *t, uint32_t at, const char *indent) {
    const struct family_member *m = &t->report->family->member[at];
    char a[UNITS_ROOM], p[UNITS_ROOM], n[UNITS_ROOM];
    int used = fprintf(out, "  %8llu  %12s  %10s  %10s  %-14s  ", (unsigned long long)m->pid,
                       units_count(a, m->counts.allocations), units_bytes(p, m->counts.peak_bytes),
                       units_bytes(n, m->counts.live_bytes), report_family_ending(m));
    size_t room = 0, taken = (size_t)used + screen_width(indent);
    if (t->screen->columns != 0)
        room = t->screen->columns > taken + 12 ? t->screen->columns - taken : 12;
    const char *tie = m->tie == FAMILY_EXEC && t->parent[at] == m->parent ? "exec " : "";
    if (room > strlen(tie))
        room -= strlen(tie);
    char *command = family_command(m, room, t->screen);
    fprintf(out, "%s%s%s%s%s%s\n", screen_dim(t->screen), indent, tie, screen_plain(t->screen),
            command, family_member_whole(m) ? "" : " (INCOMPLETE)");
    free(command);
}

static void print_children(FILE *out, const struct forest *t, uint32_t at, const char *indent,
                           unsigned level) {
    const struct screen *screen = t->screen;
    uint32_t last = FAMILY_NONE;
    for (uint32_t c = t->child[at]; c != FAMILY_NONE; c = t->sibling[c])
        last = t->shown[c] ? c : last;
    for (uint32_t c = t->child[at]; c != FAMILY_NONE; c = t->sibling[c]) {
        if (!t->shown[c])
            continue;
        bool more = c != last || t->hidden[at] != 0;
        const char *branch = level == 0     ? ""
                             : screen->utf8 ? more ? "\u251c " : "\u2514 "
                             : more         ? "|-"
                                            : "`-";
        const char *trunk = level == 0 ? "" : more ? screen->utf8 ? "\u2502 " : "| " : "  ";
        char *own = xasprintf("%s%s", indent, branch), *inner = xasprintf("%s%s", indent, trunk);
        print_member(out, t, c, own);
        /* Indenting further would leave no room for names. */
        print_children(out, t, c, level < 12 ? inner : indent, level + 1);
        free(own);
        free(inner);
    }
    if (t->hidden[at] != 0) {
        char count[UNITS_ROOM];
        const char *branch = level == 0 ? "" : screen->utf8 ? "\u2514 " : "`-";
        fprintf(out, "%66s%s%s%s%s more%s%s\n", "", screen_dim(screen), indent, branch,
                units_count(count, t->hidden[at]), level == 0 ? " (-n 0)" : "",
                screen_plain(screen));
    }
}

static void print_tree(FILE *out, const struct report_family *r, const struct screen *screen) {
    fprintf(out, "\n%sProcesses%s\n", screen_bold(screen), screen_plain(screen));
    fprintf(out, "  %8s  %12s  %10s  %10s  %-14s  %s\n", "pid", "allocations", "peak", "not freed",
            "ended by", "command");
    struct forest t = plant(r, screen);
    print_children(out, &t, r->family->count, "", 0);
    cut_down(&t);
}

/* ---- totals ------------------------------------------------------------------------------- */

static void print_head(FILE *out, const struct report_family *r, const struct screen *screen) {
    char n[UNITS_ROOM], m[UNITS_ROOM], duration[UNITS_ROOM], date[64] = "";
    time_t seconds = (time_t)(r->start / 1000000000);
    struct tm local;
    if (r->start != 0 && localtime_r(&seconds, &local) != NULL)
        strftime(date, sizeof date, ", started %Y-%m-%d %H:%M:%S %z", &local);
    fprintf(out, "%s%s recording%s of %s process%s%s%s", screen_bold(screen),
            units_count(n, r->recordings), r->recordings == 1 ? "" : "s",
            units_count(m, r->processes), r->processes == 1 ? "" : "es", screen_plain(screen),
            date);
    if (r->end > r->start)
        fprintf(out, ", over %s", units_duration(duration, r->end - r->start));
    fputc('\n', out);
}

static void print_inherited(FILE *out, const struct replay_counts *c) {
    if (c->inherited_freed_blocks == 0)
        return;
    char value[UNITS_ROOM], blocks[UNITS_ROOM];
    char *more = xasprintf("in %s block%s that forked children had from their parents",
                           units_count(blocks, c->inherited_freed_blocks),
                           c->inherited_freed_blocks == 1 ? "" : "s");
    report_total(out, "inherited, freed", units_bytes(value, c->inherited_freed_bytes), more);
    free(more);
}

static void print_totals(FILE *out, const struct report_family *r, const struct screen *screen) {
    const struct replay_counts *c = &r->total;
    const struct family_member *largest = &r->family->member[r->largest];
    char value[UNITS_ROOM], a[UNITS_ROOM];
    fprintf(out, "\n%sHeap, all processes%s\n", screen_bold(screen), screen_plain(screen));
    char *doubt = r->doubtful != 0
                      ? xasprintf(" (not reliable: events of %s recording%s lost)",
                                  units_count(a, r->doubtful), r->doubtful == 1 ? "" : "s")
                      : xstrdup("");
    char *command = family_command(largest, screen->columns != 0 ? screen->columns / 3 : 0, screen);
    char *more = xasprintf("of pid %llu, %s%s", (unsigned long long)largest->pid, command, doubt);
    report_total(out, "largest peak", units_bytes(value, largest->counts.peak_bytes), more);
    free(more);
    free(command);
    more = xasprintf("each process at its own instant, so not in use at one time%s", doubt);
    report_total(out, "sum of peaks", units_bytes(value, c->peak_bytes), more);
    free(more);
    char *blocks = report_in_blocks(c->live_blocks);
    more = xasprintf("%s%s", blocks, doubt);
    report_total(out, "not freed", units_bytes(value, c->live_bytes), more);
    free(more);
    free(blocks);
    free(doubt);
    report_calls(out, c);
    report_pools(out, c, true);
    print_inherited(out, c);
}

/* ---- sites -------------------------------------------------------------------------------- */

static const char *const title[RANKING_COUNT] = {"Live at each process's own peak",
                                                 "Allocated over the whole run, by bytes",
                                                 "Allocated over the whole run, by number",
                                                 "Not freed at the end"};

static void print_ranking(FILE *out, const struct report_family *r, unsigned which,
                          const struct screen *screen) {
    const struct ranking_info *info = &ranking_info[which];
    const struct joined_site **site;
    size_t count = report_family_rank(r, info, &site);
    bool bytes = metric_info[info->ranked].bytes;
    if (count != 0) {
        fprintf(out, "\n%s%s%s\n", screen_bold(screen), title[which], screen_plain(screen));
        fprintf(out, "%12s  %6s  %10s  %9s  %s\n", bytes ? "size" : "allocations", "share",
                bytes ? "blocks" : "temporary", "processes", "allocated at, and its callers");
    }
    size_t shown = r->limit != 0 && count > r->limit ? r->limit : count;
    for (size_t i = 0; i < shown; i++) {
        const struct joined_site *s = site[i];
        uint64_t ranked = s->value[info->ranked];
        char a[UNITS_ROOM], b[UNITS_ROOM], c[UNITS_ROOM], d[UNITS_ROOM];
        int used = fprintf(out, "%12s  %6s  %10s  %9s  ",
                           bytes ? units_bytes(a, ranked) : units_count(a, ranked),
                           units_percent(b, ranked, joined_total(r->joined)[info->ranked]),
                           units_count(c, s->value[info->second]), units_count(d, s->processes));
        uint32_t *path, length = joined_path(r->joined, s, r->depth, true, &path);
        report_stack(out, joined_names(r->joined), path, length, s->cut, (size_t)used, screen);
        free(path);
    }
    if (shown < count)
        fprintf(out, "%12s  %s%zu more site%s (-n)%s\n", "", screen_dim(screen), count - shown,
                count - shown == 1 ? "" : "s", screen_plain(screen));
    free(site);
}

/* ---- completeness ------------------------------------------------------------------------- */

static void print_damaged(FILE *out, const struct report_family *r) {
    uint32_t found = 0;
    char a[UNITS_ROOM], b[UNITS_ROOM];
    for (uint32_t i = 0; i < r->family->count; i++) {
        const struct family_member *m = &r->family->member[i];
        if (!m->selected || family_member_whole(m) || ++found > DAMAGED_SHOWN)
            continue;
        char *path = names_printable(m->path, strlen(m->path));
        if (m->failed)
            fprintf(out, "  %s: could not be read\n", path);
        else
            fprintf(out, "  %s: %s lost, %s damaged chunk%s\n", path,
                    units_count(a, m->health.lost), units_count(b, m->health.damaged_chunks),
                    m->health.damaged_chunks == 1 ? "" : "s");
        free(path);
    }
    if (found > DAMAGED_SHOWN)
        fprintf(out, "  %u more\n", found - DAMAGED_SHOWN);
}

static void print_number(FILE *out, uint64_t n, const char *one, const char *many) {
    char a[UNITS_ROOM];
    if (n != 0)
        fprintf(out, "%s %s\n", units_count(a, n), n == 1 ? one : many);
}

void report_family_print_completeness(FILE *out, const struct report_family *r) {
    completeness_print_line(out, &r->completeness, joined_names(r->joined));
    print_damaged(out, r);
    unseen_print(out, &r->unseen);
    print_number(out, r->family->unreadable, "file could not be read as a recording.",
                 "files could not be read as recordings.");
    print_number(out, r->alive, "process is still running: this is its recording so far.",
                 "processes are still running: these are their recordings so far.");
    print_number(out, r->unclosed,
                 "recording was not closed (its program was killed, or replaced by one that is "
                 "not here).",
                 "recordings were not closed (their programs were killed, or replaced by ones that "
                 "are not here).");
    print_number(out, r->parents_missing,
                 "forked child's parent's tape is missing: frees of inherited blocks are "
                 "unmatched.",
                 "forked children's parents' tapes are missing: frees of inherited blocks are "
                 "unmatched.");
}

void report_family_print(FILE *out, const struct report_family *r, const struct screen *screen) {
    print_head(out, r, screen);
    print_tree(out, r, screen);
    print_totals(out, r, screen);
    ledger_family_print(out, r->memory, screen);
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        print_ranking(out, r, i, screen);
    fputc('\n', out);
    report_family_print_completeness(out, r);
}
