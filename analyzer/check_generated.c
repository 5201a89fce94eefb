/* SPDX-License-Identifier: MIT */
#include "check_parts.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define GENERATED_FRAMES 24 /* as many as Valgrind takes */

static void print_pattern(FILE *out, const struct name *n) {
    const char *function = n->plain != NULL     ? n->plain
                           : n->linkage != NULL ? n->linkage
                                                : n->function;
    if (n->allocator && strncmp(function, "_Zn", 3) == 0) /* new[] may look like new */
        fprintf(out, "   fun:_Zn?%s\n", function + 4);
    else if (function != NULL)
        fprintf(out, "   fun:%s\n", function);
    else if (n->module != NULL)
        fprintf(out, "   obj:%s\n", n->module);
    else
        fputs("   fun:*\n", out);
}

/* How many frames of the path belong into the entry. */
static uint32_t entry_end(const struct names *names, const struct check_finding *f, int how) {
    uint32_t first, end = check_stack_shown(names, f->path, f->length, &first);
    if (how != GEN_YES)
        return end;
    struct check_stack s = check_stack_of(names, NULL, f->path, f->length);
    if (check_stack_in_tree(&s))
        end = (first != 0 ? first - 1 : 0) + (uint32_t)s.place + 1;
    check_stack_free(&s);
    return end;
}

/* With operator new Valgrind does not see the malloc inside. */
static void print_patterns(FILE *out, const struct names *names, const struct check_finding *f,
                           int how) {
    uint32_t first, written = 0, end = entry_end(names, f, how);
    check_stack_shown(names, f->path, f->length, &first);
    if (check_is_of_pool(f) && f->length != 0) {
        first++; /* the program's own allocator is innermost there */
    } else if (first == 0) {
        /* Valgrind shows the memalign inside of posix_memalign and its like, too. */
        bool plain = strncmp(f->op, "operator ", 9) == 0 || strcmp(f->op, "malloc") == 0 ||
                     strcmp(f->op, "calloc") == 0 || strcmp(f->op, "realloc") == 0 || end == 0;
        fprintf(out, plain ? "   fun:%s\n" : "   ...\n   fun:%s\n", check_op_linkage(f->op));
        written++;
    }
    for (uint32_t i = first != 0 ? first - 1 : 0; i < end && written < GENERATED_FRAMES;
         i++, written++)
        print_pattern(out, names_get(names, f->path[i]));
}

/* Takes a new entry over. */
static bool is_new(struct generated_entries *seen, char *entry) {
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->entry[i], entry) == 0)
            return false;
    seen->entry = xrealloc(seen->entry, (seen->count + 1) * sizeof *seen->entry);
    seen->entry[seen->count++] = entry;
    return true;
}

char *check_generated(const struct check *c, const struct check_finding *f, int how,
                      struct generated_entries *seen) {
    const struct names *names = joined_names(c->joined);
    char *entry = NULL;
    size_t size;
    FILE *text = how != GEN_NONE ? open_memstream(&entry, &size) : NULL;
    if (text == NULL)
        return NULL;
    if (f->kind != LEAK_UNKNOWN)
        fprintf(text, "   match-leak-kinds: %s\n", leak_kind_info[f->kind].name);
    print_patterns(text, names, f, how);
    fclose(text);
    bool once = how == GEN_YES; /* then `seen` owns it from here on */
    if (once && !is_new(seen, entry)) {
        free(entry);
        return NULL;
    }
    uint32_t first, end = check_stack_shown(names, f->path, f->length, &first);
    first = check_stack_folded(names, f->path, first, end);
    const struct name *at = f->length != 0 ? names_get(names, f->path[first]) : NULL;
    char *whole = xasprintf("{\n   %s: %s\n   Memcheck:Leak\n%s}\n", leak_kind_info[f->kind].phrase,
                            at != NULL ? at->label : "?", entry);
    if (!once)
        free(entry);
    return whole;
}

void check_print_generated(FILE *out, const struct check *c, const struct check_finding *f, int how,
                           struct generated_entries *seen) {
    char *entry = check_generated(c, f, how, seen);
    if (entry != NULL)
        fputs(entry, out);
    free(entry);
}

void generated_entries_free(struct generated_entries *seen) {
    for (size_t i = 0; i < seen->count; i++)
        free(seen->entry[i]);
    free(seen->entry);
}
