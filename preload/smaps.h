/* SPDX-License-Identifier: MIT */
/* Reads the text of /proc/self/smaps (proc(5)) in pieces of any size. */
#ifndef SMAPS_H
#define SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smaps {
    /* Called for one mapping after the other. line: as /proc/self/maps has it, without line feed,
     * zero-terminated, cut when it is very long. Sizes are in bytes. */
    void (*found)(struct smaps *);
    void *context;
    char line[4608];
    uint64_t resident, anonymous, swapped;
    /* what has come so far */
    char part[48];
    size_t line_length, part_length;
    enum { SMAPS_START, SMAPS_LINE, SMAPS_FIELD } state;
};

/* Begin with all members but the first two zero. */
void smaps_feed(struct smaps *, const char *text, size_t bytes);
/* Behind the last piece. */
void smaps_end(struct smaps *);

#endif
