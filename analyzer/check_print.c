/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "screen.h"
#include "units.h"

#define GENERATED_FRAMES 24 /* as many as Valgrind takes */

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

/* The frames to show, from *first up to the returned one: without operator new at the inner end,
 * and without what lies outside main, as in all other reports. */
static uint32_t shown_frames(const struct names *names, const struct check_finding *f,
                             uint32_t *first) {
    *first = 0;
    while (*first + 1 < f->length && names_get(names, f->path[*first])->allocator)
        ++*first;
    for (uint32_t i = *first; i < f->length; i++) {
        const struct name *n = names_get(names, f->path[i]);
        if (n->entry)
            return i + 1;
        if (n->start_up && i > *first)
            return i;
    }
    return f->length;
}

static void print_frames(FILE *out, const struct check *c, const struct check_finding *f,
                         const struct screen *screen, uint32_t depth) {
    const struct names *names = joined_names(c->joined);
    const char *arrow = screen->utf8 ? "\u2190 " : "<- ";
    uint32_t first, end = shown_frames(names, f, &first);
    for (uint32_t i = first; i < end; i++) {
        if (depth != 0 && i - first == depth) {
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

static void print_pattern(FILE *out, const struct name *n) {
    const char *function = n->linkage != NULL ? n->linkage : n->function;
    if (n->allocator && strncmp(function, "_Zn", 3) == 0) /* new[] may look like new */
        fprintf(out, "   fun:_Zn?%s\n", function + 4);
    else if (function != NULL)
        fprintf(out, "   fun:%s\n", function);
    else if (n->module != NULL)
        fprintf(out, "   obj:%s\n", n->module);
    else
        fputs("   fun:*\n", out);
}

/* An entry for a file of Valgrind's kind that matches this finding, there as well: with operator
 * new it does not see the malloc inside. */
static void print_suppression(FILE *out, const struct check *c, const struct check_finding *f) {
    const struct names *names = joined_names(c->joined);
    uint32_t first, end = shown_frames(names, f, &first);
    const struct name *at = f->length != 0 ? names_get(names, f->path[first]) : NULL;
    fprintf(out, "{\n   not freed: %s\n   Memcheck:Leak\n", at != NULL ? at->label : "?");
    uint32_t i = first != 0 ? first - 1 : 0, written = 0;
    if (first == 0) {
        /* posix_memalign and its like have several forms there */
        bool plain = strcmp(f->op, "malloc") == 0 || strcmp(f->op, "calloc") == 0 ||
                     strcmp(f->op, "realloc") == 0 || end == 0;
        fprintf(out, plain ? "   fun:%s\n" : "   ...\n", f->op);
        written++;
    }
    for (; i < end && written < GENERATED_FRAMES; i++, written++)
        print_pattern(out, names_get(names, f->path[i]));
    fputs("}\n", out);
}

static void print_finding(FILE *out, const struct check *c, const struct check_finding *f,
                          const struct screen *screen, const struct check_style *style) {
    char *what = finding_amount(f);
    fprintf(out, "%s%s%s", screen_bold(screen), what, screen_plain(screen));
    if (f->kind != LEAK_UNKNOWN)
        fprintf(out, " %s,", leak_kind_info[f->kind].phrase);
    fprintf(out, " by %s", f->op);
    free(what);
    if (f->processes > 1)
        fprintf(out, ", in %" PRIu32 " processes", f->processes);
    fputc('\n', out);
    print_frames(out, c, f, screen, style->depth);
    if (style->gen_suppressions)
        print_suppression(out, c, f);
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

static bool all_freed(const struct check *c) {
    bool any = false;
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        any |= c->total[kind].places != 0;
    return !any;
}

static void print_problems(FILE *out, const struct check *c) {
    enum { PROBLEMS_MAX = 10 };
    if (c->problem_count == 0)
        return;
    fputs("heaptape: check: this answer is not reliable:\n", out);
    for (size_t i = 0; i < c->problem_count && i < PROBLEMS_MAX; i++)
        fprintf(out, "  %s\n", c->problem[i]);
    if (c->problem_count > PROBLEMS_MAX)
        fprintf(out, "  and %zu more\n", c->problem_count - PROBLEMS_MAX);
}

static void print_findings(FILE *out, const struct check *c, const struct check_style *style) {
    struct screen screen = screen_of(out, style->wide);
    uint64_t shown = 0;
    fprintf(out, "Not freed at exit\n\n");
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct check_finding *f = &c->finding[i];
        if (f->suppressed_by != NULL)
            continue;
        if (style->limit != 0 && shown == style->limit)
            break;
        shown++;
        print_finding(out, c, f, &screen, style);
    }
    if (shown < c->found) {
        char *more = number_of(c->found - shown, "more place", "more places");
        fprintf(out, "%s (-n 0 shows all)\n\n", more);
        free(more);
    }
}

void check_print(FILE *out, const struct check *c, const struct check_style *style) {
    if (c->found != 0)
        print_findings(out, c, style);
    if (style->show_suppressed)
        print_suppressed(out, c);
    print_problems(out, c);
    char *program = names_printable(c->program, strlen(c->program));
    if (c->found != 0) {
        char *where = number_of(c->found, "place", "places");
        fprintf(out, "heaptape: check: %s: ", program);
        print_totals(out, c, true, "");
        fprintf(out, ", from %s", where);
        free(where);
    } else if (c->problem_count != 0) {
        fprintf(out, "heaptape: check: %s: no clean pass, although nothing was found", program);
    } else if (all_freed(c)) {
        fprintf(out, "heaptape: check: %s: every block was freed%s", program,
                c->suppressed != 0 ? " or is suppressed" : "");
    } else {
        fprintf(out, "heaptape: check: %s: no leaks", program);
    }
    print_totals(out, c, false, "; not counted: ");
    free(program);
    print_end_of_summary(out, c);
    if (style->kept != NULL)
        fprintf(out, "heaptape: check: the recordings are in %s\n", style->kept);
}
