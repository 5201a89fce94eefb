/* SPDX-License-Identifier: MIT */
/*
 * Layout 3 of an EVENTS payload, that of packed tapes: layout 2 with other columns for addresses,
 * and stamps that are exact wherever the chunks that it was made from began.
 *
 * Allocators hand out what was freed last among blocks of one size, or what lies behind the block
 * handed out before; programs free in the order in which they allocated, or the reverse. So an
 * address is told as a place in the bin of its size, as the distance from the end of the block
 * before, or by the allocation that it came from. docs/FORMAT.md is the law. Nothing here
 * allocates.
 */
#ifndef TAPE_ARCHIVE_H
#define TAPE_ARCHIVE_H

#include "events.h"

enum tape_packed_column {
    /* Those of layout 2; TAPE_BACK in the op column means: told as in COL_BACK or COL_AGE. */
    TAPE_COL_AGE = TAPE_COLUMNS, /* frees of a block of this chunk: number of its allocation */
    TAPE_COL_EXACT,              /* stamps that are not what the time column says */
};

/* ---- blocks that were freed --------------------------------------------------------------- */

#define TAPE_BINS      1024
#define TAPE_BIN_DEPTH 32
#define TAPE_RELEASED  TAPE_BIN_DEPTH /* in COL_BACK: the address of the newest FREE or FROM */

/* The addresses freed last of blocks of one size, newest last. */
struct tape_bin {
    uint64_t address[TAPE_BIN_DEPTH]; /* a ring */
    uint32_t end, count;              /* end: modulo the depth, behind the newest */
};

/* What an allocator takes from its memory for so many bytes. */
static inline uint64_t tape_block_room(uint64_t size) {
    uint64_t room = (size + 23) & ~UINT64_C(15);
    return room < 32 ? 32 : room;
}

static inline uint32_t tape_bin_of(uint64_t size) {
    uint64_t bin = tape_block_room(size) / 16;
    return bin < TAPE_BINS ? (uint32_t)bin : 0;
}

static inline void tape_bin_put(struct tape_bin *b, uint64_t address) {
    b->address[b->end++ % TAPE_BIN_DEPTH] = address;
    b->count += b->count < TAPE_BIN_DEPTH;
}

/* The address at place i from the newest, which must be there. */
static inline uint64_t tape_bin_peek(const struct tape_bin *b, uint32_t i) {
    return b->address[(b->end - 1 - i) % TAPE_BIN_DEPTH];
}

/* The same, and takes it out. */
static inline uint64_t tape_bin_take(struct tape_bin *b, uint32_t i) {
    uint64_t address = tape_bin_peek(b, i);
    for (; i > 0; i--)
        b->address[(b->end - 1 - i) % TAPE_BIN_DEPTH] = tape_bin_peek(b, i - 1);
    b->end--;
    b->count--;
    return address;
}

/* Memory for coding one chunk, both ways; the caller's. */
struct tape_archive {
    struct tape_bin *bin; /* TAPE_BINS */
    uint32_t *allocation; /* by number: its event; room for as many as the chunk has events */
    uint32_t *slot;       /* encoding only: address → its newest allocation + 1; 0: free */
    uint32_t slots;       /* a power of two, at least twice the events */
};

/* What the events so far have left. */
struct tape_archive_state {
    uint32_t allocations;
    uint32_t age;      /* number in COL_AGE before */
    uint64_t next;     /* behind the block that COL_ALLOC had before */
    uint64_t freed;    /* address that COL_FREE had before */
    uint64_t released; /* of the newest FREE or FROM */
};

static inline bool tape_allocates(unsigned op) {
    return tape_op_has_stack(op);
}

static inline bool tape_releases(unsigned op) {
    enum tape_class class = tape_op_class(op);
    return class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM;
}

/* ---- encoding ----------------------------------------------------------------------------- */

/* Worst-case bytes of the scratch memory for a buffer of these counts. */
static inline size_t tape_archive_scratch(size_t records, size_t frames, size_t addresses) {
    return 64 + TAPE_COLUMNS_MAX * TAPE_VARINT_MAX + records * 115 + frames * 9 + addresses * 14;
}

struct tape_archive_out {
    uint8_t *start[TAPE_COLUMNS_MAX], *at[TAPE_COLUMNS_MAX];
    struct tape_archive *memory;
    const struct tape_record *record;
    struct tape_archive_state s;
};

static inline void tape_archive_varint(struct tape_archive_out *o, int column, uint64_t v) {
    o->at[column] = tape_put_varint(o->at[column], v);
}

