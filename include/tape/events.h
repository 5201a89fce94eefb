/* SPDX-License-Identifier: MIT */
/*
 * The payload of an EVENTS chunk: events of one stream, transposed to columns. Encoder and
 * decoder stand side by side, column by column; docs/FORMAT.md is the law.
 *
 *   payload := version:u8 shift:u8 generation addresses frames { length }×COLUMNS { column }
 *
 * Every number without a width is a varint. The encoder works in place on memory that the caller
 * gives, allocates nothing and is safe inside malloc. The decoder checks every bound.
 */
#ifndef TAPE_EVENTS_H
#define TAPE_EVENTS_H

#include "format.h"
#include "tail.h"

#define TAPE_EVENTS_VERSION 1
#define TAPE_EVENTS_MAX     (UINT32_C(1) << 24) /* events in a chunk */
#define TAPE_FRAMES_MAX     (UINT32_C(1) << 28) /* pushed frames and dictionary entries in a chunk */

enum tape_column {
    TAPE_COL_ADDRESSES, /* the dictionary: return addresses, zigzag difference to the one before */
    TAPE_COL_OP,        /* one byte an event */
    TAPE_COL_TIME,      /* (stamp >> shift) minus the one before; the first to first_stamp */
    TAPE_COL_ALLOC,     /* block addresses made by ALLOC and REALLOC, packed difference */
    TAPE_COL_FREE,      /* block addresses of FREE and FROM, packed difference */
    TAPE_COL_SIZE,      /* sizes of ALLOC and REALLOC */
    TAPE_COL_ALIGN,     /* log2 of the alignment, a byte, for ops that have one */
    TAPE_COL_POP,       /* frames popped, for events with a stack */
    TAPE_COL_PUSH,      /* frames pushed, for events with a stack */
    TAPE_COL_FRAMES,    /* dictionary indices, outermost first */
    TAPE_COL_OTHER,     /* SAMPLE: address, size; BLOB: address, length, bytes */
    TAPE_COLUMNS
};

static inline bool tape_op_has_align(unsigned op) {
    return op == TAPE_OP_posix_memalign || op == TAPE_OP_aligned_alloc || op == TAPE_OP_memalign;
}

/* Differences of block addresses are nearly always multiples of 16: then the low bit is 0 and the
 * zigzag of difference/16 follows; otherwise the low bit is 1. Differences are taken modulo 2^63,
 * which is wide enough for 56-bit addresses. */
static inline uint64_t tape_pack_delta(uint64_t now, uint64_t before) {
    int64_t d = (int64_t)(now - before);
    return (d & 15) == 0 ? tape_zigzag(d / 16) << 1 : tape_zigzag(d) << 1 | 1;
}

static inline uint64_t tape_unpack_delta(uint64_t v, uint64_t before) {
    int64_t d = tape_unzigzag(v >> 1);
    return before + (uint64_t)((v & 1) != 0 ? d : d * 16);
}

/* ---- encoding ----------------------------------------------------------------------------- */

/* Worst-case bytes of the encoder's scratch memory for a region of these capacities. */
static inline size_t tape_events_scratch(size_t records, size_t frames, size_t addresses) {
    return 64 + TAPE_COLUMNS * TAPE_VARINT_MAX + records * 76 + frames * 10 + addresses * 18;
}

/* A varint that is nearly always of one byte. */
static inline uint8_t *tape_put_small(uint8_t *p, uint64_t v) {
    if (__builtin_expect(v < 0x80, 1)) {
        *p = (uint8_t)v;
        return p + 1;
    }
    return tape_put_varint(p, v);
}

struct tape_encoded {
    const uint8_t *payload;
    size_t bytes;
    uint64_t first_stamp, last_stamp;
};

/*
 * Encodes `count` (at least 1) records of a region. `scratch` holds tape_events_scratch() bytes
 * for at least these counts; the payload lies in it. Stamps that step back are raised to the one
 * before, so a stream's time never decreases.
 */
