/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "completeness.h"
#include "diag.h"
#include "ledger_names.h"
#include "ledger_print.h"
#include "mismatches_print.h"
#include "report_parts.h"
#include "units.h"

/* ---- what ran ----------------------------------------------------------------------------- */

const char *report_ending(const struct tape_process *p) {
    if (p->alive)
        return "still running";
    if (!p->closed)
        return "killed, or replaced by exec";
    if (p->end_reason == NULL || strcmp(p->end_reason, "exit") == 0)
        return "ended by exit";
    if (strcmp(p->end_reason, "_exit") == 0)
        return "ended by _exit";
    if (strcmp(p->end_reason, "quick_exit") == 0)
        return "ended by quick_exit";
    if (strcmp(p->end_reason, "abort") == 0)
        return "ended by abort";
    return "ended";
}

char *report_command_line(const struct tape_process *p) {
    char *line = xstrdup("");
    const char *const *argv = (const char *const *)p->argv;
    if (argv == NULL || argv[0] == NULL) {
        free(line);
        const char *exe = p->exe != NULL ? p->exe : "(unknown)";
        return names_printable(exe, strlen(exe));
    }
    for (size_t i = 0; argv[i] != NULL; i++) {
        char *word = names_printable(argv[i], strlen(argv[i]));
        static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_@%+=:,./-";
        bool plain = *word != '\0' && word[strspn(word, harmless)] == '\0';
        /* A quote inside quotes: the text is for reading first, so this rare case stays simple. */
        const char *quote = plain ? "" : strchr(word, '\'') == NULL ? "'" : "\"";
        char *longer = xasprintf("%s%s%s%s%s", line, i == 0 ? "" : " ", quote, word, quote);
        free(word);
        free(line);
        line = longer;
    }
    return line;
}

/* Whether a list of libraries holds the recorder's alone. */
static bool is_own_preload(const char *list) {
    static const char *const own[] = {"/libheaptape.so", "/libheaptape-ext.so",
                                      "/libheaptape-jemalloc.so", "/libheaptape-sized.so"};
    while (*list != '\0') {
        size_t length = strcspn(list, ": ");
        bool found = false;
        for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
            size_t n = strlen(own[i]);
            found |= length > n && strncmp(list + length - n, own[i], n) == 0;
        }
        if (!found)
            return false;
        list += length + (list[length] != '\0');
    }
    return true;
}

/* What the recorder itself needs says nothing about the program. */
static bool is_own_variable(const char *text) {
    static const char preload[] = "LD_PRELOAD=";
    return strncmp(text, "HEAPTAPE_", 9) == 0 || (strncmp(text, preload, sizeof preload - 1) == 0 &&
                                                  is_own_preload(text + sizeof preload - 1));
}

static void print_environment(FILE *out, const char **env) {
    bool any = false;
    for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
        if (is_own_variable(env[i]))
            continue;
        char *text = names_printable(env[i], strlen(env[i]));
        fprintf(out, "%s%s", any ? " " : "with ", text);
        free(text);
        any = true;
    }
    if (any)
        fputc('\n', out);
}

static void print_process(FILE *out, const struct report *r, const struct screen *screen) {
    const struct tape_process *p = tape_file_process(r->tape);
    const struct replay_counts *counts = replay_counts(r->profile->replay);
    char *line = report_command_line(p);
    char *command = screen_fit(screen, line, NULL, screen->columns * 3);
    fprintf(out, "%s%s%s\n", screen_bold(screen), command, screen_plain(screen));
    free(command);
    free(line);
    char date[64] = "", duration[UNITS_ROOM];
    time_t seconds = (time_t)(p->start_real / 1000000000);
    struct tm local;
    if (p->start_real != 0 && localtime_r(&seconds, &local) != NULL)
        strftime(date, sizeof date, ", started %Y-%m-%d %H:%M:%S %z", &local);
    fprintf(out, "pid %llu", (unsigned long long)p->pid);
    if (p->host != NULL) {
        char *host = names_printable(p->host, strlen(p->host));
        fprintf(out, " on %s", host);
        free(host);
    }
    fprintf(out, "%s, ran %s, %s\n", date, units_duration(duration, counts->end_time),
            report_ending(p));
    print_environment(out, p->env);
    if (p->parent != NULL && *p->parent != '\0') {
        char *parent = names_printable(p->parent, strlen(p->parent));
        fprintf(out, "forked from the process recorded in %s\n", parent);
        free(parent);
    }
}

