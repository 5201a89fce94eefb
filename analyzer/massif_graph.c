/* SPDX-License-Identifier: MIT */
/*
 * Graph, table and trees on the terminal, in the layout that users of ms_print know.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "massif.h"
#include "report.h"
#include "units.h"

#define WIDTH  72
#define HEIGHT 20

static const char rule[] =
    "--------------------------------------------------------------------------------";

/* ---- the graph ---------------------------------------------------------------------------- */

/* Signs by importance, so that a column that several snapshots share shows the foremost. */
static char sign_of(const struct massif_snapshot *s) {
    return s->peak ? '#' : s->detailed ? '@' : ':';
}

static int rank_of(char sign) {
    return sign == '#' ? 3 : sign == '@' ? 2 : sign == ':' ? 1 : 0;
}

static void plot(char *cell, char sign) {
    if (rank_of(sign) > rank_of(*cell))
        *cell = sign;
}

/* Every snapshot is a bar of its height, whose top goes on until the next one. */
static void draw(const struct massif *m, char grid[HEIGHT][WIDTH + 1]) {
    uint64_t top = 0, end = m->snapshot[m->count - 1].clock;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t total = m->snapshot[i].heap + m->snapshot[i].extra;
        top = total > top ? total : top;
    }
    for (int row = 0; row < HEIGHT; row++) {
        memset(grid[row], ' ', WIDTH);
        grid[row][WIDTH] = '\0';
    }
    int column[2] = {0, 0};
    for (uint32_t i = 0; top != 0 && i < m->count; i++) {
        const struct massif_snapshot *s = &m->snapshot[i];
        for (uint32_t k = 0; k < 2; k++) {
            const struct massif_snapshot *at = &m->snapshot[i + k < m->count ? i + k : i];
            column[k] = end == 0 ? 0 : (int)((unsigned __int128)at->clock * (WIDTH - 1) / end);
        }
        unsigned __int128 total = s->heap + s->extra;
        int height = (int)((total * HEIGHT + top - 1) / top);
        if (height == 0)
            continue;
        for (int row = 0; row < height; row++)
            plot(&grid[row][column[0]], sign_of(s));
        for (int x = column[0] + 1; x < column[1]; x++)
            plot(&grid[height - 1][x], sign_of(s));
    }
}

/* The scale at an axis: a number of five characters at most, and its unit. */
struct scale {
    char number[UNITS_ROOM], unit[8];
};

static struct scale scale_of(const char *text) {
    struct scale s = {.number = ""};
    const char *space = strrchr(text, ' ');
    snprintf(s.number, sizeof s.number, "%.*s", (int)(space - text), text);
    snprintf(s.unit, sizeof s.unit, "%s", space + 1);
    return s;
}

static void print_graph(FILE *out, const struct massif *m) {
    char grid[HEIGHT][WIDTH + 1], buf[UNITS_ROOM];
    uint64_t top = 0, end = m->snapshot[m->count - 1].clock;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t total = m->snapshot[i].heap + m->snapshot[i].extra;
        top = total > top ? total : top;
    }
    draw(m, grid);
    struct scale y = scale_of(units_bytes(buf, top));
    fprintf(out, "%7s\n", y.unit);
    for (int row = HEIGHT - 1; row >= 0; row--) {
        int length = WIDTH;
        while (length > 0 && grid[row][length - 1] == ' ')
            length--;
        fprintf(out, "%7s%c%.*s\n", row == HEIGHT - 1 ? y.number : "",
                row == HEIGHT - 1 ? '^' : '|', length, grid[row]);
    }
    struct scale x =
        scale_of(m->options.unit == MASSIF_B ? units_bytes(buf, end) : units_duration(buf, end));
    fprintf(out, "%7s+%.*s>%s\n", "0 ", WIDTH - 1,
            "-----------------------------------------------------------------------", x.unit);
    fprintf(out, "%7s0%*s\n\n", "", WIDTH, x.number);
    fprintf(out, "%8s# peak   @ with a tree   : others\n\n", "");
}

/* ---- the trees ---------------------------------------------------------------------------- */

struct tree_text {
    FILE *out;
    const struct massif *massif;
    const struct tree *tree;
    uint64_t total;
};

