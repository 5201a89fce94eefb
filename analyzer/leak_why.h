/* SPDX-License-Identifier: MIT */
/*
 * Prints why blocks are still there: the shortest way from a variable, a stack or a register to
 * one block of each call stack that matches.
 */
#ifndef LEAK_WHY_H
#define LEAK_WHY_H

#include <json-c/json.h>
#include <stdio.h>

#include "leak_survey.h"
#include "names.h"

struct why_question {
    struct leak_survey *survey; /* it has classes */
    struct names *names;
    const char *site; /* a glob that a function of the stack must match, or the number of a stack as
                         `dump` has it ("#12") */
    uint32_t limit;   /* stacks to show, those with most bytes first; 0: all */
};

/* Return how many stacks match. */
uint32_t leak_why_print(FILE *, const struct why_question *);
/* The same as an array; the caller owns the reference. */
struct json_object *leak_why_json(const struct why_question *, uint32_t *count);

#endif
