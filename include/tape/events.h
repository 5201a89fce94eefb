/* SPDX-License-Identifier: MIT */
/*
 * The payload of an EVENTS chunk: events of one stream, transposed to columns. Encoder and
 * decoder stand side by side, column by column; docs/FORMAT.md is the law.
 *
 *   payload := version:u8 shift:u8 generation addresses frames { length }×COLUMNS { column }
 *
 * Every number without a width is a varint. The encoder works in place on memory that the caller
 * gives, allocates nothing and is safe inside malloc. The decoder checks every bound.
 *
 * This is layout 2, which the recorder writes; layout 3, that of packed tapes, is in archive.h and
 * shares what the two have in common.
 */
#ifndef TAPE_EVENTS_H
#define TAPE_EVENTS_H

#include "format.h"
#include "tail.h"

#define TAPE_EVENTS_VERSION 2
#define TAPE_EVENTS_PACKED  3                   /* see archive.h */
#define TAPE_EVENTS_MAX     (UINT32_C(1) << 24) /* events in a chunk */
#define TAPE_FRAMES_MAX     (UINT32_C(1) << 28) /* pushed frames and dictionary entries in a chunk */
#define TAPE_BACK           0x40 /* in the op column: the address of an event up to 255 before */
#define TAPE_BACK_MAX       255
#define TAPE_DEEP           15 /* the larger of pop and push that fit in the stack column, plus one */

enum tape_column {
    TAPE_COL_ADDRESSES, /* the dictionary: return addresses, zigzag difference to the one before */
    TAPE_COL_OP,        /* one byte an event, with TAPE_BACK */
    TAPE_COL_TIME,      /* (stamp >> shift) minus the one before; the first to first_stamp */
    TAPE_COL_ALLOC,     /* addresses of ALLOC and REALLOC without TAPE_BACK, packed difference */
    TAPE_COL_FREE,      /* addresses of FREE and FROM without TAPE_BACK, packed difference */
    TAPE_COL_SIZE,      /* sizes of ALLOC and REALLOC */
    TAPE_COL_ALIGN,     /* log2 of the alignment, a byte, for ops that have one */
    TAPE_COL_STACK,     /* a byte, for events with a stack: frames popped << 4 | frames pushed */
    TAPE_COL_DEEP,      /* what such a half that is TAPE_DEEP is short of */
    TAPE_COL_FRAMES,    /* dictionary indices, outermost first */
    TAPE_COL_OTHER,     /* SAMPLE: address, size; BLOB: address, length, bytes */
    TAPE_COL_BACK,      /* a byte, for events with TAPE_BACK: how many events before */
    TAPE_COLUMNS,
    TAPE_COLUMNS_MAX = TAPE_COLUMNS + 2 /* of the layout that has most */
};