/* ---- totals ------------------------------------------------------------------------------- */

void report_total(FILE *out, const char *what, const char *value, const char *more) {
    fprintf(out, "  %-18s %14s%s%s\n", what, value, *more != '\0' ? "   " : "", more);
}

char *report_in_blocks(uint64_t blocks) {
    char count[UNITS_ROOM];
    return xasprintf("in %s block%s", units_count(count, blocks), blocks == 1 ? "" : "s");
}

static void print_totals(FILE *out, const struct report *r, const struct screen *screen) {
    const struct replay_counts *c = replay_counts(r->profile->replay);
    char value[UNITS_ROOM], a[UNITS_ROOM], b[UNITS_ROOM];
    fprintf(out, "\n%sHeap%s\n", screen_bold(screen), screen_plain(screen));
    char *blocks = report_in_blocks(c->peak_blocks);
    char *doubt = completeness_doubt_suffix(tape_file_health(r->tape));
    char *more = xasprintf("%s, %s after the start (%s of the run)%s", blocks,
                           units_duration(a, c->peak_time),
                           units_percent(b, c->peak_time, c->end_time), doubt);
    report_total(out, "peak", units_bytes(value, c->peak_bytes), more);
    free(blocks);
    free(more);
    blocks = report_in_blocks(c->live_blocks);
    const struct tape_process *p = tape_file_process(r->tape);
    more = xasprintf("%s%s", blocks, doubt);
    report_total(out, p->closed ? "not freed at exit" : "not freed so far",
                 units_bytes(value, c->live_bytes), more);
    free(more);
    free(doubt);
    free(blocks);
    report_calls(out, c);
    report_pools(out, c, false);
    report_inherited(out, c);
}

void report_pools(FILE *out, const struct replay_counts *counts, bool joined) {
    const struct pool_counts *c = &counts->pools;
    char value[UNITS_ROOM], peak[UNITS_ROOM], number[UNITS_ROOM], wrong[UNITS_ROOM];
    if (c->allocations == 0 && c->unmatched == 0)
        return;
    char *blocks = report_in_blocks(c->live_blocks);
    char *most = joined ? xstrdup("") : xasprintf("peak %s, ", units_bytes(peak, c->peak_bytes));
    char *more = xasprintf("%s not freed; %s%s allocation%s", blocks, most,
                           units_count(number, c->allocations), c->allocations == 1 ? "" : "s");
    free(most);
    free(blocks);
    if (c->unmatched != 0) {
        char *longer = xasprintf("%s, %s unmatched free%s", more, units_count(wrong, c->unmatched),
                                 c->unmatched == 1 ? "" : "s");
        free(more);
        more = longer;
    }
    report_total(out, "pools", units_bytes(value, c->live_bytes), more);
    free(more);
}

void report_calls(FILE *out, const struct replay_counts *c) {
    char value[UNITS_ROOM], a[UNITS_ROOM], b[UNITS_ROOM];
    char *more = xasprintf("by %s call%s, %s of them resizes", units_count(a, c->allocations),
                           c->allocations == 1 ? "" : "s", units_count(b, c->reallocs));
    report_total(out, "allocated in all", units_bytes(value, c->allocated_bytes), more);
    free(more);
    more = xasprintf("(%s) freed before their thread allocated again",
                     units_percent(a, c->temporary, c->allocations));
    report_total(out, "temporary", units_count(value, c->temporary), more);
    free(more);
    if (c->failed != 0)
        report_total(out, "failed", units_count(value, c->failed), "calls that returned NULL");
}

void report_inherited(FILE *out, const struct replay_counts *c) {
    char value[UNITS_ROOM], bytes[UNITS_ROOM], freed[UNITS_ROOM], blocks[UNITS_ROOM];
    if (!c->inherited_known)
        return;
    char *more =
        xasprintf("in %s block%s at the fork, not in the figures above; freed %s of them, "
                  "%s",
                  units_count(blocks, c->inherited_blocks), c->inherited_blocks == 1 ? "" : "s",
                  units_count(freed, c->inherited_freed_blocks),
                  units_bytes(bytes, c->inherited_freed_bytes));
    report_total(out, "inherited", units_bytes(value, c->inherited_bytes), more);
    free(more);
}

/* ---- memory over time --------------------------------------------------------------------- */

#define SPARK_COLUMNS 64

