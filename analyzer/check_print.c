/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_parts.h"
#include "diag.h"
#include "screen.h"
#include "units.h"

/* "1,234 bytes in 2 blocks" */
static char *amount(uint64_t bytes, uint64_t blocks) {
    char a[UNITS_ROOM], b[UNITS_ROOM];
    return xasprintf("%s byte%s in %s block%s", units_count(a, bytes), bytes == 1 ? "" : "s",
                     units_count(b, blocks), blocks == 1 ? "" : "s");
}

/* "48 (16 direct, 32 indirect) bytes in 1 block" */
static char *finding_amount(const struct check_finding *f) {
    char all[UNITS_ROOM], direct[UNITS_ROOM], indirect[UNITS_ROOM], blocks[UNITS_ROOM];
    if (f->indirect_bytes == 0 && f->indirect_blocks == 0)
        return amount(f->bytes, f->blocks);
    return xasprintf("%s (%s direct, %s indirect) bytes in %s block%s",
                     units_count(all, f->bytes + f->indirect_bytes), units_count(direct, f->bytes),
                     units_count(indirect, f->indirect_bytes), units_count(blocks, f->blocks),
                     f->blocks == 1 ? "" : "s");
}

/* "3 places" */
static char *number_of(uint64_t n, const char *one, const char *many) {
    char a[UNITS_ROOM];
    return xasprintf("%s %s", units_count(a, n), n == 1 ? one : many);
}

/* ---- a finding ---------------------------------------------------------------------------- */

static void print_frames(FILE *out, const struct check *c, const struct check_finding *f,
                         const struct screen *screen, uint32_t depth) {
    const struct names *names = joined_names(c->joined);
    const char *arrow = screen->utf8 ? "\u2190 " : "<- ";
    uint32_t first, end = check_stack_shown(names, f->path, f->length, &first);
    first = check_stack_folded(names, f->path, first, end);
    for (uint32_t i = first, shown = 0; i < end;
         i = check_stack_next(names, f->path, i, end), shown++) {
        if (depth != 0 && shown == depth) {
            fprintf(out, "    %s%s\n", arrow, screen->utf8 ? "\u2026" : "...");
            break;
        }
        const struct name *n = names_get(names, f->path[i]);
        char *label = screen_fit(screen, n->label, n->function,
                                 screen->columns != 0 ? screen->columns - 6 : 0);
        fprintf(out, "    %s%s\n", i == first ? "at " : arrow, label);
        free(label);
    }
    if (f->length == 0)
        fputs("    at an unknown place: the recording has no call stack for it\n", out);
}

static void print_finding(FILE *out, const struct check *c, const struct check_finding *f,
                          const struct screen *screen, const struct check_style *style,
                          struct generated_entries *seen) {
    char *what = finding_amount(f);
    fprintf(out, "%s%s%s", screen_bold(screen), what, screen_plain(screen));
    if (f->kind != LEAK_UNKNOWN)
        fprintf(out, " %s,", leak_kind_info[f->kind].phrase);
    fprintf(out, " by %s", f->op);
    free(what);
    if (f->processes > 1)
        fprintf(out, ", in %" PRIu32 " processes", f->processes);
    fputc('\n', out);
    char *tests = check_tests_phrase(c, f);
    if (tests != NULL)
        fprintf(out, "    %s\n", tests);
    free(tests);
    print_frames(out, c, f, screen, style->depth);
    check_print_generated(out, c, f, (int)style->gen_suppressions, seen);
    fputc('\n', out);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static uint64_t sum_events(const struct check *c) {
    uint64_t events = 0;
    for (size_t i = 0; i < c->process_count; i++)
        events += c->process[i].events;
    return events;
}

/* Images of one process are one. */
static uint64_t count_processes(const struct check *c) {
    uint64_t count = 0;
    for (size_t i = 0; i < c->process_count; i++) {
        bool seen = c->process[i].end == CHECK_OWN;
        for (size_t k = 0; k < i && !seen; k++)
            seen = c->process[k].pid == c->process[i].pid;
        count += !seen;
    }
    return count;
}

static void print_suppressed(FILE *out, const struct check *c) {
    for (size_t i = 0; i < c->suppressions->count; i++) {
        const struct suppression *s = &c->suppressions->entry[i];
        if (s->sites == 0)
            continue;
        char *what = amount(s->bytes, s->blocks);
        char *name = names_printable(s->name, strlen(s->name));
        if (s->built_in)
            fprintf(out, "Suppressed: %s: %s (built in)\n", what, name);
        else
            fprintf(out, "Suppressed: %s: %s (%s:%u)\n", what, name, s->file, s->line);
        free(name);
        free(what);
    }
}

/* "; 3 processes, 123 events; suppressed: 5 bytes in 1 block" and the end of the line */
static void print_end_of_summary(FILE *out, const struct check *c) {
    char *processes = number_of(count_processes(c), "process", "processes");
    char *events = number_of(sum_events(c), "event", "events");
    char *suppressed = amount(c->suppressed_bytes, c->suppressed_blocks);
    fprintf(out, "; %s, %s", processes, events);
    if (c->suppressed != 0)
        fprintf(out, "; suppressed: %s", suppressed);
    if (c->ignored_blocks != 0) {
        char *ignored = amount(c->ignored_bytes, c->ignored_blocks);
        fprintf(out, "; ignored: %s", ignored);
        free(ignored);
    }
    if (c->allowed != 0) {
        char *allowed = amount(c->allowed_bytes, c->allowed_blocks);
        fprintf(out, "; within budgets: %s", allowed);
        free(allowed);
    }
    fputc('\n', out);
    free(suppressed);
    free(events);
    free(processes);
}

/* "300 bytes in 3 blocks definitely lost, 16 bytes in 1 block not freed at exit" of the kinds that
 * count, or of those that do not; false, and nothing, when there are none. */
static bool print_totals(FILE *out, const struct check *c, bool counted, const char *before) {
    bool any = false;
    for (int kind = 0; kind < LEAK_KINDS; kind++) {
        const struct check_total *t = &c->total[kind];
        if (t->places == 0 || check_counts(c, (enum leak_kind)kind) != counted)
            continue;
        char *what = amount(t->bytes, t->blocks);
        fprintf(out, "%s%s %s%s", any ? ", " : before, what, leak_kind_info[kind].phrase,
                kind == LEAK_UNKNOWN ? " at exit" : "");
        free(what);
        any = true;
    }
    return any;
}

static void print_sentences(FILE *out, const char *title, char *const *sentence, size_t count) {
    enum { SENTENCES_MAX = 10 };
    if (count == 0)
        return;
    fprintf(out, "heaptape: check: %s:\n", title);
    for (size_t i = 0; i < count && i < SENTENCES_MAX; i++)
        fprintf(out, "  %s\n", sentence[i]);
    if (count > SENTENCES_MAX)
        fprintf(out, "  and %zu more\n", count - SENTENCES_MAX);
}

static void print_more(FILE *out, uint64_t places) {
    if (places == 0)
        return;
    char *more = number_of(places, "more place", "more places");
    fprintf(out, "%s (-n 0 shows all)\n\n", more);
    free(more);
}

static void print_findings(FILE *out, const struct check *c, const struct check_style *style) {
    struct screen screen = screen_of(out, style->wide);
    struct generated_entries seen = {0};
    uint64_t shown = 0, all = 0;
    for (size_t i = 0; i < c->finding_count; i++)
        all += check_is_found(&c->finding[i]) && check_shows(c, c->finding[i].kind);
    if (all == 0)
        return;
    fprintf(out, "Not freed at exit\n\n");
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct check_finding *f = &c->finding[i];
        if (!check_is_found(f) || !check_shows(c, f->kind))
            continue;
        if (style->limit != 0 && shown == style->limit)
            break;
        shown++;
        print_finding(out, c, f, &screen, style, &seen);
    }
    generated_entries_free(&seen);
    print_more(out, all - shown);
}