static inline bool tape_op_has_align(unsigned op) {
    return op == TAPE_OP_posix_memalign || op == TAPE_OP_aligned_alloc || op == TAPE_OP_memalign ||
           op == TAPE_OP_new_aligned || op == TAPE_OP_new_array_aligned || op == TAPE_OP_mallocx ||
           tape_op_is_mapping(op);
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

/* Where the latest event about an address was, by a hash of it; a collision costs bytes only. */
#define TAPE_LATEST_BITS 11

static inline uint32_t tape_latest_slot(uint64_t address) {
    return (uint32_t)(address >> 4) * UINT32_C(0x9e3779b1) >> (32 - TAPE_LATEST_BITS);
}

/* Worst-case bytes of the encoder's scratch memory for a region of these capacities. */
static inline size_t tape_events_scratch(size_t records, size_t frames, size_t addresses) {
    return (sizeof(uint32_t) << TAPE_LATEST_BITS) + 64 + TAPE_COLUMNS * TAPE_VARINT_MAX +
           records * 78 + frames * 10 + addresses * 18;
}

static inline uint8_t *tape_put_deep(uint8_t *p, uint32_t frames) {
    return frames < TAPE_DEEP ? p : tape_put_varint(p, frames - TAPE_DEEP);
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
        count,
        count * 9,
        frame_count * 5,
        count * 25 + frame_count * 4,
        count,
    };
    uint32_t *latest = (uint32_t *)(void *)scratch; /* slot of an address → event + 1 */
    scratch += sizeof *latest << TAPE_LATEST_BITS;
    memset(latest, 0, sizeof *latest << TAPE_LATEST_BITS);
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
    uint8_t *op_at = at[TAPE_COL_OP], *time_at = at[TAPE_COL_TIME], *back_at = at[TAPE_COL_BACK];
    uint8_t *alloc_at = at[TAPE_COL_ALLOC], *free_at = at[TAPE_COL_FREE];
    uint8_t *size_at = at[TAPE_COL_SIZE], *stack_at = at[TAPE_COL_STACK];
    uint8_t *frames_at = at[TAPE_COL_FRAMES];
    for (const struct tape_record *r = records, *end = records + count; r < end; r++) {
        unsigned op = tape_record_op(r);
        uint64_t address = tape_record_address(r), ticks = 0;
        enum tape_class class = tape_op_class(op);
        bool allocates = class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC;
        bool back = false; /* a short while ago there was an event about this address */
        if (r->stamp > stamp) {
            stamp = r->stamp;
            ticks = (stamp >> shift) - tick;
            tick += ticks;
        }
        time_at = tape_put_small(time_at, ticks);
        if (allocates || class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM) {
            uint32_t *event = &latest[tape_latest_slot(address)], now = (uint32_t)(r - records) + 1;
            uint32_t distance = now - *event;
            if (distance <= TAPE_BACK_MAX && *event != 0 &&
                tape_record_address(r - distance) == address) {
                back = true;
                *back_at++ = (uint8_t)distance;
            }
            *event = now;
        }
        *op_at++ = (uint8_t)(back ? op | TAPE_BACK : op);
        if (allocates) {
            if (!back) {
                alloc_at = tape_put_varint(alloc_at, tape_pack_delta(address, alloc));
                alloc = address;
            }
            size_at = tape_put_varint(size_at, r->size);
            if (tape_op_has_align(op))
                *at[TAPE_COL_ALIGN]++ = (uint8_t)(r->pop_align >> TAPE_POP_BITS);
            uint32_t pop = r->pop_align & TAPE_POP_MAX;
            if (__builtin_expect(pop < TAPE_DEEP && r->push < TAPE_DEEP, 1)) {
                *stack_at++ = (uint8_t)(pop << 4 | r->push);
            } else {
                *stack_at++ = (uint8_t)((pop < TAPE_DEEP ? pop : TAPE_DEEP) << 4 |
                                        (r->push < TAPE_DEEP ? r->push : TAPE_DEEP));
                at[TAPE_COL_DEEP] = tape_put_deep(at[TAPE_COL_DEEP], pop);
                at[TAPE_COL_DEEP] = tape_put_deep(at[TAPE_COL_DEEP], r->push);
            }
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
            if (!back) {
                free_at = tape_put_varint(free_at, tape_pack_delta(address, freed));
                freed = address;
            }
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
    at[TAPE_COL_BACK] = back_at;
    at[TAPE_COL_ALLOC] = alloc_at;
    at[TAPE_COL_FREE] = free_at;
    at[TAPE_COL_SIZE] = size_at;
    at[TAPE_COL_STACK] = stack_at;
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

/*
 * A payload is decoded in two steps: tape_decode_head says how much room its arrays need, then
 * tape_decode_body fills them. They are those of a region: records, frames (indices into the
 * return addresses; the bytes of BLOB events lie between them) and return addresses.
 */
struct tape_events_in {
    uint8_t version; /* of the layout */
    struct tape_in column[TAPE_COLUMNS_MAX];
    uint64_t generation;
    uint32_t events;    /* records */
    uint32_t addresses; /* entries of the dictionary */
    uint32_t frames;    /* pushed frames of all events together */
    uint32_t words;     /* room that the frames array needs: frames and the words of blobs */
    unsigned shift;
    uint64_t first_stamp;
};

/* Opens a decompressed payload of `events` events, of either layout. `payload` must stay until it
 * is decoded. */
static inline enum tape_error tape_decode_head(struct tape_events_in *in, const void *payload,
                                               size_t bytes, uint32_t events,
                                               uint64_t first_stamp) {
    *in = (struct tape_events_in){.events = events, .first_stamp = first_stamp};
    struct tape_in head = tape_in_of(payload, bytes);
    in->version = tape_get_u8(&head);
    if (in->version != TAPE_EVENTS_VERSION && in->version != TAPE_EVENTS_PACKED)
        return TAPE_E_VERSION;
    const int columns = in->version == TAPE_EVENTS_PACKED ? TAPE_COLUMNS_MAX : TAPE_COLUMNS;
    in->shift = tape_get_u8(&head);
    if (in->shift > 32 || events > TAPE_EVENTS_MAX)
        return TAPE_E_LIMIT;
    in->generation = tape_get_varint(&head, UINT64_MAX);
    in->addresses = (uint32_t)tape_get_varint(&head, TAPE_FRAMES_MAX);
    in->frames = (uint32_t)tape_get_varint(&head, TAPE_FRAMES_MAX);
    uint64_t length[TAPE_COLUMNS_MAX];
    for (int c = 0; c < columns; c++)
        length[c] = tape_get_varint(&head, TAPE_CHUNK_MAX);
    for (int c = 0; c < columns; c++) {
        const uint8_t *p = tape_get_bytes(&head, length[c]);
        if (p != NULL)
            in->column[c] = tape_in_of(p, (size_t)length[c]);
    }
    if (head.error != TAPE_OK)
        return head.error;
    /* Every dictionary entry and frame takes at least a byte: no allocation larger than the input
     * can be asked for. A blob's length takes one of its column, so its words are fewer than the
     * bytes there. */
    if (tape_in_left(&head) != 0 || in->addresses > length[TAPE_COL_ADDRESSES] ||
        in->frames > length[TAPE_COL_FRAMES] || events != length[TAPE_COL_OP])
        return TAPE_E_COLUMN;
    in->words = in->frames + (uint32_t)length[TAPE_COL_OTHER];
    return TAPE_OK;
}

/* Events are decoded in blocks whose columns fit the first cache. */
#define TAPE_DECODE_BLOCK 256

/* What decoding has got to. */
struct tape_decode_state {
    uint64_t tick, alloc, freed; /* of the event before that has one in its column */
    uint32_t frames;             /* pushed so far */
    uint32_t *frame;             /* where the next ones go */
    uint32_t owed;               /* frames pushed that are not decoded yet */
    bool broken; /* frames are damaged: the block's events cannot be told from them */
};

/* The columns of a block's events, as far as they can be read. */
struct tape_decode_block {
    uint64_t stamp[TAPE_DECODE_BLOCK], alloc[TAPE_DECODE_BLOCK], freed[TAPE_DECODE_BLOCK];
    uint64_t size[TAPE_DECODE_BLOCK];
    const uint8_t *stack, *back;
    size_t stamps, allocs, frees, sizes, stacks, backs;
};

static inline enum tape_class tape_coded_class(uint8_t op) {
    return tape_op_class(op & ~(unsigned)TAPE_BACK);
}

/* How many of these events have a stack, an address in ALLOC, one in FREE, and one in BACK: 16 bits
 * each, from the lowest on. */
static inline uint64_t tape_count_ops(const uint8_t *op, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        enum tape_class class = tape_coded_class(op[i]);
        uint64_t alloc = class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC;
        uint64_t release = class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM;
        sum += alloc | ((op[i] & TAPE_BACK) != 0 ? UINT64_C(1) << 48 : alloc << 16 | release << 32);
    }
    return sum;
}

/* Up to n bytes in place; how many there are in *got. */
static inline const uint8_t *tape_get_bytes_upto(struct tape_in *in, size_t n, size_t *got) {
    *got = n < tape_in_left(in) ? n : tape_in_left(in);
    const uint8_t *p = in->p;
    if (*got < n)
        in->error = TAPE_E_SHORT;
    if (*got > 0)
        in->p += *got;
    return p;
}

static inline void tape_decode_columns(struct tape_events_in *in, struct tape_decode_state *s,
                                       const uint8_t *op, size_t n, struct tape_decode_block *b) {
    struct tape_in *c = in->column;
    uint64_t ops = tape_count_ops(op, n);
    b->stamps = tape_get_varints(&c[TAPE_COL_TIME], b->stamp, n, UINT64_MAX);
    b->sizes = tape_get_varints(&c[TAPE_COL_SIZE], b->size, ops & 0xffff, UINT64_MAX);
    b->allocs = tape_get_varints(&c[TAPE_COL_ALLOC], b->alloc, ops >> 16 & 0xffff, UINT64_MAX);
    b->frees = tape_get_varints(&c[TAPE_COL_FREE], b->freed, ops >> 32 & 0xffff, UINT64_MAX);
    b->stack = tape_get_bytes_upto(&c[TAPE_COL_STACK], ops & 0xffff, &b->stacks);
    b->back = tape_get_bytes_upto(&c[TAPE_COL_BACK], ops >> 48, &b->backs);
    uint64_t tick = s->tick, first = in->first_stamp;
    for (size_t i = 0; i < b->stamps; i++) {
        tick += b->stamp[i];
        uint64_t stamp = tick << in->shift;
        b->stamp[i] = stamp < first ? first : stamp;
    }
    s->tick = tick;
    for (size_t i = 0; i < b->frees; i++)
        b->freed[i] = s->freed = tape_unpack_delta(b->freed[i], s->freed);
    for (size_t i = 0; i < b->allocs; i++)
        b->alloc[i] = s->alloc = tape_unpack_delta(b->alloc[i], s->alloc);
}

/* The frames that events so far have pushed: all of them must be in the dictionary. */
static inline enum tape_error tape_decode_frames(struct tape_events_in *in,
                                                 struct tape_decode_state *s) {
    struct tape_in *c = &in->column[TAPE_COL_FRAMES];
    size_t n = tape_get_varints_u32(c, s->frame, s->owed, UINT32_MAX);
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = s->frame[i] > most ? s->frame[i] : most;
    s->broken = n < s->owed || (n > 0 && most >= in->addresses);
    s->frame += n;
    s->owed = 0;
    if (!s->broken)
        return TAPE_OK;
    return c->error != TAPE_OK ? c->error : TAPE_E_FRAME;
}

static inline enum tape_error tape_decode_blob(struct tape_events_in *in,
                                               struct tape_decode_state *s, unsigned op,
                                               struct tape_record *r) {
    struct tape_in *c = &in->column[TAPE_COL_OTHER];
    enum tape_error error = tape_decode_frames(in, s); /* they lie in front of the bytes */
    r->addr_op = tape_addr_op(tape_get_varint(c, UINT64_MAX), op);
    r->size = tape_get_varint(c, TAPE_CHUNK_MAX);
    const uint8_t *bytes = tape_get_bytes(c, r->size);
    if (error != TAPE_OK || c->error != TAPE_OK)
        return error != TAPE_OK ? error : c->error;
    r->push = (uint32_t)(r->size + 3) / 4;
    if (r->push > 0)
        s->frame[r->push - 1] = 0;
    tape_put_bytes((uint8_t *)s->frame, bytes, (size_t)r->size);
    s->frame += r->push;
    return TAPE_OK;
}

/* An event of another class than the common two. */
static inline enum tape_error tape_decode_rare(struct tape_events_in *in,
                                               struct tape_decode_state *s, unsigned op,
                                               struct tape_record *r) {
    struct tape_in *c = &in->column[TAPE_COL_OTHER];
    r->pop_align = r->push = 0;
    switch (tape_op_class(op)) {
    case TAPE_CLASS_SAMPLE:
        r->addr_op = tape_addr_op(tape_get_varint(c, UINT64_MAX), op);
        r->size = tape_get_varint(c, UINT64_MAX);
        return c->error;
    case TAPE_CLASS_BLOB:
        return tape_decode_blob(in, s, op, r);
    default:
        return TAPE_E_OP;
    }
}

/* The stack change of an event; `half` of the stack column holds pop and push. */
static inline enum tape_error tape_decode_stack(struct tape_events_in *in,
                                                struct tape_decode_state *s, unsigned half,
                                                struct tape_record *r) {
    struct tape_in *c = &in->column[TAPE_COL_DEEP];
    uint64_t pop = half >> 4, push = half & 15;
    if (pop == TAPE_DEEP)
        pop += tape_get_varint(c, TAPE_POP_MAX - TAPE_DEEP);
    if (push == TAPE_DEEP)
        push += tape_get_varint(c, TAPE_FRAMES_MAX);
    if (push > in->frames - s->frames)
        return TAPE_E_COLUMN;
    r->pop_align = (uint32_t)pop;
    r->push = (uint32_t)push;
    return c->error;
}

/* Puts the n events of a block together, the first of which is record[at]; *done is how many of
 * them are good. */
static inline enum tape_error tape_decode_block(struct tape_events_in *in,
                                                struct tape_decode_state *s, const uint8_t *op,
                                                size_t n, struct tape_record *record, size_t at,
                                                size_t *done) {
    struct tape_decode_block b;
    enum tape_error error = TAPE_OK;
    size_t i = 0, alloc = 0, freed = 0, stack = 0, back = 0;
    tape_decode_columns(in, s, op, n, &b);
    for (; i < n; i++) {
        struct tape_record *r = &record[at + i];
        enum tape_class class = tape_coded_class(op[i]);
        bool allocates = class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC;
        bool releases = class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM;
        unsigned kind = op[i] & ~(unsigned)TAPE_BACK;
        uint64_t address;
        error = TAPE_E_COLUMN; /* unless it is found to be good */
        if (i == b.stamps)
            break;
        r->stamp = b.stamp[i];
        if (!allocates && !releases) {
            if (kind == op[i] && (error = tape_decode_rare(in, s, kind, r)) == TAPE_OK)
                continue;
            break;
        }
        if (kind != op[i]) {
            if (back == b.backs || b.back[back] == 0 || b.back[back] > at + i)
                break;
            address = tape_record_address(r - b.back[back++]);
        } else if (allocates) {
            if (alloc == b.allocs)
                break;
            address = b.alloc[alloc++];
        } else {
            if (freed == b.frees)
                break;
            address = b.freed[freed++];
        }
        r->addr_op = tape_addr_op(address, kind);
        r->size = r->pop_align = r->push = 0;
        if (allocates) {
            if (stack == b.sizes || stack == b.stacks)
                break;
            r->size = b.size[stack];
            error = tape_decode_stack(in, s, b.stack[stack++], r);
            if (tape_op_has_align(kind)) {
                struct tape_in *c = &in->column[TAPE_COL_ALIGN];
                r->pop_align |= (uint32_t)tape_get_u8(c) << TAPE_POP_BITS;
                error = error != TAPE_OK ? error : c->error;
            }
            if (error != TAPE_OK)
                break;
            s->frames += r->push;
            s->owed += r->push;
        }
        error = TAPE_OK;
    }
    if (!s->broken) {
        enum tape_error frames = tape_decode_frames(in, s);
        error = error != TAPE_OK ? error : frames;
    }
    *done = s->broken ? 0 : i;
    return error;
}

/* The return addresses: room for in->addresses. */
static inline enum tape_error tape_decode_dictionary(struct tape_events_in *in, uint64_t *address) {
    struct tape_in *column = &in->column[TAPE_COL_ADDRESSES];
    uint64_t before = 0;
    size_t n = tape_get_varints(column, address, in->addresses, UINT64_MAX);
    for (size_t i = 0; i < n; i++)
        address[i] = before += (uint64_t)tape_unzigzag(address[i]);
    return column->error;
}

/* Behind the last event nothing may be left over. */
static inline enum tape_error tape_decode_end(const struct tape_events_in *in) {
    for (int c = 0; c < TAPE_COLUMNS_MAX; c++)
        if (tape_in_left(&in->column[c]) != 0)
            return TAPE_E_COLUMN;
    return TAPE_OK;
}

/*
 * Decodes everything of layout 2: record[] has room for in->events, frame[] for in->words,
 * address[] for in->addresses. *records is the number of events that are good; when these are not
 * all, or a column has something left over, the result says why. Stamps are ticks, multiples of
 * 2^shift but for the first, and never below the chunk's first stamp.
 */
static inline enum tape_error tape_decode_body(struct tape_events_in *in,
                                               struct tape_record *record, uint32_t *frame,
                                               uint64_t *address, uint32_t *records) {
    struct tape_decode_state s = {.tick = in->first_stamp >> in->shift, .frame = frame};
    *records = 0;
    enum tape_error error = tape_decode_dictionary(in, address);
    while (error == TAPE_OK && *records < in->events) {
        uint32_t left = in->events - *records;
        size_t n = left < TAPE_DECODE_BLOCK ? left : TAPE_DECODE_BLOCK, done;
        const uint8_t *op = tape_get_bytes(&in->column[TAPE_COL_OP], n);
        error = tape_decode_block(in, &s, op, n, record, *records, &done);
        *records += (uint32_t)done;
    }
    if (*records > 0)
        record[0].stamp = in->first_stamp;
    return error != TAPE_OK ? error : tape_decode_end(in);
}

#endif