/* Where the newest allocation of this address is noted, or a free slot. */
static inline uint32_t *tape_archive_slot(const struct tape_archive_out *o, uint64_t address) {
    const struct tape_archive *m = o->memory;
    uint32_t at = (uint32_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (m->slots - 1);
    while (m->slot[at] != 0 &&
           tape_record_address(&o->record[m->allocation[m->slot[at] - 1]]) != address)
        at = (at + 1) & (m->slots - 1);
    return &m->slot[at];
}

/* The address of an allocation; true when it is told by COL_BACK. */
static inline bool tape_archive_alloc(struct tape_archive_out *o, const struct tape_record *r) {
    uint64_t address = tape_record_address(r);
    struct tape_bin *bin = &o->memory->bin[tape_bin_of(r->size)];
    uint32_t place = 0;
    while (place < bin->count && tape_bin_peek(bin, place) != address)
        place++;
    bool found = place < bin->count;
    if (found)
        tape_bin_take(bin, place);
    else if (o->s.released == address) {
        found = true;
        place = TAPE_RELEASED;
    }
    if (found) {
        *o->at[TAPE_COL_BACK]++ = (uint8_t)place;
    } else {
        tape_archive_varint(o, TAPE_COL_ALLOC, tape_pack_delta(address, o->s.next));
        o->s.next = (address + tape_block_room(r->size)) & TAPE_ADDRESS_MASK;
    }
    uint32_t *slot = tape_archive_slot(o, address);
    o->memory->allocation[o->s.allocations++] = (uint32_t)(r - o->record);
    *slot = o->s.allocations;
    return found;
}

/* The address of a release; true when it is told by COL_AGE. */
static inline bool tape_archive_release(struct tape_archive_out *o, const struct tape_record *r) {
    uint64_t address = tape_record_address(r);
    uint32_t number = *tape_archive_slot(o, address);
    o->s.released = address;
    if (number == 0) {
        tape_archive_varint(o, TAPE_COL_FREE, tape_pack_delta(address, o->s.freed));
        o->s.freed = address;
        return false;
    }
    number--;
    tape_archive_varint(o, TAPE_COL_AGE, tape_zigzag((int64_t)number - (int64_t)o->s.age));
    o->s.age = number;
    uint64_t size = o->record[o->memory->allocation[number]].size;
    tape_bin_put(&o->memory->bin[tape_bin_of(size)], address);
    return true;
}

static inline void tape_archive_stack(struct tape_archive_out *o, const struct tape_record *r) {
    uint32_t pop = r->pop_align & TAPE_POP_MAX;
    tape_archive_varint(o, TAPE_COL_SIZE, r->size);
    if (tape_op_has_align(tape_record_op(r)))
        *o->at[TAPE_COL_ALIGN]++ = (uint8_t)(r->pop_align >> TAPE_POP_BITS);
    *o->at[TAPE_COL_STACK]++ = (uint8_t)((pop < TAPE_DEEP ? pop : TAPE_DEEP) << 4 |
                                         (r->push < TAPE_DEEP ? r->push : TAPE_DEEP));
    o->at[TAPE_COL_DEEP] = tape_put_deep(o->at[TAPE_COL_DEEP], pop);
    o->at[TAPE_COL_DEEP] = tape_put_deep(o->at[TAPE_COL_DEEP], r->push);
}

/* Time, and what is not a multiple of its unit; *tick, *stamp: of the event before. */
static inline void tape_archive_time(struct tape_archive_out *o, size_t i, unsigned shift,
                                     uint64_t *tick, uint64_t *stamp, size_t *exact) {
    const uint64_t now = o->record[i].stamp > *stamp ? o->record[i].stamp : *stamp;
    const uint64_t start = now >> shift << shift;
    tape_archive_varint(o, TAPE_COL_TIME, (now >> shift) - *tick);
    if (i > 0 && now != (start > *stamp ? start : *stamp)) {
        tape_archive_varint(o, TAPE_COL_EXACT, i - *exact);
        tape_archive_varint(o, TAPE_COL_EXACT, now - start);
        *exact = i;
    }
    *tick = now >> shift;
    *stamp = now;
}

/* The dictionary: all return addresses in their order. */
static inline void tape_archive_addresses(struct tape_archive_out *o, const uint64_t *address,
                                          uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        tape_archive_varint(o, TAPE_COL_ADDRESSES,
                            tape_zigzag((int64_t)(address[i] - (i > 0 ? address[i - 1] : 0))));
}

/*
 * Encodes `count` (at least 1) records of a buffer, as tape_encode_events does; every return
 * address becomes an entry of the dictionary. `scratch` holds tape_archive_scratch() bytes, the
 * payload lies in it.
 */
static inline struct tape_encoded tape_encode_archive(const struct tape_record *record,
                                                      uint32_t count, const uint32_t *frame,
                                                      uint32_t frames, const uint64_t *address,
                                                      uint32_t addresses, uint64_t generation,
                                                      unsigned shift, struct tape_archive *memory,
                                                      uint8_t *scratch) {
    const size_t each = (size_t)count * TAPE_VARINT_MAX, c = count;
    const size_t room[TAPE_COLUMNS_MAX] = {
        [TAPE_COL_ADDRESSES] = (size_t)addresses * TAPE_VARINT_MAX,
        [TAPE_COL_OP] = c,
        [TAPE_COL_TIME] = each,
        [TAPE_COL_ALLOC] = each,
        [TAPE_COL_FREE] = each,
        [TAPE_COL_SIZE] = each,
        [TAPE_COL_ALIGN] = c,
        [TAPE_COL_STACK] = c,
        [TAPE_COL_DEEP] = each,
        [TAPE_COL_FRAMES] = (size_t)frames * 5,
        [TAPE_COL_OTHER] = 2 * each + (size_t)frames * 4,
        [TAPE_COL_BACK] = c,
        [TAPE_COL_AGE] = each,
        [TAPE_COL_EXACT] = each + c * 5,
    };
    struct tape_archive_out o = {.memory = memory, .record = record};
    memset(memory->bin, 0, TAPE_BINS * sizeof *memory->bin);
    memset(memory->slot, 0, memory->slots * sizeof *memory->slot);
    uint8_t *payload = scratch, *place = scratch + 64 + TAPE_COLUMNS_MAX * TAPE_VARINT_MAX;
    for (int k = 0; k < TAPE_COLUMNS_MAX; k++) {
        o.start[k] = o.at[k] = place;
        place += room[k];
    }
    uint64_t stamp = record[0].stamp, tick = stamp >> shift, pushed = 0;
    size_t exact = 0;
    tape_archive_addresses(&o, address, addresses);
    for (uint32_t i = 0; i < count; i++) {
        const struct tape_record *r = &record[i];
        unsigned op = tape_record_op(r);
        bool told = false;
        tape_archive_time(&o, i, shift, &tick, &stamp, &exact);
        if (tape_allocates(op)) {
            told = tape_archive_alloc(&o, r);
            tape_archive_stack(&o, r);
            for (uint32_t k = 0; k < r->push; k++)
                tape_archive_varint(&o, TAPE_COL_FRAMES, frame[k]);
            pushed += r->push;
        } else if (tape_releases(op)) {
            told = tape_archive_release(&o, r);
        } else {
            tape_archive_varint(&o, TAPE_COL_OTHER, tape_record_address(r));
            tape_archive_varint(&o, TAPE_COL_OTHER, r->size);
            if (tape_op_class(op) == TAPE_CLASS_BLOB)
                o.at[TAPE_COL_OTHER] = tape_put_bytes(o.at[TAPE_COL_OTHER], frame, (size_t)r->size);
        }
        frame += r->push;
        *o.at[TAPE_COL_OP]++ = (uint8_t)(told ? op | TAPE_BACK : op);
    }
    uint8_t *p = tape_put_u8(payload, TAPE_EVENTS_PACKED);
    p = tape_put_u8(p, (uint8_t)shift);
    p = tape_put_varint(p, generation);
    p = tape_put_varint(p, addresses);
    p = tape_put_varint(p, pushed);
    for (int k = 0; k < TAPE_COLUMNS_MAX; k++)
        p = tape_put_varint(p, (uint64_t)(o.at[k] - o.start[k]));
    for (int k = 0; k < TAPE_COLUMNS_MAX; k++) {
        size_t n = (size_t)(o.at[k] - o.start[k]);
        memmove(p, o.start[k], n);
        p += n;
    }
    return (struct tape_encoded){payload, (size_t)(p - payload), record[0].stamp, stamp};
}

/* ---- decoding ----------------------------------------------------------------------------- */

/* The columns of a block's events, as far as they can be read; those that layout 2 has are read as
 * it reads them. */
struct tape_archive_block {
    uint64_t stamp[TAPE_DECODE_BLOCK], alloc[TAPE_DECODE_BLOCK], freed[TAPE_DECODE_BLOCK];
    uint64_t size[TAPE_DECODE_BLOCK], age[TAPE_DECODE_BLOCK];
    const uint8_t *stack, *back;
    size_t stamps, allocs, frees, sizes, stacks, backs, ages;
};

/* What decoding has got to, beside what layout 2 keeps. */
struct tape_archive_in {
    struct tape_decode_state base;
    struct tape_archive_state s;
    struct tape_archive *memory;
    uint64_t stamp;    /* of the event before */
    uint64_t exact;    /* the next event that COL_EXACT tells of; UINT64_MAX: none */
    uint64_t exact_by; /* ticks that it adds */
};

static inline void tape_archive_next_exact(struct tape_events_in *in, struct tape_archive_in *a) {
    struct tape_in *c = &in->column[TAPE_COL_EXACT];
    uint64_t before = a->exact;
    a->exact = UINT64_MAX;
    if (tape_in_left(c) == 0)
        return;
    uint64_t distance = tape_get_varint(c, in->events);
    a->exact_by = tape_get_varint(c, (UINT64_C(1) << in->shift) - 1);
    if (c->error == TAPE_OK)
        a->exact = before + distance;
}

/* How many of these events have a stack and how many release; the same of those whose address is
 * told: 16 bits each, from the lowest on. */
static inline uint64_t tape_archive_count(const uint8_t *op, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        enum tape_class class = tape_coded_class(op[i]);
        uint64_t alloc = class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC;
        uint64_t release = class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM;
        uint64_t one = alloc | release << 16;
        sum += (op[i] & TAPE_BACK) != 0 ? one | one << 32 : one;
    }
    return sum;
}

