/* SPDX-License-Identifier: MIT */
#include "completeness.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "python.h"
#include "units.h"
#include "unseen.h"

#define COLUMNS 100

/* The parts of the line, joined by commas; goes on in the next line where the screen ends. */
struct line {
    FILE *out;
    size_t column;
};

static void add_part(struct line *l, char *text) {
    size_t length = strlen(text);
    if (l->column != 0 && l->column + 2 + length > COLUMNS) {
        fputs(",\n  ", l->out);
        l->column = 2;
    } else if (l->column != 0) {
        fputs(", ", l->out);
        l->column += 2;
    }
    fputs(text, l->out);
    l->column += length;
    free(text);
}

static void add_amount(struct line *l, uint64_t n, const char *one, const char *many) {
    char buf[UNITS_ROOM];
    add_part(l, xasprintf("%s %s", units_count(buf, n), n == 1 ? one : many));
}

static void add_modules(struct line *l, const struct names_modules *m) {
    unsigned bad = m->without_symbols + m->missing + m->rebuilt;
    if (m->first == NULL) {
        add_part(l, xasprintf("%u of %u modules without symbols", bad, m->used));
        return;
    }
    const struct {
        unsigned count;
        const char *what;
    } kind[] = {{m->without_symbols, "stripped"},
                {m->missing, "gone"},
                {m->rebuilt, "rebuilt since"}};
    char kinds[96] = "";
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        size_t used = strlen(kinds);
        if (kind[i].count != 0)
            snprintf(kinds + used, sizeof kinds - used, "%s%u %s", used != 0 ? ", " : "",
                     kind[i].count, kind[i].what);
    }
    char *name = names_printable(names_base(m->first), strlen(names_base(m->first)));
    add_part(l, xasprintf("%u of %u modules without symbols (%s: %s%s)", bad, m->used, kinds, name,
                          bad > 1 ? ", ..." : ""));
    free(name);
}

void completeness_add(struct completeness *c, const struct tape_health *h,
                      const struct replay_counts *counts, uint64_t truncated) {
    c->events += h->events;
    c->lost += h->lost;
    c->damaged_chunks += h->damaged_chunks;
    c->damaged_bytes += h->damaged_bytes;
    c->unmatched_frees += counts->unmatched_frees;
    c->inversions += counts->inversions;
    c->overlaps += counts->overlaps;
    c->truncated += truncated;
    c->unfollowed += h->unfollowed;
}

bool completeness_whole(const struct completeness *c) {
    return c->lost == 0 && c->damaged_chunks == 0 && c->damaged_bytes == 0;
}

static struct completeness of_tape(struct tape_file *tape, const struct replay_counts *counts) {
    struct completeness c = {0};
    completeness_add(&c, tape_file_health(tape), counts, tape_file_process(tape)->truncated);
    return c;
}

char *completeness_doubt(const struct tape_health *h) {
    char buf[UNITS_ROOM];
    if (h->lost != 0)
        return xasprintf("not reliable: %s event%s lost", units_count(buf, h->lost),
                         h->lost == 1 ? "" : "s");
    if (h->damaged_chunks != 0)
        return xasprintf("not reliable: %s damaged chunk%s", units_count(buf, h->damaged_chunks),
                         h->damaged_chunks == 1 ? "" : "s");
    return NULL;
}

char *completeness_doubt_suffix(const struct tape_health *h) {
    char *doubt = completeness_doubt(h);
    char *suffix = doubt != NULL ? xasprintf(" (%s)", doubt) : xstrdup("");
    free(doubt);
    return suffix;
}

/* What was not used, and what is missing, though there are names. */
static void print_debug(FILE *out, const struct names_modules *m) {
    if (m->other_build != 0) {
        char *file = names_printable(m->other_build_file, strlen(m->other_build_file));
        fprintf(out, "Not used, as %s of another build than the module: %s%s\n",
                m->other_build == 1 ? "it is" : "they are", file,
                m->other_build == 1 ? "" : ", ...");
        free(file);
    }
    if (m->without_split != 0) {
        const char *base = names_base(m->split_module);
        char *name = names_printable(base, strlen(base));
        fprintf(out,
                "Inlined functions are not known in %s%s: .dwo files are missing, or of another "
                "build\n",
                name, m->without_split == 1 ? "" : ", ...");
        free(name);
    }
}

/* Interpreters whose frames were asked for and are not there. */
static void print_python(FILE *out, const struct python *python) {
    const struct tape_python *p;
    for (size_t i = 0; (p = python_interpreter(python, i)) != NULL; i++) {
        if (p->state == TAPE_PYTHON_RECORDED)
            continue;
        char *version = python_version(p->version);
        fprintf(out,
                p->state == TAPE_PYTHON_BUILD
                    ? "No Python frames: this is a debug build of CPython %s.\n"
                    : "No Python frames: CPython %s is not known, only 3.11 from 3.11.1 on.\n",
                version);
        free(version);
    }
}

