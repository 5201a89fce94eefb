/* SPDX-License-Identifier: MIT */
/* The threads of a recording; a program may have had any number, what is printed is bounded. */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "report_parts.h"
#include "units.h"

#define THREADS_SHOWN 12   /* one a line */
#define NAMES_SHOWN   8    /* lines of further threads, those of one name together */
#define MATRIX_SHOWN  8    /* rows and columns, besides the others */
#define JSON_THREADS  1000 /* one an object; further ones by name */
#define COLUMN_ROOM   48

/* A line: a thread, or all those of a name that have no line of their own. */
struct line {
    uint64_t tid, threads;
    const char *name;
    uint64_t allocations, bytes, frees;
    struct thread_cell live;
};

struct lines {
    struct line *line;
    uint32_t threads; /* that allocated or freed */
    uint32_t single;  /* lines of one thread, first */
    uint32_t count;   /* all lines; behind the single ones, by name */
};

static int compare_lines(const void *pa, const void *pb) {
    const struct line *a = pa, *b = pb;
    if (a->allocations != b->allocations)
        return a->allocations < b->allocations ? 1 : -1;
    if (a->frees != b->frees)
        return a->frees < b->frees ? 1 : -1;
    return a->tid < b->tid ? -1 : a->tid > b->tid;
}

static int compare_names(const void *pa, const void *pb) {
    return strcmp(((const struct line *)pa)->name, ((const struct line *)pb)->name);
}

/* Threads with the most allocations one by one, the rest by name, those with the most first. */
static struct lines gather(const struct profile *p, uint32_t single) {
    uint32_t all = replay_thread_count(p->replay);
    struct lines l = {.line = xcalloc((uint64_t)all + 1, sizeof *l.line)};
    for (uint32_t i = 0; i < all; i++) {
        const struct replay_thread *t = replay_thread(p->replay, i);
        if (t->allocations != 0 || t->frees != 0)
            l.line[l.threads++] = (struct line){.tid = t->tid,
                                                .threads = 1,
                                                .name = t->name != NULL ? t->name : "",
                                                .allocations = t->allocations,
                                                .bytes = t->allocated_bytes,
                                                .frees = t->frees,
                                                .live = thread_matrix_live(p->threads, i)};
    }
    qsort(l.line, l.threads, sizeof *l.line, compare_lines);
    l.single = l.count = l.threads < single ? l.threads : single;
    qsort(l.line + l.single, l.threads - l.single, sizeof *l.line, compare_names);
    for (uint32_t i = l.single; i < l.threads; i++) {
        const struct line from = l.line[i];
        struct line *to = l.count != l.single ? &l.line[l.count - 1] : NULL;
        if (to == NULL || strcmp(to->name, from.name) != 0) {
            l.line[l.count++] = from;
            continue;
        }
        to->threads++;
        to->allocations += from.allocations;
        to->bytes += from.bytes;
        to->frees += from.frees;
        to->live.blocks += from.live.blocks;
        to->live.bytes += from.live.bytes;
    }
    qsort(l.line + l.single, l.count - l.single, sizeof *l.line, compare_lines);
    return l;
}

/* ---- text --------------------------------------------------------------------------------- */

/* A thread's id, or "x 1,234" for so many of them. */
static void print_identity(char to[COLUMN_ROOM], uint64_t threads, uint64_t tid,
                           const struct screen *screen) {
    char n[UNITS_ROOM];
    if (threads == 1)
        snprintf(to, COLUMN_ROOM, "%llu", (unsigned long long)tid);
    else
        snprintf(to, COLUMN_ROOM, "%s%s", screen->utf8 ? "\u00d7" : "x", units_count(n, threads));
}

static void print_right(FILE *out, const char *text, size_t columns) {
    size_t width = screen_width(text);
    fprintf(out, "%*s%s", (int)(width < columns ? columns - width : 0), "", text);
}

static void print_line(FILE *out, const struct line *l, const struct screen *screen) {
    char id[COLUMN_ROOM], a[UNITS_ROOM], f[UNITS_ROOM], b[UNITS_ROOM], n[UNITS_ROOM];
    char *name = names_printable(l->name, strlen(l->name));
    print_identity(id, l->threads, l->tid, screen);
    fputs("  ", out);
    print_right(out, id, 10);
    fprintf(out, "  %13s  %10s  %13s  %10s  %s\n", units_count(a, l->allocations),
            units_bytes(b, l->bytes), units_count(f, l->frees), units_bytes(n, l->live.bytes),
            name);
    free(name);
}

static const char *cell_text(char to[UNITS_ROOM], uint64_t blocks) {
    return blocks != 0 ? units_count(to, blocks) : ".";
}

/* Text of one place in the matrix. Columns: the rows, then unknown, then live. */
static const char *matrix_text(const struct thread_table *t, uint32_t row, uint32_t column,
                               char to[UNITS_ROOM]) {
    const struct thread_row *r = &t->row[row];
    if (column < t->count)
        return cell_text(to, r->freed[column].blocks);
    return cell_text(to, column == t->count ? r->unknown.blocks : r->live.blocks);
}

static void column_head(const struct thread_table *t, uint32_t column, char to[COLUMN_ROOM],
                        const struct screen *screen) {
    if (column < t->count)
        print_identity(to, t->row[column].threads, t->row[column].tid, screen);
    else
        strcpy(to, column == t->count ? "unknown" : "not freed");
}