static inline void tape_archive_columns(struct tape_events_in *in, struct tape_archive_in *a,
                                        const uint8_t *op, size_t n, size_t at,
                                        struct tape_archive_block *b) {
    struct tape_in *c = in->column;
    const uint64_t ops = tape_archive_count(op, n);
    const size_t stacks = ops & 0xffff, frees = ops >> 16 & 0xffff;
    const size_t told_allocs = ops >> 32 & 0xffff, told_frees = ops >> 48;
    b->stamps = tape_get_varints(&c[TAPE_COL_TIME], b->stamp, n, UINT64_MAX);
    b->sizes = tape_get_varints(&c[TAPE_COL_SIZE], b->size, stacks, UINT64_MAX);
    b->allocs = tape_get_varints(&c[TAPE_COL_ALLOC], b->alloc, stacks - told_allocs, UINT64_MAX);
    b->frees = tape_get_varints(&c[TAPE_COL_FREE], b->freed, frees - told_frees, UINT64_MAX);
    b->ages = tape_get_varints(&c[TAPE_COL_AGE], b->age, told_frees, UINT64_MAX);
    b->stack = tape_get_bytes_upto(&c[TAPE_COL_STACK], stacks, &b->stacks);
    b->back = tape_get_bytes_upto(&c[TAPE_COL_BACK], told_allocs, &b->backs);
    for (size_t i = 0; i < b->stamps; i++) {
        a->base.tick += b->stamp[i];
        uint64_t stamp = a->base.tick << in->shift;
        if (at + i == a->exact) {
            stamp += a->exact_by;
            tape_archive_next_exact(in, a);
        }
        b->stamp[i] = a->stamp = stamp > a->stamp ? stamp : a->stamp;
    }
}

