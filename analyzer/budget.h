/* SPDX-License-Identifier: MIT */
/*
 * Budgets of a check: limits on the peak of a process, on the number of allocations and on what is
 * not freed, of the whole heap or of the stacks in which a name matches.
 *
 *   peak     bytes live at the instant of a process's peak: of the process with most
 *   allocs   allocations, summed over all processes
 *   leaked   bytes not freed and not suppressed, summed over all processes
 *
 * A budget for leaks that is kept allows them: what it covers is no finding. Peak and allocations
 * take one more replay of every recording, which is made only when there is such a budget.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include "check_stack.h"
#include "command.h"

enum budget_kind { BUDGET_PEAK, BUDGET_ALLOCS, BUDGET_LEAKED, BUDGET_KINDS };

/* What the options are called, and what is counted. */
struct budget_info {
    const char *option;    /* "max-peak"; with a pattern "max-peak-at" */
    const char *option_at; /* the same with a pattern */
    const char *label;     /* "peak" */
    bool bytes;
};
extern const struct budget_info budget_info[BUDGET_KINDS];

#define BUDGET_SITES 3 /* largest ones that are kept of a broken budget */

struct budget_site {
    struct check_stack stack;
    uint64_t value;
};

struct budget {
    enum budget_kind kind;
    char *pattern; /* glob over function, file or module of any frame; NULL: all stacks */
    uint64_t limit, value;
    bool broken;
    uint64_t pid;                          /* PEAK: of the process with most; 0 otherwise */
    struct budget_site site[BUDGET_SITES]; /* of a broken one, largest first */
    size_t site_count;
};

struct budgets {
    struct budget *budget; /* in the order of the command line */
    size_t count, broken;
};

/* Adds what an option's value says, "64M" or with `at` "PATTERN=64M". False (reported) when it says
 * something else. */
bool budgets_add(struct budgets *, const struct command *, enum budget_kind, bool at,
                 const char *value);
void budgets_free(struct budgets *);

/* Whether any frame of the path matches the budget's pattern; true without one. */
bool budget_covers(const struct budget *, const struct names *, const uint32_t *path,
                   uint32_t length);

struct check;
/* Fills in value, broken and sites of all budgets; `check` has its findings. Those that budgets for
 * leaks allow are marked, and no longer counted as found. */
void budgets_judge(struct check *);

/* "peak at parse_*": stable over runs and changes of the limit. The caller frees. */
char *budget_name(const struct budget *);
/* "peak 71.20 MiB is over 64.00 MiB, in process 12" or "… is within …"; the caller frees. */
char *budget_sentence(const struct budget *);
/* A value of it as people read it: "71.20 MiB", "1,234 allocations"; the caller frees. */
char *budget_amount(const struct budget *, uint64_t value);

#endif
