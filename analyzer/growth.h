/* SPDX-License-Identifier: MIT */
/*
 * Loops that should not grow (heaptape_iteration): which call sites have more live blocks round
 * after round.
 *
 * The number of a site's blocks that counts is the one at the end of each round. What is freed
 * again is no growth: of every round only the floor counts, the least number that there ever was
 * from then on. The first quarter of the rounds is passed over: caches and tables fill. The rest is
 * cut into three parts of one length. A site grows when its floor rises in each of them, in none at
 * less than half the pace of another, a block more or less, and in all of them by more than the
 * number ever fell behind the first quarter: what goes up and down by more than it rises says
 * nothing yet. So
 *
 *   a block each round, or each tenth    grows by 1, or 0.1 blocks per iteration
 *   saw-tooth, freed now and then        does not: the floor stays
 *   as many as happen to be in flight    does not: it falls by as much as it rises
 *   a cache that is full at last         does not, if it is full after three quarters of the rounds
 *   a container that doubles             does not: in one part at least nothing happens
 *
 * What has more at the end than behind the first quarter and does not grow is "unsteady". Fewer
 * than GROWTH_ROUNDS rounds say nothing. (Of sites whose number is pure chance in each round, one
 * in 130 passes for growing after 5 to 10 rounds, one in 1,000 after 25, and none of 20,000 after
 * 35 and more.) More than GROWTH_PARTS rounds are looked at in as many stretches of equal length at
 * most, each by its floor. Rounds of one loop in several threads are one sequence.
 *
 * Cost: a change of a site costs a comparison, its first in a round a step for each loop; a round
 * costs what changed in it. Memory: 850 bytes for each site that changed between two rounds of a
 * loop. Not thread-safe.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include "replay.h"

#define GROWTH_ROUNDS 5
#define GROWTH_PARTS  32
#define GROWTH_LOOPS  32 /* names; the rounds of further ones are only counted */

struct growth_site {
    uint32_t stack;
    uint64_t blocks, bytes; /* that the floor rose by over growth_loop.measured rounds */
    uint64_t grew; /* rounds that ended with more blocks than the one before, of rounds - 1 */
};

struct growth_loop {
    const char *name;
    uint64_t rounds, measured;
    struct growth_site *site; /* those that grow, by stack */
    uint32_t count, unsteady;
};

struct growth;

struct growth *growth_new(void);
void growth_free(struct growth *);

/* For the replay, from its beginning or from the first mark of a loop on. */
struct observer growth_observer(struct growth *);

/* Behind the run: judges. Before that there are no loops. */
void growth_finish(struct growth *);

/* In the order in which they first came. */
uint32_t growth_loops(const struct growth *);
const struct growth_loop *growth_loop(const struct growth *, uint32_t index);
/* Rounds of loops that are not looked at, because there are too many names. */
uint64_t growth_others(const struct growth *);

#endif