static void print_matrix(FILE *out, const struct thread_table *t, const struct screen *screen) {
    if (!t->crossed) {
        fputs("  every block that was freed was freed by the thread that allocated it\n", out);
        return;
    }
    fprintf(out, "\n%sBlocks by the thread that allocated them, and the one that freed them%s\n",
            screen_bold(screen), screen_plain(screen));
    uint32_t columns = t->count + 2;
    char head[COLUMN_ROOM], cell[UNITS_ROOM];
    fprintf(out, "  %-16s", "allocated by");
    size_t *width = xcalloc(columns, sizeof *width);
    for (uint32_t c = 0; c < columns; c++) {
        column_head(t, c, head, screen);
        width[c] = screen_width(head);
        for (uint32_t r = 0; r < t->count; r++) {
            size_t n = strlen(matrix_text(t, r, c, cell));
            width[c] = n > width[c] ? n : width[c];
        }
        if (c == t->count && !t->unknown)
            continue;
        fputs("  ", out);
        print_right(out, head, width[c]);
    }
    fputc('\n', out);
    for (uint32_t r = 0; r < t->count; r++) {
        const char *text = t->row[r].name != NULL ? t->row[r].name : "others";
        char *name = names_printable(text, strlen(text));
        char *fitted = screen_fit(screen, name, NULL, screen->columns != 0 ? 8 : 0);
        char label[2 * COLUMN_ROOM];
        print_identity(head, t->row[r].threads, t->row[r].tid, screen);
        snprintf(label, sizeof label, "%s %s", head, fitted);
        fprintf(out, "  %s%*s", label,
                (int)(screen_width(label) < 16 ? 16 - screen_width(label) : 0), "");
        free(fitted);
        free(name);
        for (uint32_t c = 0; c < columns; c++) {
            if (c == t->count && !t->unknown)
                continue;
            fputs("  ", out);
            print_right(out, matrix_text(t, r, c, cell), width[c]);
        }
        fputc('\n', out);
    }
    free(width);
}

void report_threads(FILE *out, const struct profile *p, const struct screen *screen) {
    struct lines l = gather(p, THREADS_SHOWN);
    if (l.threads < 2) {
        free(l.line);
        return;
    }
    char count[UNITS_ROOM];
    fprintf(out, "\n%sThreads%s (%s)\n", screen_bold(screen), screen_plain(screen),
            units_count(count, l.threads));
    fprintf(out, "  %10s  %13s  %10s  %13s  %10s  %s\n", "tid", "allocations", "allocated", "frees",
            "not freed", "name");
    uint32_t shown = l.count > l.single + NAMES_SHOWN ? l.single + NAMES_SHOWN : l.count;
    for (uint32_t i = 0; i < shown; i++)
        print_line(out, &l.line[i], screen);
    uint64_t more = 0;
    for (uint32_t i = shown; i < l.count; i++)
        more += l.line[i].threads;
    if (more != 0)
        fprintf(out, "  %s%s more%s\n", screen_dim(screen), units_count(count, more),
                screen_plain(screen));
    free(l.line);
    struct thread_table *t = thread_matrix_table(p->threads, MATRIX_SHOWN);
    print_matrix(out, t, screen);
    thread_table_free(t);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static struct json_object *line_json(const struct line *l, bool single) {
    struct json_object *o = json_object_new_object();
    json_put(o, single ? "tid" : "threads", single ? l->tid : l->threads);
    json_put_text(o, "name", l->name);
    json_put(o, "allocations", l->allocations);
    json_put(o, "allocated_bytes", l->bytes);
    json_put(o, "frees", l->frees);
    json_put(o, "not_freed_blocks", l->live.blocks);
    json_put(o, "not_freed_bytes", l->live.bytes);
    return o;
}

static void add_cell(struct json_object *cells, uint32_t of, struct json_object *by,
                     const struct thread_cell *c) {
    struct json_object *o = json_object_new_object();
    json_put(o, "allocated_by", of);
    json_object_object_add(o, "freed_by", by);
    json_put(o, "blocks", c->blocks);
    json_put(o, "bytes", c->bytes);
    json_object_array_add(cells, o);
}

static struct json_object *table_json(const struct thread_table *t) {
    struct json_object *o = json_object_new_object(), *rows = json_object_new_array();
    struct json_object *cells = json_object_new_array();
    for (uint32_t i = 0; i < t->count; i++) {
        const struct thread_row *r = &t->row[i];
        struct json_object *row = json_object_new_object();
        json_put(row, "threads", r->threads);
        if (r->threads == 1)
            json_put(row, "tid", r->tid);
        if (r->name != NULL)
            json_put_text(row, "name", r->name);
        json_put(row, "not_freed_blocks", r->live.blocks);
        json_put(row, "not_freed_bytes", r->live.bytes);
        json_object_array_add(rows, row);
        for (uint32_t k = 0; k < t->count; k++)
            if (r->freed[k].blocks != 0)
                add_cell(cells, i, json_object_new_uint64(k), &r->freed[k]);
        if (r->unknown.blocks != 0)
            add_cell(cells, i, NULL, &r->unknown);
    }
    json_object_object_add(o, "threads", rows);
    json_object_object_add(o, "cells", cells);
    return o;
}

void report_threads_json(struct json_object *o, const struct profile *p) {
    struct lines l = gather(p, JSON_THREADS);
    struct json_object *single = json_object_new_array(), *folded = json_object_new_array();
    for (uint32_t i = 0; i < l.single; i++)
        json_object_array_add(single, line_json(&l.line[i], true));
    for (uint32_t i = l.single; i < l.count && i < l.single + JSON_THREADS; i++)
        json_object_array_add(folded, line_json(&l.line[i], false));
    json_put(o, "thread_count", l.threads);
    json_object_object_add(o, "threads", single);
    json_object_object_add(o, "threads_folded", folded);
    free(l.line);
    struct thread_table *t = thread_matrix_table(p->threads, MATRIX_SHOWN);
    json_object_object_add(o, "freed_by", table_json(t));
    thread_table_free(t);
}
