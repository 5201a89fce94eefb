/* SPDX-License-Identifier: MIT */
#include "jit_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diag.h"
#include "spans.h"

struct entry {
    struct span span;
    uint32_t number;      /* of the line */
    char *line_text;      /* the line, owned */
    char *text;           /* what follows the numbers, perhaps cut into parts; owned */
    const char *function; /* in it, or a literal */
    const char *file;     /* in it; NULL: none */
    unsigned line;
    char *doubtful; /* `function` with a mark, made when needed; owned */
    bool used;      /* jit_map_use() */
};

struct jit_map {
    struct entry *entry;
    size_t count, room;
};

static int by_start(const void *a, const void *b) {
    const struct entry *e = a, *f = b;
    int order = spans_by_start(&e->span, &f->span);
    return order != 0 ? order : (e->number > f->number) - (e->number < f->number);
}

/* "JS:*name /path/file.js:12:5" (V8: the tag, then how it was compiled), also without a name. */
static void take_v8(struct entry *e) {
    char *colon = strchr(e->text, ':');
    if (colon == NULL || colon[1] == '\0' || strchr("*~^", colon[1]) == NULL)
        return;
    char *name = colon + 2, *file = strchr(name, ' '), *line = strrchr(name, ':');
    while (line != NULL && line > name && line[-1] != ':')
        line--;
    if (file == NULL || line == NULL || line - 1 <= file)
        return;
    e->line = (unsigned)strtoul(line, NULL, 10);
    line[-1] = *file = '\0';
    e->file = file + 1;
    e->function = *name != '\0' ? name : "(anonymous)";
}

/* "py::name:/path/file.py" (CPython). */
static void take_python(struct entry *e) {
    char *file = strstr(e->text, ":/");
    if (strncmp(e->text, "py::", 4) != 0 || file == NULL)
        return;
    *file = '\0';
    e->file = file + 1;
    e->function = e->text + 4;
}

static void add(struct jit_map *m, const char *text) {
    uint64_t start, size;
    int name = 0;
    if (sscanf(text, "%" SCNx64 " %" SCNx64 " %n", &start, &size, &name) != 2 || name == 0 ||
        size == 0 || size > UINT64_MAX - start || text[name] == '\0')
        return;
    if (m->count == m->room) {
        m->room = m->room != 0 ? 2 * m->room : 256;
        m->entry = xrealloc(m->entry, m->room * sizeof *m->entry);
    }
    struct entry e = {.span = {.start = start, .end = start + size},
                      .number = (uint32_t)m->count,
                      .line_text = xstrdup(text),
                      .text = xstrdup(text + name)};
    e.function = e.text;
    take_v8(&e);
    take_python(&e);
    m->entry[m->count++] = e;
}

static struct jit_map *finish(struct jit_map *m) {
    if (m->count == 0) {
        jit_map_free(m);
        return NULL;
    }
    qsort(m->entry, m->count, sizeof *m->entry, by_start);
    spans_finish(m->entry, sizeof *m->entry, m->count);
    return m;
}