/* Block by block through the columns: what has been used of each. */
struct tape_archive_used {
    size_t alloc, freed, stack, back, age;
};

/* The address of an allocation of r->size bytes, which is event number `event`. */
static inline enum tape_error tape_archive_get_alloc(struct tape_archive_in *a,
                                                     const struct tape_archive_block *b,
                                                     struct tape_archive_used *u, bool told,
                                                     uint32_t event, uint64_t size,
                                                     uint64_t *address) {
    a->memory->allocation[a->s.allocations++] = event;
    if (!told) {
        if (u->alloc == b->allocs)
            return TAPE_E_COLUMN;
        *address = tape_unpack_delta(b->alloc[u->alloc++], a->s.next) & TAPE_ADDRESS_MASK;
        a->s.next = (*address + tape_block_room(size)) & TAPE_ADDRESS_MASK;
        return TAPE_OK;
    }
    if (u->back == b->backs)
        return TAPE_E_COLUMN;
    uint32_t place = b->back[u->back++];
    struct tape_bin *bin = &a->memory->bin[tape_bin_of(size)];
    *address = a->s.released;
    if (place == TAPE_RELEASED)
        return TAPE_OK;
    if (place >= bin->count)
        return TAPE_E_COLUMN;
    *address = tape_bin_take(bin, place);
    return TAPE_OK;
}

