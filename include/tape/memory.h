/* SPDX-License-Identifier: MIT */
/*
 * MEMORY events: what /proc/self/smaps says of every mapping of the process at one instant.
 *
 *   MEMORY   address = number of the part, from 0;   bytes = part
 *   part     := head entry*
 *   entry    := mapping [text]
 *
 * A sample is one or more parts, one behind the other in one stream; other events may lie between
 * them. Mappings come in order of their addresses, over all parts.
 */
#ifndef TAPE_MEMORY_H
#define TAPE_MEMORY_H

#include <stdbool.h>

#include "bytes.h"

#define TAPE_MEMORY_VERSION 1
#define TAPE_MEMORY_NAME    4096 /* bytes of a name at most; longer ones are cut at the front */

/* What a mapping is. */
enum tape_memory_kind {
    TAPE_MEMORY_ANONYMOUS,
    TAPE_MEMORY_FILE,  /* named by its path */
    TAPE_MEMORY_BRK,   /* [heap]: the data segment */
    TAPE_MEMORY_STACK, /* [stack]: of the first thread */
    TAPE_MEMORY_OTHER, /* the kernel's own: [vdso] and the like; named */
    TAPE_MEMORY_KINDS
};

enum tape_memory_bits {
    TAPE_MEMORY_READ = 1,
    TAPE_MEMORY_WRITE = 2,
    TAPE_MEMORY_EXECUTE = 4,
    TAPE_MEMORY_SHARED = 8,
    TAPE_MEMORY_THREAD = 16, /* holds the stack of a thread that has allocated */
    TAPE_MEMORY_OWN = 32,    /* memory of the recorder itself */
    TAPE_MEMORY_NAMED =
        64, /* a name follows; otherwise it has that of the mapping before it in the part */
};

struct tape_memory_head {
    bool last;     /* no part follows */
    uint64_t mono; /* CLOCK_MONOTONIC in ns */
    uint64_t cost; /* ns that reading took */
    uint64_t peak; /* greatest resident size of the process so far, bytes (VmHWM); 0 unknown */
};
#define TAPE_MEMORY_HEAD_BYTES 32 /* at most */

static inline uint8_t *tape_put_memory_head(uint8_t *p, const struct tape_memory_head *h) {
    p = tape_put_u8(p, TAPE_MEMORY_VERSION);
    p = tape_put_u8(p, h->last);
    p = tape_put_varint(p, h->mono);
    p = tape_put_varint(p, h->cost);
    return tape_put_varint(p, h->peak);
}

static inline enum tape_error tape_get_memory_head(struct tape_in *in, struct tape_memory_head *h) {
    if (tape_get_u8(in) != TAPE_MEMORY_VERSION)
        tape_in_fail(in, TAPE_E_VERSION);
    h->last = tape_get_u8(in) != 0;
    h->mono = tape_get_varint(in, UINT64_MAX);
    h->cost = tape_get_varint(in, UINT64_MAX);
    h->peak = tape_get_varint(in, UINT64_MAX);
    return in->error;
}

/* Sizes are in bytes, multiples of 1024; start and end of 4096. */
struct tape_memory_mapping {
    uint64_t start, end;
    uint8_t kind;       /* enum tape_memory_kind */
    uint8_t bits;       /* enum tape_memory_bits */
    uint64_t resident;  /* Rss */
    uint64_t anonymous; /* Anonymous: of the resident bytes those that are no longer a file's */
    uint64_t swapped;   /* Swap */
    size_t name_len;    /* with TAPE_MEMORY_NAMED */
    const char *name;   /* not terminated */
};
#define TAPE_MEMORY_MAPPING_BYTES (57 + TAPE_MEMORY_NAME) /* at most */

/* before: the end of the mapping before it in the part; 0 for its first. */
static inline uint8_t *tape_put_memory_mapping(uint8_t *p, const struct tape_memory_mapping *m,
                                               uint64_t before) {
    p = tape_put_u8(p, m->kind);
    p = tape_put_u8(p, m->bits);
    p = tape_put_varint(p, (m->start - before) >> 12);
    p = tape_put_varint(p, (m->end - m->start) >> 12);
    p = tape_put_varint(p, m->resident >> 10);
    p = tape_put_varint(p, m->anonymous >> 10);
    p = tape_put_varint(p, m->swapped >> 10);
    if ((m->bits & TAPE_MEMORY_NAMED) == 0)
        return p;
    p = tape_put_varint(p, m->name_len);
    return tape_put_bytes(p, m->name, m->name_len);
}

/* The name points into the input. */
static inline enum tape_error
tape_get_memory_mapping(struct tape_in *in, struct tape_memory_mapping *m, uint64_t before) {
    m->kind = tape_get_u8(in);
    m->bits = tape_get_u8(in);
    m->start = before + (tape_get_varint(in, UINT64_MAX >> 12) << 12);
    m->end = m->start + (tape_get_varint(in, UINT64_MAX >> 12) << 12);
    m->resident = tape_get_varint(in, UINT64_MAX >> 10) << 10;
    m->anonymous = tape_get_varint(in, UINT64_MAX >> 10) << 10;
    m->swapped = tape_get_varint(in, UINT64_MAX >> 10) << 10;
    m->name_len = 0;
    m->name = NULL;
    if (m->kind >= TAPE_MEMORY_KINDS || m->start < before || m->end < m->start)
        tape_in_fail(in, TAPE_E_LIMIT);
    if ((m->bits & TAPE_MEMORY_NAMED) != 0) {
        m->name_len = (size_t)tape_get_varint(in, TAPE_MEMORY_NAME);
        m->name = (const char *)tape_get_bytes(in, m->name_len);
    }
    return in->error;
}

#endif