/* One line behind the prefix; `open`: siblings follow, so the prefix goes on with a bar. */
static void print_share(const struct tree_text *t, const char *prefix, const char *arrow,
                        uint64_t bytes) {
    char count[UNITS_ROOM];
    uint64_t hundredths =
        t->total != 0 ? (uint64_t)((unsigned __int128)bytes * 10000 / t->total) : 0;
    fprintf(t->out, "%s%s%02" PRIu64 ".%02" PRIu64 "%% (%sB) ", prefix, arrow, hundredths / 100,
            hundredths % 100, units_count(count, bytes));
}

static void print_folded(const struct tree_text *t, const char *prefix, const struct tree_node *n,
                         bool last) {
    print_share(t, prefix, "->", n->below_bytes);
    fprintf(t->out, "in %u places, all below the threshold (%.2f%%)\n%s%s\n", n->below,
            t->massif->options.threshold, prefix, last ? "" : "|");
}

static void print_node(const struct tree_text *t, uint32_t at, const char *prefix, bool last) {
    const struct tree_node *n = &t->tree->node[at];
    print_share(t, prefix, at == 0 ? "" : "->", n->bytes);
    if (at == 0) {
        fprintf(t->out, "%s\n", massif_root_label(&t->massif->options));
    } else {
        char *label = massif_label(names_get(t->massif->names, n->name), n->address);
        fprintf(t->out, "%s\n", label);
        free(label);
    }
    char *inner = xasprintf("%s%s", prefix, at == 0 ? "" : last ? "  " : "| ");
    bool placeless = at == 0 && t->massif->options.pages && n->own_bytes != 0;
    uint32_t left = n->count + (n->below != 0) + placeless;
    bool folded = n->below == 0;
    for (uint32_t i = 0; i < n->count; i++) {
        if (!folded && t->tree->node[n->first + i].bytes < n->below_bytes) {
            print_folded(t, inner, n, --left == 0);
            folded = true;
        }
        print_node(t, n->first + i, inner, --left == 0);
    }
    if (!folded)
        print_folded(t, inner, n, --left == 0);
    if (placeless) {
        print_share(t, inner, "->", n->own_bytes);
        fprintf(t->out, "%s\n%s\n", MASSIF_PLACELESS, inner);
    }
    if (n->count == 0 && n->below == 0) {
        size_t length = strlen(inner);
        while (length > 0 && inner[length - 1] == ' ')
            length--;
        fprintf(t->out, "%.*s\n", (int)length, inner);
    }
    free(inner);
}

/* ---- everything --------------------------------------------------------------------------- */

static void print_head(FILE *out, const struct massif *m) {
    fprintf(out, "%s\n%3s %14s %16s %16s %13s %12s\n%s\n", rule, "n",
            m->options.unit == MASSIF_MS ? "time(ms)" : "time(B)", "total(B)", "useful-heap(B)",
            "extra-heap(B)", "stacks(B)", rule);
}

void massif_print(FILE *out, const struct massif *m, const struct tape_process *process) {
    char *arguments = massif_arguments(&m->options), *command = report_command_line(process);
    fprintf(out, "%s\nCommand:            %s\nMassif arguments:   %s\n%s\n\n\n", rule, command,
            arguments, rule);
    free(arguments);
    free(command);
    print_graph(out, m);
    fprintf(out, "Number of snapshots: %u\n Detailed snapshots: [", m->count);
    const char *separator = "";
    for (uint32_t i = 0; i < m->count; i++) {
        if (!m->snapshot[i].detailed)
            continue;
        fprintf(out, "%s%u%s", separator, i, m->snapshot[i].peak ? " (peak)" : "");
        separator = ", ";
    }
    fputs("]\n\n", out);
    print_head(out, m);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct massif_snapshot *s = &m->snapshot[i];
        char time[UNITS_ROOM], total[UNITS_ROOM], heap[UNITS_ROOM], extra[UNITS_ROOM];
        fprintf(out, "%3u %14s %16s %16s %13s %12s\n", i, units_count(time, massif_time(m, s)),
                units_count(total, s->heap + s->extra), units_count(heap, s->heap),
                units_count(extra, s->extra), "0");
        if (!s->detailed)
            continue;
        struct tree_text text = {out, m, s->tree, s->heap + s->extra};
        print_node(&text, 0, "", true);
        if (i + 1 < m->count)
            print_head(out, m);
    }
}
