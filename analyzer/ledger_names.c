/* SPDX-License-Identifier: MIT */
#include "ledger_names.h"

#include <stdlib.h>
#include <string.h>

#define LOOKED_AT 8 /* frames from the call of mmap outwards */

static bool begins(const char *text, const char *with) {
    return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

const char *ledger_allocator(const struct tape_process *p) {
    static const char *const known[][2] = {{"libc.so", "glibc"},
                                           {"libc-2.", "glibc"},
                                           {"libjemalloc", "jemalloc"},
                                           {"libtcmalloc", "tcmalloc"},
                                           {"libmimalloc", "mimalloc"}};
    if (p->allocator == NULL)
        return "unknown";
    const char *base = names_base(p->allocator);
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (begins(base, known[i][0]))
            return known[i][1];
    return base;
}

/* A function that maps, by what its name contains; module: the file's name begins with it. */
struct mapper {
    const char *function, *module, *label;
};
static const struct mapper mappers[] = {
    {"_PyObject_Arena", NULL, "pymalloc arenas"},
    {"_PyMem_Arena", NULL, "pymalloc arenas"},
    {"v8::", NULL, "V8"},
    {"partition_alloc", NULL, "PartitionAlloc"},
    {"WTF::", NULL, "Blink"},
    {"_rjem_", NULL, "jemalloc, inside the program"},
    {"je_", NULL, "jemalloc, inside the program"},
    {"mi_", NULL, "mimalloc, inside the program"},
    {"tcmalloc", NULL, "tcmalloc, inside the program"},
    {NULL, "libjvm.so", "Java virtual machine"},
    {NULL, "libmozjs", "SpiderMonkey"},
    {NULL, "libwebkit", "WebKit"},
};

static bool is_python(const char *module) {
    const char *base = module != NULL ? names_base(module) : "";
    return begins(base, "python3") || begins(base, "libpython3");
}

/* CPython maps arenas of 1 MiB (3.10 and later) or 256 KiB (before), and hardly anything else. */
static bool has_arenas_size(const struct ledger_site *s) {
    uint64_t each = s->size / (s->ranges != 0 ? s->ranges : 1);
    return s->size % (UINT64_C(256) << 10) == 0 && each <= (UINT64_C(4) << 20);
}

static const char *by_function(const struct name *n) {
    for (unsigned i = 0; i < sizeof mappers / sizeof *mappers; i++) {
        const struct mapper *m = &mappers[i];
        bool prefix = m->function != NULL && m->function[strlen(m->function) - 1] == '_';
        if (m->function != NULL &&
            ((n->readable != NULL && (prefix ? begins(n->readable, m->function)
                                             : strstr(n->readable, m->function) != NULL)) ||
             begins(n->linkage, m->function)))
            return m->label;
        if (m->module != NULL && n->module != NULL && begins(names_base(n->module), m->module))
            return m->label;
    }
    return NULL;
}

const char *ledger_mapper(struct names *names, const struct ledger_site *s) {
    uint32_t place = names_place(names, s->stack);
    const struct name *first = place != 0 ? names_get(names, names_of(names, place)) : NULL;
    if (first != NULL && is_python(first->module) && has_arenas_size(s))
        return "pymalloc arenas";
    for (unsigned i = 0; i < LOOKED_AT && place != 0; i++, place = names_caller(names, place)) {
        const char *label = by_function(names_get(names, names_of(names, place)));
        if (label != NULL)
            return label;
    }
    return first != NULL && first->module != NULL && strcmp(names_base(first->module), "node") == 0
               ? "V8"
               : NULL;
}

static int by_resident(const void *a, const void *b) {
    const struct ledger_mapper_sum *s = a, *t = b;
    return (s->resident < t->resident) - (s->resident > t->resident);
}

size_t ledger_mappers(struct names *names, const struct ledger *l,
                      struct ledger_mapper_sum sum[LEDGER_MAPPERS]) {
    size_t count = 1;
    sum[0] = (struct ledger_mapper_sum){.name = NULL};
    for (size_t i = 0; i < l->site_count; i++) {
        const struct ledger_site *s = &l->sites[i];
        const char *name = ledger_mapper(names, s);
        size_t k = 0;
        while (k < count && !(name == sum[k].name || (name != NULL && sum[k].name != NULL &&
                                                      strcmp(name, sum[k].name) == 0)))
            k++;
        if (k == count && count == LEDGER_MAPPERS)
            k = 0;
        else if (k == count)
            sum[count++] = (struct ledger_mapper_sum){.name = name};
        sum[k].resident += s->resident;
        sum[k].size += s->size;
        sum[k].ranges += s->ranges;
    }
    qsort(sum, count, sizeof *sum, by_resident);
    while (count > 0 && sum[count - 1].ranges == 0)
        count--;
    return count;
}

const char *ledger_why_none(const struct tape_process *p, const struct ledger *l) {
    if (l->samples != 0)
        return NULL;
    for (size_t i = 0; p->env != NULL && p->env[i] != NULL; i++)
        if (strcmp(p->env[i], "HEAPTAPE_MEMORY=0") == 0)
            return "None were asked for (HEAPTAPE_MEMORY=0)";
    if (!p->closed)
        return "The process was killed before it had run long enough, or made its mappings "
               "unreadable (seccomp)";
    return "The process was small and short, or made its mappings unreadable (seccomp)";
}
