/* SPDX-License-Identifier: MIT */
/*
 * What a program has mapped itself, at one instant of the replay: MMAP, MREMAP, MUNMAP and BRK
 * events, put together to ranges of addresses that do not overlap. A range is of the call that
 * mapped it last; one that is unmapped in part keeps the rest.
 *
 * A change takes time in the logarithm of their number. Memory: 40 to 160 bytes a range. Not
 * thread-safe.
 */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tape_event; /* replay.h */

struct mapping {
    uint64_t start, end; /* whole pages of 4,096 bytes */
    uint64_t born;       /* ns since the start */
    uint32_t stack;
    uint8_t flags; /* enum tape_mapping */
    bool brk;      /* of the data segment */
};

/* Of ranges in order: index of the first one that ends behind the address. */
size_t mapping_first_behind(const struct mapping *range, size_t count, uint64_t address);

struct mappings;

struct mappings *mappings_new(void);
void mappings_free(struct mappings *);

/* Takes an event of the address space. `thread` tells whose calls belong together. */
void mappings_take(struct mappings *, const struct tape_event *, uint64_t now, uint32_t thread,
                   uint32_t stack);

/* Puts in a range that was there before the first event. */
void mappings_put(struct mappings *, const struct mapping *);

/* Those that are there now, in order; valid until the next event. */
const struct mapping *mappings_list(struct mappings *, size_t *count);

/* `changed` is called for every range, or part of one, that comes or goes; what is cut goes as a
 * whole, and comes again without the part. Before the first event. */
void mappings_watch(struct mappings *,
                    void (*changed)(void *context, const struct mapping *, bool comes,
                                    uint64_t now),
                    void *context);

/* The first address from `start` on that lies in no range; and where the gap that holds an address
 * ends. */
uint64_t mappings_next_gap(const struct mappings *, uint64_t start);
uint64_t mappings_gap_end(const struct mappings *, uint64_t address);

struct mappings_counts {
    uint64_t calls, failed;          /* that mapped; munmap and mremap that failed */
    uint64_t mapped_bytes;           /* by all calls together, as they asked */
    uint64_t live_bytes, peak_bytes; /* now, greatest; without what cannot be accessed, and
                                        without what the allocator has mapped */
    uint64_t peak_time;              /* ns, when that was first reached */
    uint64_t allocator_bytes;        /* what that has, now */
};
const struct mappings_counts *mappings_counts(const struct mappings *);

#endif
