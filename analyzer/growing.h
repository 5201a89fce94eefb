/* SPDX-License-Identifier: MIT */
/*
 * The call sites that grow with the rounds of a loop, as people read them: stacks whose frames read
 * the same, as far as they are shown, are one.
 */
#ifndef GROWING_H
#define GROWING_H

#include "growth.h"
#include "names.h"

struct growing {
    uint32_t *path; /* names, innermost first, as trees show a stack; owned */
    uint32_t length;
    bool cut;                     /* there are further frames */
    uint64_t blocks, bytes, grew; /* as in struct growth_site; of `grew` the most of one stack */
};

/* Those with most bytes first; *count of them. depth: frames that tell them apart, 0: all. The
 * caller ends with growing_free(). */
struct growing *growing_list(struct names *, const struct growth_loop *, uint32_t depth,
                             uint32_t *count);
void growing_free(struct growing *, uint32_t count);

/* "grows by 1.5 blocks, 72 bytes per iteration (in 500 of 999 rounds)"; the caller frees. */
char *growing_sentence(uint64_t blocks, uint64_t bytes, uint64_t grew, const struct growth_loop *);

#endif
