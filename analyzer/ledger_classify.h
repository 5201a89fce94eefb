/* SPDX-License-Identifier: MIT */
/* How the mappings of one MEMORY sample are told apart. */
#ifndef LEDGER_CLASSIFY_H
#define LEDGER_CLASSIFY_H

#include "ledger.h"
#include "tape/memory.h"

/* A mapping of the sample, and what was found out about it. */
struct seen_mapping {
    uint64_t start, end, resident, anonymous, swapped;
    uint8_t kind, bits;
    size_t name; /* offset in the sample's texts; 0: none */
    bool holds_blocks;
    enum ledger_class class;
    uint64_t direct; /* of the resident bytes those of direct mappings, when it is of the heap */
};

struct seen_sample {
    struct seen_mapping *mapping;
    size_t count, room;
    char *text; /* names, each ended by a zero byte; the first byte is no name */
    size_t text_bytes, text_room;
};

/* The mapping that holds an address; NULL: none does. */
struct seen_mapping *seen_find(const struct seen_sample *, uint64_t address);

/* Fills in `class` of all, by everything but blocks: what has holds_blocks is of the heap already.
 */
void ledger_classify(struct seen_sample *, const struct mapping *direct, size_t direct_count,
                     bool libc);

/* Whether live blocks could make a difference: anonymous memory that nothing explains. */
bool ledger_is_doubtful(const struct seen_sample *);

/* How many bytes of [start, end) lie in direct mappings that the allocator has not made. */
uint64_t ledger_direct_bytes(const struct mapping *direct, size_t count, uint64_t start,
                             uint64_t end);

#endif
