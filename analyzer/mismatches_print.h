/* SPDX-License-Identifier: MIT */
/*
 * Mismatches as text and as JSON. Left out are blocks that a library's own operator new has taken
 * from malloc, where its operator delete was another's: they are of one kind for the program.
 */
#ifndef MISMATCHES_PRINT_H
#define MISMATCHES_PRINT_H

#include <json-c/json.h>
#include <stdio.h>

#include "mismatches.h"
#include "names.h"
#include "screen.h"

/* Those to show, most blocks first; *count of them. The caller frees. */
struct mismatch *mismatches_list(const struct mismatches *, struct names *, size_t *count);
/* The function that gave the blocks back, static text. */
const char *mismatch_released_by(const struct mismatch *);

/* Nothing when there are none. */
void mismatches_print(FILE *out, const struct mismatches *, struct names *, const struct screen *,
                      size_t limit);

/* An array, see report.h; the caller owns the reference. */
struct json_object *mismatches_json(const struct mismatches *, struct names *);

#endif