static inline struct tape_encoded tape_encode_events(const struct tape_record *records,
                                                     size_t count, const uint32_t *frames,
                                                     size_t frame_count, const uint64_t *addresses,
                                                     size_t address_count, uint64_t generation,
                                                     unsigned shift, uint8_t *scratch) {
    /* Room of each column, in the order of the enumeration. */
    const size_t room[TAPE_COLUMNS] = {
        address_count * 10,
        count,
        count * 10,
        count * 10,
        count * 10,
        count * 10,
        count,
        count * 4,
        count * 5,
        frame_count * 5,
        count * 25 + frame_count * 4,
    };
    uint32_t *local = (uint32_t *)(void *)scratch; /* region index → dictionary index + 1 */
    memset(local, 0, address_count * sizeof *local);
    uint8_t *start[TAPE_COLUMNS], *at[TAPE_COLUMNS];
    uint8_t *place = scratch + address_count * sizeof *local + 64;
    place += TAPE_COLUMNS * TAPE_VARINT_MAX; /* the payload is gathered in front of the columns */
    for (int c = 0; c < TAPE_COLUMNS; c++) {
        start[c] = at[c] = place;
        place += room[c];
    }

    struct tape_encoded out = {.first_stamp = records[0].stamp};
    uint64_t stamp = records[0].stamp, tick = stamp >> shift;
    uint64_t alloc = 0, freed = 0, return_address = 0;
    uint32_t known = 0;
    size_t pushed = 0;
    /* The columns that every event writes to have variables of their own: bytes stored through `at`
     * could, as far as the compiler knows, change `at` itself. */
    uint8_t *op_at = at[TAPE_COL_OP], *time_at = at[TAPE_COL_TIME];
    uint8_t *alloc_at = at[TAPE_COL_ALLOC], *size_at = at[TAPE_COL_SIZE];
    uint8_t *pop_at = at[TAPE_COL_POP], *push_at = at[TAPE_COL_PUSH];
    uint8_t *frames_at = at[TAPE_COL_FRAMES], *free_at = at[TAPE_COL_FREE];
    for (const struct tape_record *r = records, *end = records + count; r < end; r++) {
        unsigned op = tape_record_op(r);
        uint64_t address = tape_record_address(r), ticks = 0;
        if (r->stamp > stamp) {
            stamp = r->stamp;
            ticks = (stamp >> shift) - tick;
            tick += ticks;
        }
        *op_at++ = (uint8_t)op;
        time_at = tape_put_small(time_at, ticks);
        enum tape_class class = tape_op_class(op);
        if (class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC) {
            alloc_at = tape_put_varint(alloc_at, tape_pack_delta(address, alloc));
            alloc = address;
            size_at = tape_put_varint(size_at, r->size);
            if (tape_op_has_align(op))
                *at[TAPE_COL_ALIGN]++ = (uint8_t)(r->pop_align >> TAPE_POP_BITS);
            pop_at = tape_put_small(pop_at, r->pop_align & TAPE_POP_MAX);
            push_at = tape_put_small(push_at, r->push);
            for (const uint32_t *last = frames + r->push; frames < last; frames++) {
                uint32_t index = *frames, entry = local[index];
                if (__builtin_expect(entry == 0, 0)) {
                    entry = local[index] = ++known;
                    at[TAPE_COL_ADDRESSES] =
                        tape_put_varint(at[TAPE_COL_ADDRESSES],
                                        tape_zigzag((int64_t)(addresses[index] - return_address)));
                    return_address = addresses[index];
                }
                frames_at = tape_put_small(frames_at, entry - 1);
            }
            pushed += r->push;
        } else if (class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM) {
            free_at = tape_put_varint(free_at, tape_pack_delta(address, freed));
            freed = address;
        } else if (class == TAPE_CLASS_SAMPLE || class == TAPE_CLASS_BLOB) {
            at[TAPE_COL_OTHER] = tape_put_varint(at[TAPE_COL_OTHER], address);
            at[TAPE_COL_OTHER] = tape_put_varint(at[TAPE_COL_OTHER], r->size);
            if (class == TAPE_CLASS_BLOB) {
                at[TAPE_COL_OTHER] = tape_put_bytes(at[TAPE_COL_OTHER], frames, (size_t)r->size);
                frames += r->push;
            }
        }
    }
    at[TAPE_COL_OP] = op_at;
    at[TAPE_COL_TIME] = time_at;
    at[TAPE_COL_ALLOC] = alloc_at;
    at[TAPE_COL_FREE] = free_at;
    at[TAPE_COL_SIZE] = size_at;
    at[TAPE_COL_POP] = pop_at;
    at[TAPE_COL_PUSH] = push_at;
    at[TAPE_COL_FRAMES] = frames_at;
    out.last_stamp = stamp;

    uint8_t *payload = scratch + address_count * sizeof *local;
    uint8_t *p = tape_put_u8(payload, TAPE_EVENTS_VERSION);
    p = tape_put_u8(p, (uint8_t)shift);
    p = tape_put_varint(p, generation);
    p = tape_put_varint(p, known);
    p = tape_put_varint(p, pushed);
    for (int c = 0; c < TAPE_COLUMNS; c++)
        p = tape_put_varint(p, (uint64_t)(at[c] - start[c]));
    for (int c = 0; c < TAPE_COLUMNS; c++) {
        size_t n = (size_t)(at[c] - start[c]);
        memmove(p, start[c], n);
        p += n;
    }
    out.payload = payload;
    out.bytes = (size_t)(p - payload);
    return out;
}

