/* SPDX-License-Identifier: MIT */
/* Parts of a check's text and JSON. */
#ifndef CHECK_PARTS_H
#define CHECK_PARTS_H

#include <json-c/json.h>

#include "check.h"
#include "screen.h"

/* Entries printed so far; zeros at the beginning. */
struct generated_entries {
    char **entry;
    size_t count;
};
void generated_entries_free(struct generated_entries *);

/*
 * An entry for a file of Valgrind's kind that matches this finding, there as well. GEN_YES ends it
 * at the innermost frame in the source tree (check_stack.h): what lies further out may change
 * without making it stale; an entry that was printed before is not repeated. GEN_ALL goes on to
 * main. GEN_NONE prints nothing.
 */
void check_print_generated(FILE *, const struct check *, const struct check_finding *, int how,
                           struct generated_entries *);
/* The same as a text, lines from { to }; NULL: there is none. The caller frees. */
char *check_generated(const struct check *, const struct check_finding *, int how,
                      struct generated_entries *);

/* Budgets that are broken, with their largest sites. */
void check_print_budgets(FILE *, const struct check *);

/* Call sites that grow with each round, limit: how many, 0: all; the same as a list. */
void check_print_growth(FILE *, const struct check *, const struct screen *, uint32_t limit);
struct json_object *check_growth_json(const struct check *);

/* The same of what was given back by another kind of function. */
char *check_mismatch_sentence(const struct check_mismatch *); /* the caller frees */
void check_print_mismatches(FILE *, const struct check *, const struct screen *, uint32_t limit);
struct json_object *check_mismatches_json(const struct check *);

/* The labels of a stack's frames as a list; the caller owns the reference. */
struct json_object *check_stack_json(const struct check_stack *);

/* Suppressions of the user's own files that matched nothing: FILE:LINE NAME. */
void check_print_stale(FILE *, const struct check *);

#endif
