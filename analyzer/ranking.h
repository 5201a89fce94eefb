/* SPDX-License-Identifier: MIT */
/*
 * The largest allocation sites by one metric: stacks whose innermost frames read the same are one
 * site. The outer frames beyond `depth` do not tell sites apart.
 */
#ifndef RANKING_H
#define RANKING_H

#include "profile.h"
#include "tree.h"

/* A row of the table of rankings that a report shows. */
struct ranking_info {
    const char *name;   /* key in JSON */
    const char *title;  /* heading */
    enum metric ranked; /* what it is sorted by, and the share is of */
    enum metric second; /* the number beside it */
};

#define RANKING_COUNT 4
extern const struct ranking_info ranking_info[RANKING_COUNT];

struct ranked_site {
    uint32_t node; /* of the outermost frame shown, in the ranking's tree */
    uint64_t ranked, second;
};

struct ranking {
    struct tree *tree; /* bottom-up; its `bytes` hold the ranked metric, `blocks` the second */
    struct ranked_site *site;
    uint32_t count; /* at most the limit */
    uint32_t more;  /* sites beyond the limit */
};

/* depth: frames that a site is known by, 0: all; limit: sites to keep, 0: all. */
struct ranking *ranking_new(struct names *, const struct profile *, const struct ranking_info *,
                            uint32_t depth, uint32_t limit);
/* The same of other figures: `bytes` is what it is ranked by, `blocks` the second. */
struct ranking *ranking_of(struct names *, const struct tree_site *sites, size_t count,
                           uint32_t depth, uint32_t limit);
void ranking_free(struct ranking *);

/* Names of a site's frames, innermost first, into *path (the caller frees); returns how many. A
 * site without any stack has none. */
uint32_t ranking_path(const struct ranking *, const struct ranked_site *, uint32_t **path);

#endif