/* ---- decoding ----------------------------------------------------------------------------- */

/* One decoded event. Frames of events with a stack are fetched by tape_next_frame. */
struct tape_event {
    uint64_t stamp;   /* ticks, a multiple of 2^shift except for the chunk's first */
    uint64_t address; /* by class: block, resident bytes, thread id, module start */
    uint64_t size;    /* by class: bytes asked for, CLOCK_MONOTONIC ns, length of the blob */
    uint32_t pop, push;
    uint8_t op, align_log2;
    const uint8_t *blob;
};

struct tape_events_in {
    struct tape_in column[TAPE_COLUMNS];
    uint64_t generation;
    uint32_t addresses; /* entries of the dictionary */
    uint32_t frames;    /* pushed frames of all events together */
    uint32_t left;      /* events not yet read */
    unsigned shift;
    uint64_t tick, alloc, freed, return_address;
    uint64_t first_stamp, last_stamp;
    bool started;
    enum tape_error error; /* sticky */
};

/*
 * Opens a decompressed payload of `events` events. The dictionary is read next, by calling
 * tape_next_address exactly in->addresses times, then the events, by tape_next_event.
 */
static inline enum tape_error tape_decode_events(struct tape_events_in *in, const void *payload,
                                                 size_t bytes, uint32_t events,
                                                 uint64_t first_stamp, uint64_t last_stamp) {
    *in = (struct tape_events_in){.left = events,
                                  .first_stamp = first_stamp,
                                  .last_stamp = last_stamp};
    struct tape_in head = tape_in_of(payload, bytes);
    if (tape_get_u8(&head) > TAPE_EVENTS_VERSION)
        return in->error = TAPE_E_VERSION;
    in->shift = tape_get_u8(&head);
    if (in->shift > 32 || events > TAPE_EVENTS_MAX)
        return in->error = TAPE_E_LIMIT;
    in->generation = tape_get_varint(&head, UINT64_MAX);
    in->addresses = (uint32_t)tape_get_varint(&head, TAPE_FRAMES_MAX);
    in->frames = (uint32_t)tape_get_varint(&head, TAPE_FRAMES_MAX);
    uint64_t length[TAPE_COLUMNS];
    for (int c = 0; c < TAPE_COLUMNS; c++)
        length[c] = tape_get_varint(&head, TAPE_CHUNK_MAX);
    for (int c = 0; c < TAPE_COLUMNS; c++) {
        const uint8_t *p = tape_get_bytes(&head, length[c]);
        if (p != NULL)
            in->column[c] = tape_in_of(p, (size_t)length[c]);
    }
    /* Every dictionary entry and frame takes at least a byte: no allocation larger than the input
     * can be asked for. */
    if (head.error == TAPE_OK &&
        (tape_in_left(&head) != 0 || in->addresses > length[TAPE_COL_ADDRESSES] ||
         in->frames > length[TAPE_COL_FRAMES] || events != length[TAPE_COL_OP]))
        head.error = TAPE_E_COLUMN;
    in->tick = first_stamp >> (in->shift & 63);
    return in->error = head.error;
}

