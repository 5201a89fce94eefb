/* SPDX-License-Identifier: MIT */
/*
 * The result of a check as a list of items, one for each rule that was looked at and each place
 * that broke one: what the formats for CI systems print. Passed items are there as well, because
 * a dashboard wants to see that something was looked at.
 *
 *   not freed          one for each finding, or one that passed when there is none
 *   budget             one each
 *   recordings         one for each reason to doubt the answer, or one that passed
 *   stale suppression  with --fail-on-stale one each, or one that passed
 *   growth             with --fail-on-growth one for each call site, or one that passed
 *   mismatch           with --fail-on-mismatch one for each place, or one that passed
 *   program            its exit status
 */
#ifndef CHECK_ITEM_H
#define CHECK_ITEM_H

#include "check.h"
#include "check_stack.h"

enum check_rule { /* the first ones are the leak kinds */
                  RULE_PEAK = LEAK_KINDS,
                  RULE_ALLOCS,
                  RULE_LEAKED,
                  RULE_RECORDINGS,
                  RULE_STALE,
                  RULE_PROGRAM,
                  RULE_GROWTH,
                  RULE_MISMATCH,
                  RULE_COUNT
};

struct check_rule_info {
    const char *id;      /* "leak-definite" */
    const char *title;   /* "Memory that was not freed" */
    const char *help;    /* a sentence */
    const char *level;   /* as SARIF has it: error, warning, note */
    const char *section; /* "leaks": what groups test cases */
};
extern const struct check_rule_info check_rule_info[RULE_COUNT];

struct check_item {
    unsigned rule;
    bool failed;
    char *name;    /* one line, unique, and the same over runs and builds: no numbers, no lines */
    char *message; /* one line, with the numbers */
    uint64_t fingerprint;                /* of its stack's functions and files, or of its name */
    unsigned ordinal;                    /* among items of the same fingerprint, from 1 */
    const struct check_finding *finding; /* of a leak */
    const struct budget *budget;         /* of a budget */
    bool placed;                         /* of a place: it grows, or is mismatched */
    struct check_stack stack;            /* where to look first; may be empty */
    const char *file;                    /* place to point at, NULL: none; line from 1 */
    unsigned line;
};

struct check_items {
    struct check_item *item; /* leaks first, largest first */
    size_t count, failed;
};

struct check_items *check_items_new(const struct check *);
void check_items_free(struct check_items *);

/* Prints the lines of the stack, and of a budget the places besides, behind `prefix`. */
void check_item_print_stack(FILE *, const struct check_item *, const char *prefix);

#endif
