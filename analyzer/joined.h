/* SPDX-License-Identifier: MIT */
/*
 * The allocation sites of several recordings joined into one list.
 *
 * Recordings are added one after another; what is kept of each is its stacks, with the addresses
 * of every module counted from the module's beginning, so that a place is the same in all
 * processes wherever its module was loaded. Profile, replay and tape may be freed behind
 * joined_add. Names are looked up when joined_sites asks for them, each place once for all
 * recordings.
 *
 * Stacks whose frames read the same (as names.h resolves them) are one site: its values are the
 * sums over all processes, and it knows in how many of them it occurred. A sum of METRIC_PEAK_* is
 * no peak: the processes had theirs at different times.
 *
 * Memory grows with the distinct stacks of all recordings, and 4 bytes for each recording that a
 * stack occurs in. Not thread-safe per object.
 */
#ifndef JOINED_H
#define JOINED_H

#include "names.h"
#include "profile.h"

struct joined;

/* Names come from the modules' own files; the second form brings a lookup of its own. */
struct joined *joined_new(void);
struct joined *joined_new_lookup(names_lookup *lookup, void *context);
void joined_free(struct joined *);

/* A recording that is added. */
struct joined_from {
    struct stacks *stacks;
    const struct tape_process
        *process; /* names code that it made at run time; NULL: nothing does */
    /* Whose it is: any small number (memory grows with the greatest); recordings with the same one
     * count as one process. */
    uint32_t number;
};

/*
 * Adds the sites of one recording. The joined stack of each site goes to `to`, which has room for
 * `count`; NULL: they are not wanted.
 */
void joined_add(struct joined *, const struct joined_from *, const struct site *sites, size_t count,
                uint32_t *to);

/* Over all that was added: the sum of each metric. */
const uint64_t *joined_total(const struct joined *); /* METRIC_COUNT values */

struct joined_site {
    uint32_t stack; /* one of the stacks that are this site, in names_stacks(joined_names()) */
    uint32_t processes;
    bool cut; /* there are stacks that go on behind `depth` frames */
    uint64_t value[METRIC_COUNT];
};

/*
 * All sites, in the order in which they first came; *count of them. The caller frees.
 *
 * depth    frames, from the inner end, by which sites are told apart, operator new not counted; 0:
 *          all of them
 * trimmed  leaves out what trees leave out (tree.h): operator new at the inner end, and at the
 *          outer end what lies outside main. Otherwise every recorded frame is there; malloc
 *          itself never is.
 */
struct joined_site *joined_sites(struct joined *, uint32_t depth, bool trimmed, size_t *count);

/* To which of the sites that joined_sites gave last a joined stack belongs. */
uint32_t joined_site_of(const struct joined *, uint32_t stack);

/*
 * The frames of a site, innermost first, as numbers for names_get(joined_names(), …): function,
 * file, line and module path. `depth` and `trimmed` as for joined_sites. Into *path (the caller
 * frees); returns how many. A site without any stack has none.
 */
uint32_t joined_path(struct joined *, const struct joined_site *, uint32_t depth, bool trimmed,
                     uint32_t **path);

/* The names of all recordings. Module counts (names_modules) are of modules that differ. */
struct names *joined_names(struct joined *);

#endif
