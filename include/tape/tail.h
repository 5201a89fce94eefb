/* SPDX-License-Identifier: MIT */
/*
 * The tail: event buffers in a file mapping beside the tape (FILE.tail), so that the kernel keeps
 * every event of a process that dies without a word. LATE chunks hold one such buffer in the tape.
 *
 *   tail   := region*             each at a multiple of TAPE_REGION_ALIGN
 *   region := region-header record* frame* address*
 *
 * A region is plain memory shared with the recorder: fixed offsets, little-endian, in machine
 * order on the little-endian machines that heaptape supports. An event exists once `end` counts
 * it; the recorder stores `end` last. `first` jumps to `end` when the events have been written to
 * the tape: the reader drops events whose ordinals the tape already has.
 */
#ifndef TAPE_TAIL_H
#define TAPE_TAIL_H

#include <assert.h>
#include <stdint.h>

#include "ops.h"

#define TAPE_REGION_MAGIC        UINT32_C(0x4e475248) /* "HRGN" */
#define TAPE_REGION_ALIGN        4096
#define TAPE_REGION_HEADER_BYTES 128

struct tape_region {
    uint32_t magic;          /*   0: stored last; 0: not in use */
    uint32_t stream;         /*   4: stream whose events these are, from 1 */
    uint64_t length;         /*   8: bytes of the region, header included */
    uint64_t first;          /*  16: ordinal of the event in the first record */
    uint64_t end;            /*  24: ordinal one past the last event; the commit word */
    uint64_t lost;           /*  32: events of this stream lost so far */
    uint64_t generation;     /*  40: of the address space, for the frames below */
    uint32_t records_at;     /*  48: offset of the records from the header */
    uint32_t records_cap;    /*  52: records that fit */
    uint32_t frames_at;      /*  56: offset of the frames (u32 each) */
    uint32_t frames_cap;     /*  60: frames that fit */
    uint32_t addresses_at;   /*  64: offset of the return addresses (u64 each) */
    uint32_t addresses_cap;  /* 68: return addresses that fit */
    uint8_t id[16];          /*  72: id of the tape that this tail belongs to */
    uint32_t addresses_used; /* 88: return addresses stored; for the recorder's own use */
    uint32_t reserved;       /*  92 */
    uint64_t recorder;       /*  96: of no meaning in the file */
    uint8_t reserved2[24];   /* 104 */
};
static_assert(sizeof(struct tape_region) == TAPE_REGION_HEADER_BYTES, "region header layout");

/*
 * One event. Stack: the `pop` innermost frames of the stream's previous stack are gone, then
 * `push` frames follow, outermost first, taken in order from the region's frames: each is an
 * index into its return addresses. The stack is empty before the first record of a buffer and
 * behind a THREAD event. BLOB events use the same frames as bytes: `push` words hold `size` bytes.
 */
struct tape_record {
    uint64_t stamp;     /* ticks */
    uint64_t addr_op;   /* address in the low 56 bits, enum tape_op above */
    uint64_t size;      /* bytes asked for; UINT64_MAX when calloc's product overflows */
    uint32_t pop_align; /* pop in the low 26 bits, log2 of the alignment asked for above */
    uint32_t push;
};
static_assert(sizeof(struct tape_record) == 32, "record layout");

#define TAPE_POP_BITS      26
#define TAPE_POP_MAX       ((UINT32_C(1) << TAPE_POP_BITS) - 1)
#define TAPE_ALIGN_INVALID 63 /* log2 field of an alignment that is no power of two */
#define TAPE_ADDRESS_MASK  (UINT64_MAX >> 8)

static inline unsigned tape_record_op(const struct tape_record *r) {
    return (unsigned)(r->addr_op >> 56);
}

static inline uint64_t tape_record_address(const struct tape_record *r) {
    return r->addr_op & TAPE_ADDRESS_MASK;
}

static inline uint64_t tape_addr_op(uint64_t address, unsigned op) {
    return (address & TAPE_ADDRESS_MASK) | (uint64_t)op << 56;
}

#endif