/* What was asked to be listed and makes nothing fail. */
static void print_uncounted(FILE *out, const struct check *c, const struct check_style *style) {
    struct screen screen = screen_of(out, style->wide);
    struct check_style plain = *style;
    struct generated_entries none = {0};
    plain.gen_suppressions = GEN_NONE;
    size_t shown =
        style->limit != 0 && style->limit < c->uncounted_count ? style->limit : c->uncounted_count;
    if (c->uncounted_count != 0)
        fprintf(out, "Not freed at exit, not counted\n\n");
    for (size_t i = 0; i < shown; i++)
        print_finding(out, c, &c->uncounted[i], &screen, &plain, &none);
    print_more(out, c->uncounted_count - shown);
}

void check_print(FILE *out, const struct check *c, const struct check_style *style) {
    if (c->found != 0)
        print_findings(out, c, style);
    print_uncounted(out, c, style);
    struct screen screen = screen_of(out, style->wide);
    check_print_growth(out, c, &screen, style->limit);
    check_print_mismatches(out, c, &screen, style->limit);
    check_print_budgets(out, c);
    if (style->show_suppressed)
        print_suppressed(out, c);
    if (c->fail_on_stale)
        check_print_stale(out, c);
    print_sentences(out, "note", c->note, c->note_count);
    print_sentences(out, "this answer is not reliable", c->problem, c->problem_count);
    char *program = names_printable(c->program, strlen(c->program));
    if (c->found != 0) {
        char *where = number_of(c->found, "place", "places");
        fprintf(out, "heaptape: check: %s: ", program);
        print_totals(out, c, true, "");
        fprintf(out, ", from %s", where);
        free(where);
    } else if (c->problem_count != 0 || (c->fail_on_stale && c->stale != 0)) {
        fprintf(out, "heaptape: check: %s: no clean pass, although nothing was found", program);
    } else if (check_all_freed(c)) {
        fprintf(out, "heaptape: check: %s: every block was freed%s", program,
                c->allowed != 0          ? " or is allowed by a budget"
                : c->suppressed != 0     ? " or is suppressed"
                : c->ignored_blocks != 0 ? " or is ignored"
                                         : "");
    } else {
        fprintf(out, "heaptape: check: %s: no leaks", program);
    }
    print_totals(out, c, false, "; not counted: ");
    free(program);
    if (c->growth_count != 0)
        fprintf(out, "; %zu call site%s with each round", c->growth_count,
                c->growth_count == 1 ? " grows" : "s grow");
    else if (c->fail_on_growth)
        fputs(c->loops != 0 ? "; nothing grows with its rounds" : "; no loop was marked", out);
    if (c->mismatch_count != 0)
        fprintf(out, "; mismatched functions at %zu place%s", c->mismatch_count,
                c->mismatch_count == 1 ? "" : "s");
    else if (c->fail_on_mismatch)
        fputs("; no mismatched functions", out);
    if (c->budgets->broken != 0)
        fprintf(out, "; %zu budget%s broken", c->budgets->broken,
                c->budgets->broken == 1 ? "" : "s");
    print_end_of_summary(out, c);
    if (style->kept != NULL)
        fprintf(out, "heaptape: check: the recordings are in %s\n", style->kept);
}
