/* SPDX-License-Identifier: MIT */
/*
 * Prints why blocks are still there: the shortest way from a variable, a stack or a register to
 * one block of each call stack that matches.
 */
#ifndef LEAK_WHY_H
#define LEAK_WHY_H

#include <stdio.h>

#include "leak_survey.h"
#include "names.h"

/*
 * site: a glob that a function of the stack must match, or the number of a stack as `dump` has it
 * ("#12"). limit: stacks to show, those with most bytes first; 0: all. The survey has classes.
 * Returns how many stacks match.
 */
uint32_t leak_why_print(FILE *, struct leak_survey *, struct names *, const char *site,
                        uint32_t limit);

#endif