struct jit_map *jit_map_read(const char *path) {
    FILE *in = fopen(path, "re");
    struct stat st;
    if (in == NULL)
        return NULL;
    struct jit_map *m = xcalloc(1, sizeof *m);
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while (fstat(fileno(in), &st) == 0 && S_ISREG(st.st_mode) &&
           (n = getline(&line, &room, in)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        add(m, line);
    }
    free(line);
    fclose(in);
    return finish(m);
}

struct jit_map *jit_map_parse(const char *text) {
    struct jit_map *m = xcalloc(1, sizeof *m);
    char *copy = xstrdup(text), *rest = copy;
    for (const char *line; (line = strsep(&rest, "\n")) != NULL;)
        add(m, line);
    free(copy);
    return finish(m);
}

/* What a packed tape knows. */
static struct jit_map *of_packed(const struct tape_process *p) {
    struct jit_map *m = xcalloc(1, sizeof *m);
    m->entry = xcalloc(p->jit_count, sizeof *m->entry);
    for (size_t i = 0; i < p->jit_count; i++) {
        const struct tape_jit *j = &p->jit[i];
        m->entry[m->count++] = (struct entry){.span = {.start = j->address, .end = j->address + 1},
                                              .number = (uint32_t)i,
                                              .function = j->function,
                                              .file = j->file,
                                              .line = j->line};
    }
    qsort(m->entry, m->count, sizeof *m->entry, by_start);
    spans_finish(m->entry, sizeof *m->entry, m->count);
    return m;
}

struct jit_map *jit_map_of(const struct tape_process *p) {
    char path[64];
    struct stat st;
    if (p->code_map != NULL)
        return jit_map_parse(p->code_map);
    if (p->jit_count != 0)
        return of_packed(p);
    snprintf(path, sizeof path, "/tmp/perf-%" PRIu64 ".map", p->pid);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    uint64_t changed = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
    return changed >= p->start_real ? jit_map_read(path) : NULL;
}

void jit_map_free(struct jit_map *m) {
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->count; i++) {
        free(m->entry[i].text);
        free(m->entry[i].doubtful);
        free(m->entry[i].line_text);
    }
    free(m->entry);
    free(m);
}

/* A function that was compiled again, or moved onto its own old place. */
static bool same_code(const struct entry *a, const struct entry *b) {
    return strcmp(a->function, b->function) == 0 && a->line == b->line &&
           (a->file == b->file ||
            (a->file != NULL && b->file != NULL && strcmp(a->file, b->file) == 0));
}

/* The last line for an address; *other: the last one before it that names other code there. */
static struct entry *find(const struct jit_map *m, uint64_t address, struct entry **other) {
    struct entry *found = NULL;
    size_t from = spans_upto(m->entry, sizeof *m->entry, m->count, address);
    for (size_t i = from; i > 0 && m->entry[i - 1].span.reach > address; i--) {
        struct entry *e = &m->entry[i - 1];
        if (e->span.end > address && (found == NULL || e->number > found->number))
            found = e;
    }
    *other = NULL;
    for (size_t i = from; i > 0 && m->entry[i - 1].span.reach > address; i--) {
        struct entry *e = &m->entry[i - 1];
        if (e->span.end > address && !same_code(e, found) &&
            (*other == NULL || e->number > (*other)->number))
            *other = e;
    }
    return found;
}

bool jit_map_lookup(const struct jit_map *m, uint64_t address, struct symbol *out) {
    struct entry *other, *found = find(m, address, &other);
    if (found == NULL)
        return false;
    *out = (struct symbol){.function = found->function, .file = found->file, .line = found->line};
    if (other != NULL) {
        if (found->doubtful == NULL)
            found->doubtful = xasprintf("%s (?)", found->function);
        out->function = found->doubtful;
    }
    return true;
}

bool jit_map_use(struct jit_map *m, uint64_t address) {
    struct entry *other, *found = find(m, address, &other);
    if (found != NULL)
        found->used = true;
    if (other != NULL)
        other->used = true; /* what makes it doubtful */
    return found != NULL;
}

static int by_number(const void *a, const void *b) {
    const struct entry *const *e = a, *const *f = b;
    return ((*e)->number > (*f)->number) - ((*e)->number < (*f)->number);
}

char *jit_map_text_of_used(const struct jit_map *m, size_t *length) {
    const struct entry **used = xcalloc(m->count, sizeof *used);
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->entry[i].used) {
            used[count++] = &m->entry[i];
            bytes += strlen(m->entry[i].line_text) + 1;
        }
    qsort(used, count, sizeof *used, by_number);
    char *text = xmalloc(bytes + 1), *p = text;
    for (size_t i = 0; i < count; i++)
        p += sprintf(p, "%s\n", used[i]->line_text);
    *p = '\0';
    free(used);
    *length = bytes;
    return text;
}
