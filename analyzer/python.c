/* SPDX-License-Identifier: MIT */
#include "python.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

struct code {
    uint32_t number, line;
    char *name, *file;
};

struct python {
    void *by_number, *by_text; /* tsearch(3) of struct code; by_text only while joining */
    uint32_t joined;           /* numbers given to code of other recordings */
    struct tape_python *interpreter;
    size_t interpreters;
};

struct python *python_new(void) {
    return xcalloc(1, sizeof(struct python));
}

static void free_code(void *p) {
    struct code *c = p;
    free(c->name);
    free(c->file);
    free(c);
}

static void keep_code(void *p) {
    (void)p; /* in the other tree too */
}

void python_free(struct python *y) {
    if (y == NULL)
        return;
    tdestroy(y->by_text, keep_code);
    tdestroy(y->by_number, free_code);
    free(y->interpreter);
    free(y);
}

static int by_number(const void *a, const void *b) {
    const struct code *c = a, *d = b;
    return (c->number > d->number) - (c->number < d->number);
}

static int by_text(const void *a, const void *b) {
    const struct code *c = a, *d = b;
    int order = strcmp(c->name, d->name);
    if (order == 0)
        order = strcmp(c->file, d->file);
    return order != 0 ? order : (c->line > d->line) - (c->line < d->line);
}

static char *copy(const char *text, size_t length) {
    char *p = xmalloc(length + 1);
    memcpy(p, text, length);
    p[length] = '\0';
    return p;
}

static const struct code *find(const struct python *y, uint64_t address) {
    struct code key = {.number = tape_python_number(address)};
    struct code *const *found = tfind(&key, &y->by_number, by_number);
    return found != NULL ? *found : NULL;
}

static void *insert(struct code *c, void **tree, int (*order)(const void *, const void *)) {
    struct code **at = tsearch(c, tree, order);
    if (at == NULL) {
        diag("out of memory");
        exit(EXIT_FINDING);
    }
    return *at;
}

static void take_code(struct python *y, uint32_t number, const struct tape_python_code *code) {
    struct code *c = xmalloc(sizeof *c);
    *c = (struct code){.number = number,
                       .line = code->line,
                       .name = copy(code->name, code->name_len),
                       .file = copy(code->file, code->file_len)};
    if (insert(c, &y->by_number, by_number) != c)
        free_code(c); /* told again */
}

void python_add_interpreter(struct python *y, const struct tape_python *p) {
    for (size_t i = 0; i < y->interpreters; i++) {
        const struct tape_python *q = &y->interpreter[i];
        if (q->version == p->version && q->state == p->state && q->module == p->module)
            return;
    }
    y->interpreter = xrealloc(y->interpreter, (y->interpreters + 1) * sizeof *p);
    y->interpreter[y->interpreters++] = *p;
}

enum tape_error python_take(struct python *y, uint64_t address, struct tape_in *in) {
    if (address == 0) {
        struct tape_python p;
        if (tape_get_python(in, &p) == TAPE_OK)
            python_add_interpreter(y, &p);
        return in->error;
    }
    struct tape_python_code code;
    if (address > TAPE_PYTHON_NUMBER_MAX)
        return TAPE_E_LIMIT;
    if (tape_get_python_code(in, &code) == TAPE_OK)
        take_code(y, (uint32_t)address, &code);
    return in->error;
}

bool python_lookup(const struct python *y, uint64_t address, struct symbol *out) {
    const struct code *c = find(y, address);
    *out = (struct symbol){.function = "<unknown>", .line = tape_python_line(address)};
    if (c == NULL)
        return false;
    out->function = c->name;
    out->file = c->file;
    return true;
}

bool python_is_import(const struct symbol *s) {
    return s->file != NULL && strncmp(s->file, "<frozen importlib.", 18) == 0;
}

uint64_t python_join(struct python *to, const struct python *from, uint64_t address) {
    const struct code *c = find(from, address);
    if (c == NULL)
        return tape_python_address(0, tape_python_line(address));
    struct code *own = xmalloc(sizeof *own);
    *own = (struct code){.number = to->joined + 1,
                         .line = c->line,
                         .name = xstrdup(c->name),
                         .file = xstrdup(c->file)};
    const struct code *known = insert(own, &to->by_text, by_text);
    if (known != own) {
        free_code(own);
    } else {
        to->joined++;
        insert(own, &to->by_number, by_number);
    }
    return tape_python_address(known->number, tape_python_line(address));
}

bool python_is_interpreter(const struct python *y, uint64_t start) {
    for (size_t i = 0; i < y->interpreters; i++)
        if (y->interpreter[i].module == start && y->interpreter[i].state == TAPE_PYTHON_RECORDED)
            return true;
    return false;
}

const struct tape_python *python_interpreter(const struct python *y, size_t i) {
    return i < y->interpreters ? &y->interpreter[i] : NULL;
}

char *python_version(uint64_t version) {
    if (version == 0)
        return xstrdup("older than 3.11");
    return xasprintf("%u.%u.%u", (unsigned)(version >> 24 & 255), (unsigned)(version >> 16 & 255),
                     (unsigned)(version >> 8 & 255));
}
