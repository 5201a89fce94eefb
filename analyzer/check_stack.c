/* SPDX-License-Identifier: MIT */
#include "check_stack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"

static char *copy(const char *text) {
    return text != NULL ? xstrdup(text) : NULL;
}

uint32_t check_stack_shown(const struct names *names, const uint32_t *path, uint32_t length,
                           uint32_t *first) {
    *first = 0;
    while (*first + 1 < length && names_get(names, path[*first])->allocator)
        ++*first;
    for (uint32_t i = *first; i < length; i++) {
        const struct name *n = names_get(names, path[i]);
        if (n->entry)
            return i + 1;
        if (n->start_up && i > *first)
            return i;
    }
    return length;
}

static struct check_frame frame_of(const struct name *n) {
    return (struct check_frame){.function = copy(n->function),
                                .file = copy(n->file),
                                .module = copy(n->module),
                                .line = n->file != NULL ? n->line : 0,
                                .address = n->offset};
}

/* Where the sources are, without a slash at the end; the caller frees. */
static char *source_tree(void) {
    const char *workspace = getenv("GITHUB_WORKSPACE");
    char *root = workspace != NULL && *workspace != '\0' ? realpath(workspace, NULL) : NULL;
    return root != NULL ? root : realpath(".", NULL);
}

/* The path seen from `root` when it lies below it, or NULL. The caller frees. */
static char *below(const char *root, const char *file) {
    char *real = realpath(file, NULL), *found = NULL;
    size_t n = strlen(root);
    if (n == 1)
        n = 0; /* the root directory's own slash */
    const char *path = real != NULL ? real : file;
    if (strncmp(path, root, n) == 0 && path[n] == '/')
        found = names_printable(path + n + 1, strlen(path + n + 1));
    free(real);
    return found;
}

static void find_place(struct check_stack *s) {
    char *root = source_tree();
    s->place = s->count;
    for (size_t i = 0; i < s->count && s->path == NULL; i++) {
        const struct check_frame *f = &s->frame[i];
        if (f->line == 0)
            continue;
        if (s->place == s->count)
            s->place = i;
        s->path = root != NULL ? below(root, f->file) : NULL;
        if (s->path != NULL)
            s->place = i;
    }
    if (s->path == NULL && s->place != s->count)
        s->path = xstrdup(s->frame[s->place].file);
    free(root);
}

struct check_stack check_stack_of(const struct names *names, const char *op, const uint32_t *path,
                                  uint32_t length) {
    uint32_t first, end = check_stack_shown(names, path, length, &first);
    struct check_stack s = {.frame = xcalloc(length + 1UL, sizeof *s.frame)};
    if (first != 0)
        first--; /* the outermost operator new stands for the allocation function */
    else if (op != NULL)
        s.frame[s.count++] = (struct check_frame){.function = xstrdup(op)};
    for (uint32_t i = first; i < end; i++)
        s.frame[s.count++] = frame_of(names_get(names, path[i]));
    find_place(&s);
    return s;
}

void check_stack_free(struct check_stack *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->frame[i].function);
        free(s->frame[i].file);
        free(s->frame[i].module);
    }
    free(s->frame);
    free(s->path);
    *s = (struct check_stack){0};
}

char *check_frame_label(const struct check_frame *f) {
    const char *function = f->function != NULL ? f->function : "???";
    if (f->line != 0)
        return xasprintf("%s (%s:%u)", function, names_base(f->file), f->line);
    if (f->module != NULL)
        return xasprintf("%s (in %s)", function, f->module);
    return xstrdup(function);
}