static inline uint64_t tape_next_address(struct tape_events_in *in) {
    struct tape_in *c = &in->column[TAPE_COL_ADDRESSES];
    in->return_address += (uint64_t)tape_unzigzag(tape_get_varint(c, UINT64_MAX));
    if (c->error != TAPE_OK)
        in->error = c->error;
    return in->return_address;
}

/* The next frame of the event read last, as an index into the dictionary: call it event.push
 * times for an event with a stack, before the next tape_next_event. */
static inline uint32_t tape_next_frame(struct tape_events_in *in) {
    struct tape_in *c = &in->column[TAPE_COL_FRAMES];
    uint32_t index = (uint32_t)tape_get_varint(c, UINT32_MAX);
    if (c->error != TAPE_OK)
        in->error = c->error;
    else if (index >= in->addresses)
        in->error = TAPE_E_FRAME;
    return in->error == TAPE_OK ? index : 0;
}

/* The next event; false at the end of the chunk or on an error (in->error). */
static inline bool tape_next_event(struct tape_events_in *in, struct tape_event *e) {
    if (in->error != TAPE_OK)
        return false;
    if (in->left == 0) { /* nothing may be left over */
        for (int c = 0; c < TAPE_COLUMNS; c++)
            if (tape_in_left(&in->column[c]) != 0)
                in->error = TAPE_E_COLUMN;
        return false;
    }
    struct tape_in *column = in->column;
    in->left--;
    e->op = tape_get_u8(&column[TAPE_COL_OP]);
    in->tick += tape_get_varint(&column[TAPE_COL_TIME], UINT64_MAX);
    e->stamp = in->started ? in->tick << in->shift : in->first_stamp;
    if (e->stamp < in->first_stamp)
        e->stamp = in->first_stamp;
    in->started = true;
    e->address = e->size = 0;
    e->pop = e->push = 0;
    e->align_log2 = 0;
    e->blob = NULL;
    struct tape_in *used = &column[TAPE_COL_FREE];
    switch (tape_op_class(e->op)) {
    case TAPE_CLASS_ALLOC:
    case TAPE_CLASS_REALLOC:
        used = &column[TAPE_COL_ALLOC];
        in->alloc = tape_unpack_delta(tape_get_varint(used, UINT64_MAX), in->alloc);
        e->address = in->alloc;
        e->size = tape_get_varint(&column[TAPE_COL_SIZE], UINT64_MAX);
        if (tape_op_has_align(e->op))
            e->align_log2 = tape_get_u8(&column[TAPE_COL_ALIGN]);
        e->pop = (uint32_t)tape_get_varint(&column[TAPE_COL_POP], TAPE_POP_MAX);
        e->push = (uint32_t)tape_get_varint(&column[TAPE_COL_PUSH], in->frames);
        in->frames -= e->push;
        if (column[TAPE_COL_SIZE].error != TAPE_OK || column[TAPE_COL_ALIGN].error != TAPE_OK ||
            column[TAPE_COL_POP].error != TAPE_OK || column[TAPE_COL_PUSH].error != TAPE_OK)
            in->error = TAPE_E_COLUMN;
        break;
    case TAPE_CLASS_FREE:
    case TAPE_CLASS_FROM:
        in->freed = tape_unpack_delta(tape_get_varint(used, UINT64_MAX), in->freed);
        e->address = in->freed;
        break;
    case TAPE_CLASS_SAMPLE:
        used = &column[TAPE_COL_OTHER];
        e->address = tape_get_varint(used, UINT64_MAX);
        e->size = tape_get_varint(used, UINT64_MAX);
        break;
    case TAPE_CLASS_BLOB:
        used = &column[TAPE_COL_OTHER];
        e->address = tape_get_varint(used, UINT64_MAX);
        e->size = tape_get_varint(used, TAPE_CHUNK_MAX);
        e->blob = tape_get_bytes(used, e->size);
        break;
    case TAPE_CLASS_NONE:
        in->error = TAPE_E_OP;
        break;
    }
    if (used->error != TAPE_OK)
        in->error = used->error;
    if (column[TAPE_COL_TIME].error != TAPE_OK)
        in->error = column[TAPE_COL_TIME].error;
    return in->error == TAPE_OK;
}

#endif
