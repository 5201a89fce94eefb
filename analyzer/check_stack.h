/* SPDX-License-Identifier: MIT */
/*
 * A call stack as other tools show it: the allocation function first, operator new in place of the
 * malloc inside of it, then its callers up to main. Texts are printable UTF-8, owned, and
 * independent of the names that they came from.
 */
#ifndef CHECK_STACK_H
#define CHECK_STACK_H

#include <stdbool.h>

#include "names.h"

struct check_frame {
    char *function, *file, *module; /* NULL: unknown; file and module are full paths */
    char *readable;                 /* the function demangled; NULL: as it is shown */
    char *path;                     /* of the file: relative when it lies in the source tree */
    unsigned line;                  /* 0: unknown */
    uint64_t address;               /* in the module's file; 0: the allocation function */
};

struct check_stack {
    struct check_frame *frame; /* innermost first */
    size_t count;
    size_t place; /* the frame that a developer would look at; count: none has a source line */
};

/*
 * `path`: names of the callers, innermost first. `op`: the allocation function, or NULL to leave it
 * out. The place is the innermost frame whose file lies in the source tree, which is
 * $GITHUB_WORKSPACE or the working directory; otherwise the innermost with a line.
 */
struct check_stack check_stack_of(const struct names *, const char *op, const uint32_t *path,
                                  uint32_t length);
/* Whether two have the same addresses in the same modules. */
bool check_stack_same(const struct check_stack *, const struct check_stack *);
/* Whether the place lies in the source tree. */
bool check_stack_in_tree(const struct check_stack *);
void check_stack_free(struct check_stack *);

/* The frames worth showing, from *first up to the returned one: without operator new at the inner
 * end, and without what lies outside main, or outside a thread's first function in the C library.
 */
uint32_t check_stack_shown(const struct names *, const uint32_t *path, uint32_t length,
                           uint32_t *first);

/* "function (file.c:12)", "function (in libx.so)", "??? (in libx.so)", "function"; as memcheck has
 * it. The caller frees. */
char *check_frame_label(const struct check_frame *);

/* Of these the first behind the plumbing (folding.h), as in trees: tree_innermost(). */
uint32_t check_stack_folded(const struct names *, const uint32_t *path, uint32_t first,
                            uint32_t end);

/* The frame to show behind frame i, or `end`: code that runs Python is left out as in trees,
 * tree_outer(). */
uint32_t check_stack_next(const struct names *, const uint32_t *path, uint32_t i, uint32_t end);

#endif
