/* SPDX-License-Identifier: MIT */
#include "ledger_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "ledger_names.h"
#include "ranking.h"
#include "report_parts.h"
#include "units.h"

#define FRAMES 6 /* of a place that maps */

uint64_t ledger_live(const struct ledger_row *r) {
    return r->live < r->bytes[LEDGER_HEAP] ? r->live : r->bytes[LEDGER_HEAP];
}

uint64_t ledger_slack(const struct ledger_row *r) {
    return r->bytes[LEDGER_HEAP] - ledger_live(r);
}

uint64_t ledger_untouched(const struct ledger_row *r) {
    return r->live - ledger_live(r);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void print_line(FILE *out, const char *label, uint64_t bytes, uint64_t whole,
                       const char *more) {
    char value[UNITS_ROOM], part[UNITS_ROOM];
    fprintf(out, "  %-18s %14s  %6s%s%s\n", label, units_bytes(value, bytes),
            units_percent(part, bytes, whole), *more != '\0' ? "   " : "", more);
}

static char *heap_note(const struct tape_process *p, const struct ledger_row *r) {
    char bytes[UNITS_ROOM];
    const char *name = ledger_allocator(p);
    if (ledger_untouched(r) == 0)
        return xstrdup(name);
    return xasprintf("%s; %s more are in blocks, but not in memory", name,
                     units_bytes(bytes, ledger_untouched(r)));
}

/* "pymalloc arenas 88.00 MiB, others 1.20 MiB" */
static char *direct_note(const struct ledger *l, struct names *names) {
    struct ledger_mapper_sum sum[LEDGER_MAPPERS];
    size_t count = ledger_mappers(names, l, sum);
    char *text = xstrdup("");
    for (size_t i = 0; i < count && i < 4; i++) {
        char bytes[UNITS_ROOM];
        if (sum[i].resident == 0 || (count == 1 && sum[i].name == NULL))
            break;
        char *longer = xasprintf("%s%s%s %s", text, i != 0 ? ", " : "",
                                 sum[i].name != NULL ? sum[i].name : "others",
                                 units_bytes(bytes, sum[i].resident));
        free(text);
        text = longer;
    }
    return text;
}

void ledger_print_classes(FILE *out, const struct ledger_row *r, const char *heap,
                          const char *direct) {
    for (int c = 0; c < LEDGER_CLASSES; c++) {
        if (c == LEDGER_HEAP) {
            print_line(out, "heap, live blocks", ledger_live(r), r->resident, heap);
            print_line(out, "heap, beside them", ledger_slack(r), r->resident,
                       "freed and kept, headers, rounding");
        } else if (r->bytes[c] != 0 || c == LEDGER_RESIDUAL) {
            print_line(out, ledger_class_info[c].label, r->bytes[c], r->resident,
                       c == LEDGER_DIRECT ? direct : "");
        }
    }
    char value[UNITS_ROOM];
    if (r->swapped != 0)
        fprintf(out, "  %-18s %14s  of memory not resident\n", "swapped out",
                units_bytes(value, r->swapped));
}

/* Those of one half of a hundredth and more. */
static void print_sites(FILE *out, const struct ledger *l, struct names *names,
                        const struct screen *screen, size_t limit) {
    struct tree_site *sites = xcalloc(l->site_count + 1, sizeof *sites);
    for (size_t i = 0; i < l->site_count; i++)
        sites[i] = (struct tree_site){l->sites[i].stack, l->sites[i].resident, l->sites[i].size};
    struct ranking *r = ranking_of(names, sites, l->site_count, FRAMES, 0);
    for (uint32_t i = 0; i < r->count && i < limit; i++) {
        const struct ranked_site *s = &r->site[i];
        char value[UNITS_ROOM], share[UNITS_ROOM], size[UNITS_ROOM];
        if (s->ranked * 200 < l->peak.resident)
            break;
        if (i == 0)
            fprintf(out, "\n%sMapped directly%s (then)\n%12s  %6s  %10s  %s\n", screen_bold(screen),
                    screen_plain(screen), "resident", "share", "mapped",
                    "mapped at, and its callers");
        int used = fprintf(out, "%12s  %6s  %10s  ", units_bytes(value, s->ranked),
                           units_percent(share, s->ranked, l->peak.resident),
                           units_bytes(size, s->second));
        uint32_t *path, length = ranking_path(r, s, &path);
        report_stack(out, names, path, length, r->tree->node[s->node].cut, (size_t)used, screen);
        free(path);
    }
    ranking_free(r);
    free(sites);
}

/* What the recorder cannot see at all. */
static void print_unseen(FILE *out, const struct tape_process *p, const struct ledger *l) {
    char bytes[UNITS_ROOM];
    if (p->bypassed != NULL) {
        char *path = names_printable(p->bypassed, strlen(p->bypassed));
        fprintf(out,
                "The allocator is inside %s, in front of the recorder: its blocks are not seen.\n",
                path);
        if (l->samples != 0)
            fprintf(out,
                    "What it has lies in the %s of direct mappings and of what is not "
                    "explained.\n",
                    units_bytes(bytes,
                                l->peak.bytes[LEDGER_DIRECT] + l->peak.bytes[LEDGER_RESIDUAL]));
        free(path);
    }
}

void ledger_print(FILE *out, const struct tape_process *p, const struct ledger *l,
                  struct names *names, const struct screen *screen, size_t sites) {
    const char *why = ledger_why_none(p, l);
    char value[UNITS_ROOM], time[UNITS_ROOM], peak[UNITS_ROOM], part[UNITS_ROOM];
    if (why != NULL) {
        fprintf(out, "\n%sMemory%s: no samples. %s.\n", screen_bold(screen), screen_plain(screen),
                why);
        print_unseen(out, p, l);
        return;
    }
    const struct ledger_row *r = &l->peak;
    fprintf(out, "\n%sMemory%s at %s: %s resident", screen_bold(screen), screen_plain(screen),
            units_duration(time, r->time), units_bytes(value, r->resident));
    if (l->peak_rss != 0)
        fprintf(out, ", the most of %" PRIu64 " sample%s (%s of the process's highest, %s)",
                l->samples, l->samples == 1 ? "" : "s",
                units_percent(part, r->resident < l->peak_rss ? r->resident : l->peak_rss,
                              l->peak_rss),
                units_bytes(peak, l->peak_rss));
    fputc('\n', out);
    char *heap = heap_note(p, r), *direct = direct_note(l, names);
    ledger_print_classes(out, r, heap, direct);
    free(heap);
    free(direct);
    if (p->parent_id != NULL && !l->inherited && r->bytes[LEDGER_RESIDUAL] * 50 > r->resident)
        fputs("What is not explained may be of its parent, which had mapped memory before the "
              "fork; its "
              "recording is not there.\n",
              out);
    print_unseen(out, p, l);
    print_sites(out, l, names, screen, sites);
}

void ledger_print_hint(FILE *out, const struct ledger *l, struct names *names) {
    const struct ledger_row *r = &l->peak;
    uint64_t direct = r->bytes[LEDGER_DIRECT], heap = r->bytes[LEDGER_HEAP];
    char bytes[UNITS_ROOM], whole[UNITS_ROOM];
    struct ledger_mapper_sum sum[LEDGER_MAPPERS];
    if (l->samples == 0 || direct < heap || direct * 4 < r->resident)
        return;
    size_t count = ledger_mappers(names, l, sum);
    const char *most = count != 0 ? sum[0].name : NULL;
    fprintf(out,
            "\nMost of this process's memory is not on the heap: of %s resident, %s are mapped "
            "directly%s%s%s.\n",
            units_bytes(whole, r->resident), units_bytes(bytes, direct), most != NULL ? " (" : "",
            most != NULL ? most : "", most != NULL ? ")" : "");
    if (most != NULL && strcmp(most, "pymalloc arenas") == 0)
        fputs("With PYTHONMALLOC=malloc in its environment Python's objects are blocks of the "
              "heap.\n",
              out);
}

/* ---- over time ---------------------------------------------------------------------------- */

static void print_row(FILE *out, const struct ledger_row *r) {
    char text[9][UNITS_ROOM];
    uint64_t other = r->bytes[LEDGER_SHARED] + r->bytes[LEDGER_OWN] + r->bytes[LEDGER_KERNEL];
    fprintf(out, "  %10s %11s %11s %11s %11s %11s %11s %11s %11s\n",
            units_duration(text[0], r->time), units_bytes(text[1], r->resident),
            units_bytes(text[2], ledger_live(r)), units_bytes(text[3], ledger_slack(r)),
            units_bytes(text[4], r->bytes[LEDGER_DIRECT]),
            units_bytes(text[5], r->bytes[LEDGER_STACKS]),
            units_bytes(text[6], r->bytes[LEDGER_DATA] + r->bytes[LEDGER_FILES]),
            units_bytes(text[7], other), units_bytes(text[8], r->bytes[LEDGER_RESIDUAL]));
}

void ledger_print_rows(FILE *out, const struct ledger_row *row, size_t count,
                       const struct screen *screen, size_t rows) {
    if (count == 0)
        return;
    fprintf(out, "%sOver time%s\n  %10s %11s %11s %11s %11s %11s %11s %11s %11s\n",
            screen_bold(screen), screen_plain(screen), "at", "resident", "heap, live", "beside",
            "direct", "stacks", "modules", "other", "unexplained");
    size_t step = rows != 0 && count > rows ? (count + rows - 1) / rows : 1;
    for (size_t i = 0; i < count; i += step) {
        const struct ledger_row *r = &row[i]; /* the greatest of those that it stands for */
        for (size_t k = i; k < i + step && k < count; k++)
            if (row[k].resident > r->resident)
                r = &row[k];
        print_row(out, r);
    }
}

/* ---- details ------------------------------------------------------------------------------ */

static int by_resident(const void *a, const void *b) {
    const struct ledger_mapping *const *m = a, *const *n = b;
    if ((*m)->resident != (*n)->resident)
        return (*m)->resident < (*n)->resident ? 1 : -1;
    return ((*m)->start > (*n)->start) - ((*m)->start < (*n)->start);
}

static void print_largest(FILE *out, const struct ledger *l, enum ledger_class class,
                          const char *title, const struct screen *screen, size_t limit) {
    const struct ledger_mapping **list = xcalloc(l->mapping_count + 1, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < l->mapping_count; i++)
        if (l->mappings[i].class == class && l->mappings[i].resident != 0)
            list[count++] = &l->mappings[i];
    if (count != 0) {
        qsort(list, count, sizeof(*list), by_resident);
        fprintf(out, "\n%s%s%s\n", screen_bold(screen), title, screen_plain(screen));
    }
    for (size_t i = 0; i < count && (limit == 0 || i < limit); i++) {
        char value[UNITS_ROOM], size[UNITS_ROOM];
        const struct ledger_mapping *m = list[i];
        char *name = m->name != NULL ? names_printable(m->name, strlen(m->name)) : xstrdup("");
        fprintf(out, "%12s of %10s  %12" PRIx64 "-%" PRIx64 "%s%s\n",
                units_bytes(value, m->resident), units_bytes(size, m->end - m->start), m->start,
                m->end, *name != '\0' ? "  " : "", name);
        free(name);
    }
    free(list);
}

void ledger_print_details(FILE *out, const struct ledger *l, const struct screen *screen,
                          size_t limit) {
    print_largest(out, l, LEDGER_RESIDUAL, "Not explained", screen, limit);
    print_largest(out, l, LEDGER_STACKS, "Stacks", screen, limit);
    print_largest(out, l, LEDGER_FILES, "Files", screen, limit);
    print_largest(out, l, LEDGER_SHARED, "Shared memory", screen, limit);
}