/* A row of bars, one for each of equal spans of the run: the greatest sample in the span, or the
 * one before it where there is none. */
static void print_sparkline(FILE *out, const struct profile *p, uint64_t end, uint64_t top,
                            bool rss, const struct screen *screen) {
    static const char *const bar[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                      "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const plain[] = {" ", "_", ".", "-", ":", "=", "+", "*", "#"};
    uint64_t last = 0;
    size_t at = 0;
    for (unsigned column = 0; column < SPARK_COLUMNS; column++) {
        uint64_t until = (uint64_t)((unsigned __int128)end * (column + 1) / SPARK_COLUMNS);
        uint64_t greatest = 0;
        bool any = false;
        for (;
             at < p->sample_count && (p->samples[at].time <= until || column + 1 == SPARK_COLUMNS);
             at++) {
            last = rss ? p->samples[at].rss_bytes : p->samples[at].heap_bytes;
            greatest = last > greatest ? last : greatest;
            any = true;
        }
        if (!any)
            greatest = last;
        unsigned height =
            top != 0 ? (unsigned)(((unsigned __int128)greatest * 8 + top - 1) / top) : 0;
        fputs(screen->utf8 ? bar[height > 8 ? 8 : height] : plain[height > 8 ? 8 : height], out);
    }
}

static void print_memory(FILE *out, const struct report *r, const struct screen *screen) {
    const struct profile *p = r->profile;
    const struct replay_counts *c = replay_counts(p->replay);
    if (p->sample_count == 0)
        return;
    const struct profile_sample *top = &p->samples[0];
    for (size_t i = 1; i < p->sample_count; i++)
        if (p->samples[i].rss_bytes > top->rss_bytes)
            top = &p->samples[i];
    char value[UNITS_ROOM], time[UNITS_ROOM], heap[UNITS_ROOM], samples[UNITS_ROOM];
    char *more = xasprintf("at %s, beside %s of heap (%s sample%s)",
                           units_duration(time, top->time), units_bytes(heap, top->heap_bytes),
                           units_count(samples, p->sample_count), p->sample_count == 1 ? "" : "s");
    report_total(out, "resident (RSS)", units_bytes(value, top->rss_bytes), more);
    free(more);
    if (p->sample_count < 4 || top->rss_bytes == 0)
        return;
    uint64_t end = c->end_time, peak = top->rss_bytes;
    if (p->samples[p->sample_count - 1].time > end)
        end = p->samples[p->sample_count - 1].time;
    for (size_t i = 0; i < p->sample_count; i++)
        if (p->samples[i].heap_bytes > peak)
            peak = p->samples[i].heap_bytes;
    fprintf(out, "\n%sOver time%s (both rows to the scale of %s)\n", screen_bold(screen),
            screen_plain(screen), units_bytes(value, peak));
    for (int rss = 1; rss >= 0; rss--) {
        fprintf(out, "  %-5s |", rss ? "RSS" : "heap");
        print_sparkline(out, p, end, peak, rss != 0, screen);
        fputs("|\n", out);
    }
    fprintf(out, "         0%*s\n", SPARK_COLUMNS, units_duration(time, end));
}

#define SITES_MAPPED 5 /* that mapped memory directly */

/* ---- marks -------------------------------------------------------------------- */

#define MARKS_SHOWN 20

static void print_marks(FILE *out, const struct report *r, const struct screen *screen) {
    const struct profile *p = r->profile;
    if (p->mark_count == 0)
        return;
    fprintf(out, "\n%sMarks%s (for --at and --between)\n", screen_bold(screen),
            screen_plain(screen));
    for (size_t i = 0; i < p->mark_count && i < MARKS_SHOWN; i++) {
        char time[UNITS_ROOM];
        char *text = names_printable(p->marks[i].text, strlen(p->marks[i].text));
        fprintf(out, "  %12s  %s\n", units_duration(time, p->marks[i].time), text);
        free(text);
    }
    if (p->mark_count > MARKS_SHOWN)
        fprintf(out, "  %s%zu more%s\n", screen_dim(screen), p->mark_count - MARKS_SHOWN,
                screen_plain(screen));
}

/* ---- sites -------------------------------------------------------------------------------- */

void report_stack(FILE *out, struct names *names, const uint32_t *path, uint32_t length, bool cut,
                  size_t used, const struct screen *screen) {
    const char *sign = screen->utf8 ? "\u2190 " : "<- ";
    for (uint32_t i = 0; i < length; i++) {
        const struct name *n = names_get(names, path[i]);
        size_t taken = used + (i == 0 ? 0 : screen_width(sign));
        char *label = screen_fit(screen, n->label, n->function,
                                 screen->columns == 0 ? 0 : screen->columns - taken);
        if (i == 0)
            fprintf(out, "%s%s%s\n", screen_bold(screen), label, screen_plain(screen));
        else
            fprintf(out, "%*s%s%s%s%s\n", (int)used, "", screen_dim(screen), sign,
                    screen_plain(screen), label);
        free(label);
    }
    if (length == 0)
        fputs("(no call stack)\n", out);
    if (cut)
        fprintf(out, "%*s%s%s%s\n", (int)used, "", screen_dim(screen),
                screen->utf8 ? "\u2026" : "...", screen_plain(screen));
}

static void print_site(FILE *out, const struct report *r, unsigned which,
                       const struct ranked_site *s, const struct screen *screen) {
    const struct ranking_info *info = &ranking_info[which];
    uint64_t total = r->profile->total[info->ranked];
    bool bytes = metric_info[info->ranked].bytes;
    char value[UNITS_ROOM], share[UNITS_ROOM], second[UNITS_ROOM];
    int used = fprintf(out, "%12s  %6s  %10s  ",
                       bytes ? units_bytes(value, s->ranked) : units_count(value, s->ranked),
                       units_percent(share, s->ranked, total), units_count(second, s->second));
    uint32_t *path, length = ranking_path(r->ranking[which], s, &path);
    report_stack(out, r->names, path, length, r->ranking[which]->tree->node[s->node].cut,
                 (size_t)used, screen);
    free(path);
}

static void print_ranking(FILE *out, const struct report *r, unsigned which,
                          const struct screen *screen) {
    const struct ranking_info *info = &ranking_info[which];
    const struct ranking *ranking = r->ranking[which];
    if (ranking->count == 0)
        return;
    bool bytes = metric_info[info->ranked].bytes;
    fprintf(out, "\n%s%s%s\n", screen_bold(screen), info->title, screen_plain(screen));
    fprintf(out, "%12s  %6s  %10s  %s\n", bytes ? "size" : "allocations", "share",
            bytes ? "blocks" : "temporary", "allocated at, and its callers");
    for (uint32_t i = 0; i < ranking->count; i++)
        print_site(out, r, which, &ranking->site[i], screen);
    if (ranking->more != 0)
        fprintf(out, "%12s  %s%u more site%s (-n)%s\n", "", screen_dim(screen), ranking->more,
                ranking->more == 1 ? "" : "s", screen_plain(screen));
}

void report_print(FILE *out, const struct report *r, const struct screen *screen) {
    const struct replay_counts *counts = replay_counts(r->profile->replay);
    print_process(out, r, screen);
    const char *empty = completeness_why_empty(r->tape, counts);
    if (empty != NULL) {
        fprintf(out, "\n%s.\n", empty);
        ledger_print(out, tape_file_process(r->tape), r->profile->ledger, r->names, screen,
                     SITES_MAPPED);
    } else {
        ledger_print_hint(out, r->profile->ledger, r->names);
        print_totals(out, r, screen);
        print_memory(out, r, screen);
        ledger_print(out, tape_file_process(r->tape), r->profile->ledger, r->names, screen,
                     SITES_MAPPED);
        report_threads(out, r->profile, screen);
        print_marks(out, r, screen);
        mismatches_print(out, r->profile->mismatches, r->names, screen,
                         r->limit != 0 ? r->limit : SIZE_MAX);
        report_tests(out, r->profile, screen);
        report_loops(out, r, screen);
        for (unsigned i = 0; i < RANKING_COUNT; i++)
            print_ranking(out, r, i, screen);
    }
    char bytes[UNITS_ROOM];
    char *path = names_printable(tape_file_path(r->tape), strlen(tape_file_path(r->tape)));
    fprintf(out, "\nRecording: %s, %s", path, units_bytes(bytes, tape_file_bytes(r->tape)));
    free(path);
    if (counts->events != 0) {
        uint64_t hundredths = tape_file_bytes(r->tape) * 100 / counts->events;
        fprintf(out, ", %llu.%02llu bytes an event", (unsigned long long)(hundredths / 100),
                (unsigned long long)(hundredths % 100));
    }
    fputc('\n', out);
    completeness_print(out, r->tape, counts, r->names);
}
