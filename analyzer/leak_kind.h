/* SPDX-License-Identifier: MIT */
/*
 * Leak kinds as memcheck names them (its manual, "Memory leak detection").
 */
#ifndef LEAK_KIND_H
#define LEAK_KIND_H

#include <stdbool.h>

enum leak_kind {
    LEAK_DEFINITE,  /* nothing points to it */
    LEAK_INDIRECT,  /* only blocks that are lost point to it */
    LEAK_POSSIBLE,  /* only pointers into its inside, or from blocks that are possibly lost */
    LEAK_REACHABLE, /* a root points to it, or a block that is reachable */
    LEAK_UNKNOWN,   /* not freed; the recording has no heap image that tells more */
    LEAK_KINDS,
    LEAK_IGNORED = LEAK_KINDS /* heaptape_ignore(), or led to by such a block: in no report */
};

struct leak_kind_info {
    const char *name;   /* for options and JSON: "definite" */
    const char *phrase; /* as memcheck says it: "definitely lost" */
    const char *xml;    /* kind in its XML: "Leak_DefinitelyLost" */
};
extern const struct leak_kind_info leak_kind_info[LEAK_KINDS + 1];

/* Reads "definite,possible", "all" or "none" to a set of bits 1 << kind. False: not such a list. */
bool leak_kinds_parse(const char *text, unsigned *kinds);

#endif
