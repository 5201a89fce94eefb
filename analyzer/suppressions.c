/* SPDX-License-Identifier: MIT */
#include "suppressions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

void suppressions_free(struct suppressions *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct suppression *e = &s->entry[i];
        for (size_t k = 0; k < e->count; k++)
            free(e->pattern[k]);
        free(e->pattern);
        free(e->name);
        free(e->file);
    }
    free(s->entry);
    *s = (struct suppressions){0};
}

bool suppressions_glob(const char *pattern, const char *text, bool question) {
    const char *star = NULL, *retry = NULL; /* behind the last *, and where it goes on next */
    while (*text != '\0' || *pattern == '*') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern != '\0' && (*pattern == *text || (question && *pattern == '?'))) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    return *pattern == '\0';
}

/* ---- LeakSanitizer ------------------------------------------------------------------------ */

static bool contains(const char *glob, const char *text) {
    return text != NULL && *text != '\0' && suppressions_glob(glob, text, false);
}

/* The pattern as one for the whole text. The caller frees. */
static char *lsan_glob(const char *pattern) {
    size_t n = strcspn(pattern, "$"); /* what follows the end cannot match */
    bool begin = pattern[0] == '^', end = pattern[n] == '$';
    return xasprintf("%s%.*s%s", begin ? "" : "*", (int)(n - begin), pattern + begin,
                     end ? "" : "*");
}

static bool lsan_matches(const struct suppression *e, const struct supp_frame *frame,
                         size_t count) {
    char *glob = lsan_glob(e->pattern[0]);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        found = contains(glob, frame[i].function) || contains(glob, frame[i].linkage) ||
                contains(glob, frame[i].file) || contains(glob, frame[i].module) ||
                contains(glob, frame[i].module_real);
    free(glob);
    return found;
}

/* ---- Valgrind ----------------------------------------------------------------------------- */

static bool is(const char *glob, const char *text) {
    return text != NULL && suppressions_glob(glob, text, true);
}

/* "f(int) const" as "f": demangled names are often written down like this. */
static bool is_without_parameters(const char *glob, const char *function) {
    size_t n = function != NULL ? strcspn(function, "(") : 0;
    if (n == 0 || function[n] == '\0')
        return false;
    char *bare = xasprintf("%.*s", (int)n, function);
    bool found = is(glob, bare);
    free(bare);
    return found;
}

static const char *base(const char *path) {
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path;
}

static bool source_is(const char *glob, const struct supp_frame *f) {
    if (f->file == NULL)
        return false;
    if (is(glob, f->file) || is(glob, base(f->file)))
        return true;
    char *place = xasprintf("%s:%u", f->file, f->line);
    bool found = f->line != 0 && (is(glob, place) || is(glob, base(place)));
    free(place);
    return found;
}

/* Constructors and destructors have two linkage names, C1 and C2, D1 and D2, and nearly always one
 * address: either may be in the file. */
static bool is_twin(const char *glob, const char *linkage) {
    if (linkage == NULL || strncmp(linkage, "_ZN", 3) != 0)
        return false;
    char *twin = xstrdup(linkage);
    bool changed = false;
    for (char *p = twin + 3; *p != '\0' && p[1] != '\0' && p[2] != '\0'; p++)
        if ((*p == 'C' || *p == 'D') && (p[1] == '1' || p[1] == '2') && p[2] == 'E') {
            p[1] = p[1] == '1' ? '2' : '1';
            changed = true;
        }
    bool found = changed && is(glob, twin);
    free(twin);
    return found;
}

static bool frame_matches(const char *pattern, const struct supp_frame *f) {
    const char *glob = pattern + 4;
    switch (pattern[0]) {
    case 'f':
        return is(glob, f->linkage) || is_twin(glob, f->linkage) || is(glob, f->function) ||
               is_without_parameters(glob, f->function);
    case 'o':
        return is(glob, f->module) || is(glob, f->module_real);
    default:
        return source_is(glob, f);
    }
}

/* The frames begin with the pattern's: a glob in which "..." is the *. */
static bool stack_begins(const struct suppression *e, const struct supp_frame *frame,
                         size_t count) {
    size_t p = 0, f = 0, after = 0, retry = 0; /* after: the pattern behind the last "...", or 0 */
    while (p < e->count) {
        if (strcmp(e->pattern[p], "...") == 0) {
            after = ++p;
            retry = f;
        } else if (f < count && frame_matches(e->pattern[p], &frame[f])) {
            p++;
            f++;
        } else if (after != 0 && retry < count) {
            p = after;
            f = ++retry;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_operator_new(const struct supp_frame *f) {
    return f->function != NULL && (strncmp(f->function, "operator new(", 13) == 0 ||
                                   strncmp(f->function, "operator new[](", 15) == 0);
}

/* What Valgrind may show inside of, or instead of, an allocation function that is not malloc. */
struct alias {
    const char *function, *shown;
    bool instead;
};

static const struct alias alias[] = {
    {"realloc", "malloc", false},          {"reallocarray", "realloc", false},
    {"posix_memalign", "memalign", false}, {"posix_memalign", "memalign", true},
    {"aligned_alloc", "memalign", false},  {"aligned_alloc", "memalign", true},
    {"valloc", "memalign", false},         {"valloc", "memalign", true},
    {"pvalloc", "memalign", false},        {"pvalloc", "memalign", true},
};

static bool alias_matches(const struct suppression *e, const struct supp_frame *frame, size_t count,
                          const struct alias *a) {
    size_t dropped = a->instead ? 1 : 0;
    struct supp_frame *other = xmalloc((count + 1) * sizeof *other);
    other[0] = (struct supp_frame){.function = a->shown, .linkage = a->shown};
    memcpy(other + 1, frame + dropped, (count - dropped) * sizeof *frame);
    bool found = stack_begins(e, other, count - dropped + 1);
    free(other);
    return found;
}

static bool valgrind_matches(const struct suppression *e, const struct supp_frame *frame,
                             size_t count) {
    if (count == 0)
        return false;
    if (stack_begins(e, frame, count))
        return true;
    size_t outer = 0; /* the outermost operator new of those that call each other */
    while (outer + 1 < count && is_operator_new(&frame[outer + 1]))
        outer++;
    if (outer != 0 && stack_begins(e, frame + outer, count - outer))
        return true;
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
        if (strcmp(frame[0].function, alias[i].function) == 0 &&
            alias_matches(e, frame, count, &alias[i]))
            return true;
    return false;
}

static bool matches(const struct suppression *e, const struct supp_frame *frame, size_t count,
                    enum leak_kind kind) {
    if (kind == LEAK_UNKNOWN ? e->kinds == 0 : (e->kinds >> kind & 1) == 0)
        return false;
    return e->valgrind ? valgrind_matches(e, frame, count) : lsan_matches(e, frame, count);
}

struct suppression *suppressions_match(struct suppressions *s, const struct supp_frame *frame,
                                       size_t count, enum leak_kind kind) {
    struct supp_frame *real = xmalloc(count * sizeof *real);
    size_t real_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!frame[i].entered)
            real[real_count++] = frame[i];
    struct suppression *found = NULL;
    for (size_t i = 0; i < s->count && found == NULL; i++) {
        struct suppression *e = &s->entry[i];
        if (e->built_in ? matches(e, frame, count, kind) : matches(e, real, real_count, kind))
            found = e;
    }
    free(real);
    return found;
}
