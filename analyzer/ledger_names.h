/* SPDX-License-Identifier: MIT */
/* What parts of a ledger are called. */
#ifndef LEDGER_NAMES_H
#define LEDGER_NAMES_H

#include "ledger.h"
#include "names.h"

/* The allocator underneath: "glibc", "jemalloc", "tcmalloc", "mimalloc", else the name of its file;
 * "unknown" when the tape does not say. Lives as long as the tape. */
const char *ledger_allocator(const struct tape_process *);

/* What is known to map memory at such a place: "pymalloc arenas", "V8", …; NULL: nothing is. Static
 * text. */
const char *ledger_mapper(struct names *, const struct ledger_site *);

/* How many bytes of the direct mappings at the peak are of each kind, the greatest first. */
struct ledger_mapper_sum {
    const char *name; /* NULL: of no known kind */
    uint64_t resident, size, ranges;
};
#define LEDGER_MAPPERS 12
size_t ledger_mappers(struct names *, const struct ledger *,
                      struct ledger_mapper_sum sum[LEDGER_MAPPERS]);

/* Why there is no sample, a sentence without a full stop; NULL when there is one. Static text. */
const char *ledger_why_none(const struct tape_process *, const struct ledger *);

#endif