static inline enum tape_error tape_archive_get_release(struct tape_archive_in *a,
                                                       const struct tape_archive_block *b,
                                                       struct tape_archive_used *u, bool told,
                                                       const struct tape_record *record,
                                                       uint64_t *address) {
    if (!told) {
        if (u->freed == b->frees)
            return TAPE_E_COLUMN;
        *address = tape_unpack_delta(b->freed[u->freed++], a->s.freed) & TAPE_ADDRESS_MASK;
        a->s.freed = *address;
    } else {
        if (u->age == b->ages)
            return TAPE_E_COLUMN;
        uint64_t number = a->s.age + (uint64_t)tape_unzigzag(b->age[u->age++]);
        if (number >= a->s.allocations)
            return TAPE_E_COLUMN;
        a->s.age = (uint32_t)number;
        const struct tape_record *r = &record[a->memory->allocation[number]];
        *address = tape_record_address(r);
        tape_bin_put(&a->memory->bin[tape_bin_of(r->size)], *address);
    }
    a->s.released = *address;
    return TAPE_OK;
}

/* Event number at + i, whose columns follow in the block. */
static inline enum tape_error tape_archive_event(struct tape_events_in *in,
                                                 struct tape_archive_in *a,
                                                 const struct tape_archive_block *b,
                                                 struct tape_archive_used *u, uint8_t op,
                                                 struct tape_record *record, size_t event) {
    struct tape_record *r = &record[event];
    const unsigned kind = op & ~(unsigned)TAPE_BACK;
    const enum tape_class class = tape_op_class(kind);
    const bool told = kind != op;
    uint64_t address = 0;
    enum tape_error error;
    r->size = r->pop_align = r->push = 0;
    if (class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC) {
        if (u->stack == b->sizes || u->stack == b->stacks)
            return TAPE_E_COLUMN;
        r->size = b->size[u->stack];
        error = tape_archive_get_alloc(a, b, u, told, (uint32_t)event, r->size, &address);
        if (error == TAPE_OK)
            error = tape_decode_stack(in, &a->base, b->stack[u->stack++], r);
        if (tape_op_has_align(kind)) {
            struct tape_in *c = &in->column[TAPE_COL_ALIGN];
            r->pop_align |= (uint32_t)tape_get_u8(c) << TAPE_POP_BITS;
            error = error != TAPE_OK ? error : c->error;
        }
        r->addr_op = tape_addr_op(address, kind);
        if (error != TAPE_OK)
            return error;
        a->base.frames += r->push;
        a->base.owed += r->push;
        return TAPE_OK;
    }
    if (class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM) {
        error = tape_archive_get_release(a, b, u, told, record, &address);
        r->addr_op = tape_addr_op(address, kind);
        return error;
    }
    return told ? TAPE_E_COLUMN : tape_decode_rare(in, &a->base, kind, r);
}

/* As tape_decode_body. memory->allocation has room for in->events. */
static inline enum tape_error tape_decode_archive(struct tape_events_in *in,
                                                  struct tape_archive *memory,
                                                  struct tape_record *record, uint32_t *frame,
                                                  uint64_t *address, uint32_t *records) {
    struct tape_archive_in a = {
        .base = {.tick = in->first_stamp >> in->shift, .frame = frame},
        .memory = memory,
        .stamp = in->first_stamp,
    };
    *records = 0;
    memset(memory->bin, 0, TAPE_BINS * sizeof *memory->bin);
    enum tape_error error = tape_decode_dictionary(in, address);
    tape_archive_next_exact(in, &a);
    while (error == TAPE_OK && *records < in->events) {
        uint32_t left = in->events - *records;
        size_t n = left < TAPE_DECODE_BLOCK ? left : TAPE_DECODE_BLOCK, i = 0;
        const uint8_t *op = tape_get_bytes(&in->column[TAPE_COL_OP], n);
        struct tape_archive_block b;
        struct tape_archive_used used = {0};
        tape_archive_columns(in, &a, op, n, *records, &b);
        for (; i < n && error == TAPE_OK; i++) {
            record[*records + i].stamp = b.stamp[i];
            error = i < b.stamps
                        ? tape_archive_event(in, &a, &b, &used, op[i], record, *records + i)
                        : TAPE_E_COLUMN;
        }
        i -= error != TAPE_OK;
        if (!a.base.broken) {
            enum tape_error frames = tape_decode_frames(in, &a.base);
            error = error != TAPE_OK ? error : frames;
        }
        *records += a.base.broken ? 0 : (uint32_t)i;
    }
    return error != TAPE_OK ? error : tape_decode_end(in);
}

#endif