void completeness_print_line(FILE *out, const struct completeness *c, struct names *names) {
    struct line l = {.out = out};
    char buf[UNITS_ROOM];
    add_part(&l, xasprintf("%s: %s event%s", completeness_whole(c) ? "Complete" : "INCOMPLETE",
                           units_count(buf, c->events), c->events == 1 ? "" : "s"));
    add_amount(&l, c->lost, "lost", "lost");
    add_amount(&l, c->damaged_chunks, "damaged chunk", "damaged chunks");
    add_amount(&l, c->unmatched_frees, "unmatched free", "unmatched frees");
    add_amount(&l, c->inversions, "inversion repaired", "inversions repaired");
    if (c->overlaps != 0)
        add_amount(&l, c->overlaps, "block whose address came back before its free",
                   "blocks whose addresses came back before their frees");
    add_amount(&l, c->truncated, "truncated stack", "truncated stacks");
    if (c->unfollowed != 0)
        add_amount(&l, c->unfollowed, "process not followed", "processes not followed");
    if (names != NULL) {
        struct names_modules m = names_modules(names);
        add_modules(&l, &m);
        fputc('\n', out);
        print_debug(out, &m);
        print_python(out, stacks_python(names_stacks(names)));
        return;
    }
    fputc('\n', out);
}

/* A forked child whose parent's tape was not at hand, or not asked for. */
static bool parent_not_read(const struct tape_process *p, const struct replay_counts *counts) {
    return p->parent_id != NULL && !counts->inherited_known;
}

void completeness_print(FILE *out, struct tape_file *tape, const struct replay_counts *counts,
                        struct names *names) {
    const struct tape_health *h = tape_file_health(tape);
    const struct tape_process *p = tape_file_process(tape);
    struct completeness c = of_tape(tape, counts);
    struct unseen unseen = {0};
    unseen_add(&unseen, p);
    completeness_print_line(out, &c, names);
    if (parent_not_read(p, counts) && counts->unmatched_frees != 0 && p->parent != NULL) {
        char *parent = names_printable(p->parent, strlen(p->parent));
        fprintf(out,
                "The parent's tape, %s, is missing, or was not read (only report does): frees of "
                "blocks\ninherited from it are unmatched.\n",
                parent);
        free(parent);
    }
    unseen_print(out, &unseen);
    unseen_free(&unseen);
    if (p->alive)
        fputs("The program is still running: this is the recording so far.\n", out);
    else if (!p->closed)
        fputs("The recording was not closed (the program was killed, or replaced itself by exec): "
              "it holds\nevery event up to that instant.\n",
              out);
    if (h->first_damage != NULL)
        fprintf(out, "First damage: %s\n", h->first_damage);
}

void completeness_put(struct json_object *o, const struct completeness *c, struct names *names) {
    json_object_object_add(o, "complete", json_object_new_boolean(completeness_whole(c)));
    json_put(o, "events", c->events);
    json_put(o, "lost", c->lost);
    json_put(o, "damaged_chunks", c->damaged_chunks);
    json_put(o, "damaged_bytes", c->damaged_bytes);
    json_put(o, "unmatched_frees", c->unmatched_frees);
    json_put(o, "inversions", c->inversions);
    json_put(o, "overlaps", c->overlaps);
    json_put(o, "truncated_stacks", c->truncated);
    json_put(o, "processes_not_followed", c->unfollowed);
    if (names == NULL)
        return;
    struct names_modules m = names_modules(names);
    json_put(o, "modules", m.used);
    json_put(o, "modules_without_symbols", m.without_symbols);
    json_put(o, "modules_missing", m.missing);
    json_put(o, "modules_rebuilt", m.rebuilt);
    json_put(o, "debug_files_rebuilt", m.other_build);
    json_put(o, "modules_without_dwo", m.without_split);
    const struct python *python = stacks_python(names_stacks(names));
    const struct tape_python *p;
    for (size_t i = 0; (p = python_interpreter(python, i)) != NULL; i++)
        if (p->state != TAPE_PYTHON_RECORDED)
            json_object_object_add(o, "python_frames", json_object_new_boolean(false));
}

struct json_object *completeness_json(struct tape_file *tape, const struct replay_counts *counts,
                                      struct names *names) {
    const struct tape_health *h = tape_file_health(tape);
    const struct tape_process *p = tape_file_process(tape);
    struct completeness c = of_tape(tape, counts);
    struct json_object *o = json_object_new_object();
    completeness_put(o, &c, names);
    json_put(o, "chunks", h->chunks);
    if (h->first_damage != NULL)
        json_object_object_add(o, "first_damage", json_object_new_string(h->first_damage));
    struct unseen unseen = {0};
    unseen_add(&unseen, p);
    unseen_put(o, &unseen, false);
    unseen_free(&unseen);
    json_object_object_add(o, "closed", json_object_new_boolean(p->closed));
    json_object_object_add(o, "alive", json_object_new_boolean(p->alive));
    if (p->parent_id != NULL)
        json_object_object_add(o, "parent_read",
                               json_object_new_boolean(!parent_not_read(p, counts)));
    return o;
}

int completeness_status(struct tape_file *tape) {
    const struct tape_health *h = tape_file_health(tape);
    return h->lost != 0 || h->damaged_chunks != 0 || h->damaged_bytes != 0 ? EXIT_FINDING
                                                                           : EXIT_FINE;
}

const char *completeness_why_empty(struct tape_file *tape, const struct replay_counts *counts) {
    const struct tape_health *h = tape_file_health(tape);
    const struct tape_process *p = tape_file_process(tape);
    if (counts->allocations != 0 || counts->failed != 0 || counts->pools.allocations != 0)
        return NULL;
    if (h->damaged_chunks != 0 || h->damaged_bytes != 0)
        return "No allocation could be read: what follows the header is damaged";
    if (h->lost != 0)
        return "No allocation was kept: the recorder could not write (disk full, file size limit)";
    if (p->closed)
        return "No allocations: the program never asked the C library for memory (only mmap, or an "
               "allocator of its own)";
    if (p->alive)
        return "No allocations yet: the program is running and has not asked for memory so far";
    return "No allocations: the program was killed, or replaced by exec, before the first one";
}
