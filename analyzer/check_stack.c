/* SPDX-License-Identifier: MIT */
#include "check_stack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"

static char *copy(const char *text) {
    return text != NULL ? xstrdup(text) : NULL;
}

/* The outermost frame of a thread, which libc makes by one of two functions; a program may have one
 * of such a name further in. */
static bool is_thread_start(const struct name *n) {
    return n->function != NULL &&
           (strcmp(n->function, "clone3") == 0 || strcmp(n->function, "clone") == 0);
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
        if ((n->start_up || (i + 1 == length && is_thread_start(n))) && i > *first)
            return i;
    }
    return length;
}

/* The first frame that is no plumbing; `end`: there is none. */
static uint32_t behind_plumbing(const struct names *names, const uint32_t *path, uint32_t first,
                                uint32_t end, bool interpreter) {
    const struct name *n = NULL;
    uint32_t i = first;
    for (; i < end; i++) {
        n = names_get(names, path[i]);
        if (!(interpreter ? n->plumbing : n->wrapper))
            break;
    }
    return i < end && (n->start_up || n->loader) ? end : i;
}

uint32_t check_stack_folded(const struct names *names, const uint32_t *path, uint32_t first,
                            uint32_t end) {
    uint32_t i = behind_plumbing(names, path, first, end, true);
    if (i == end)
        i = behind_plumbing(names, path, first, end, false);
    return i != end ? i : first;
}

uint32_t check_stack_next(const struct names *names, const uint32_t *path, uint32_t i,
                          uint32_t end) {
    const struct name *own = names_get(names, path[i]);
    uint32_t next = i + 1;
    while (next < end && !own->interpreter && names_get(names, path[next])->interpreter)
        next++;
    return next < end || own->python ? next : i + 1;
}

static struct check_frame frame_of(const struct name *n) {
    return (struct check_frame){.function = copy(n->function),
                                .readable = n->readable != n->function ? copy(n->readable) : NULL,
                                .file = copy(n->file),
                                .module = copy(n->module),
                                .line = n->file != NULL ? n->line : 0,
                                .address = n->python ? 0 : n->offset};
}

/* Where the sources are, without a slash at the end; the caller frees. */
static char *source_tree(void) {
    const char *workspace = getenv("GITHUB_WORKSPACE");
    char *root = workspace != NULL && *workspace != '\0' ? realpath(workspace, NULL) : NULL;
    return root != NULL ? root : realpath(".", NULL);
}

/* The path seen from `root` when it lies below it, otherwise as it is. The caller frees. */
static char *seen_from(const char *root, const char *file) {
    char *real = root != NULL ? realpath(file, NULL) : NULL, *seen;
    size_t n = root != NULL ? strlen(root) : 0;
    if (n == 1)
        n = 0; /* the root directory's own slash */
    const char *path = real != NULL ? real : file;
    if (root != NULL && strncmp(path, root, n) == 0 && path[n] == '/')
        path += n + 1;
    else
        path = file;
    seen = names_printable(path, strlen(path));
    free(real);
    return seen;
}

static void find_place(struct check_stack *s) {
    char *root = source_tree();
    bool found = false;
    s->place = s->count;
    for (size_t i = 0; i < s->count; i++) {
        struct check_frame *f = &s->frame[i];
        if (f->line == 0)
            continue;
        f->path = f->file[0] == '/' ? seen_from(root, f->file) : xstrdup(f->file);
        bool in_tree = f->file[0] == '/' && f->path[0] != '/';
        if (s->place == s->count || (in_tree && !found))
            s->place = i;
        found |= in_tree;
    }
    free(root);
}

bool check_stack_in_tree(const struct check_stack *s) {
    const struct check_frame *f = &s->frame[s->place];
    return s->place < s->count && f->file[0] == '/' && f->path[0] != '/';
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
        free(s->frame[i].readable);
        free(s->frame[i].file);
        free(s->frame[i].module);
        free(s->frame[i].path);
    }
    free(s->frame);
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

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool check_stack_same(const struct check_stack *a, const struct check_stack *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; i < a->count && same; i++)
        same = a->frame[i].address == b->frame[i].address &&
               same_text(a->frame[i].module, b->frame[i].module);
    return same;
}
