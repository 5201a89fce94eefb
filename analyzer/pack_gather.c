/* SPDX-License-Identifier: MIT */
#include "pack_gather.h"

#include <stdlib.h>

#include "diag.h"

#define FRAMES_AN_EVENT 16 /* pushed, on average over a chunk: deep recursion has many */

/* Room for n elements of `size` bytes at p, which has *room bytes; the content is kept. */
static void *grow(void *p, size_t *room, size_t n, size_t size) {
    if (n * size <= *room)
        return p;
    *room = (n + n / 2 + 64) * size;
    return xrealloc(p, *room);
}

void pack_gather_stream(struct pack_gather *g, uint32_t stream) {
    g->stream = stream;
    g->first = g->end = g->lost = g->stamp = 0;
    pack_gather_flushed(g);
}

void pack_gather_flushed(struct pack_gather *g) {
    g->buffer.records = g->buffer.frames = g->buffer.addresses = 0;
    g->said_depth = 0;
    g->first = g->end;
    if (g->slots != 0)
        memset(g->slot, 0, g->slots * sizeof *g->slot);
}

void pack_gather_free(struct pack_gather *g) {
    free(g->buffer.record);
    free(g->buffer.frame);
    free(g->buffer.address);
    free(g->slot);
    free(g->stack);
    free(g->said);
    *g = (struct pack_gather){0};
}

bool pack_gather_fits(const struct pack_gather *g, const struct tape_piece *p,
                      const struct tape_buffer *b, uint32_t limit) {
    const struct tape_buffer *have = &g->buffer;
    return g->first == g->end ||
           (p->first + p->skip == g->end && b->generation == have->generation &&
            b->shift == have->shift && have->records + b->records <= limit &&
            (uint64_t)have->frames + b->frames <= (uint64_t)FRAMES_AN_EVENT * limit);
}

/* ---- the dictionary ----------------------------------------------------------------------- */

static struct pack_slot *slot_of(struct pack_gather *g, uint64_t address) {
    uint32_t at = (uint32_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (g->slots - 1);
    while (g->slot[at].index != 0 && g->slot[at].address != address)
        at = (at + 1) & (g->slots - 1);
    return &g->slot[at];
}

static void grow_slots(struct pack_gather *g) {
    free(g->slot);
    g->slots = g->slots != 0 ? 2 * g->slots : 1024;
    g->slot = xcalloc(g->slots, sizeof *g->slot);
    for (uint32_t i = 0; i < g->buffer.addresses; i++)
        *slot_of(g, g->buffer.address[i]) = (struct pack_slot){g->buffer.address[i], i + 1};
}

static uint32_t index_of(struct pack_gather *g, uint64_t address) {
    struct tape_buffer *b = &g->buffer;
    if (b->addresses * 2 >= g->slots)
        grow_slots(g);
    struct pack_slot *slot = slot_of(g, address);
    if (slot->index == 0) {
        b->address = grow(b->address, &b->address_room, b->addresses + 1, sizeof *b->address);
        b->address[b->addresses++] = address;
        *slot = (struct pack_slot){address, b->addresses};
    }
    return slot->index - 1;
}

/* ---- events ------------------------------------------------------------------------------- */

/* The stack of the piece behind an event's change; false when it pops more than there is. */
static bool change_stack(struct pack_gather *g, const struct tape_buffer *b,
                         const struct tape_record *r, const uint32_t *frame) {
    uint32_t pop = r->pop_align & TAPE_POP_MAX;
    if (pop > g->depth)
        return false;
    g->depth -= pop;
    g->stack = grow(g->stack, &g->stack_room, (size_t)g->depth + r->push, sizeof *g->stack);
    for (uint32_t i = 0; i < r->push; i++)
        g->stack[g->depth++] = b->address[frame[i]];
    return true;
}

static uint32_t *push_words(struct tape_buffer *b, uint32_t count) {
    b->frame = grow(b->frame, &b->frame_room, (size_t)b->frames + count, sizeof *b->frame);
    b->frames += count;
    return b->frame + b->frames - count;
}

/* Says how the stack differs from that of the event before. */
static void say_stack(struct pack_gather *g, struct tape_record *r) {
    uint32_t least = g->depth < g->said_depth ? g->depth : g->said_depth, common = 0;
    while (common < least && g->stack[common] == g->said[common])
        common++;
    uint32_t push = g->depth - common;
    r->pop_align = (r->pop_align & ~TAPE_POP_MAX) | (g->said_depth - common);
    r->push = push;
    g->said = grow(g->said, &g->said_room, g->depth, sizeof *g->said);
    if (push > 0) {
        memcpy(g->said + common, g->stack + common, push * sizeof *g->said);
        uint32_t *frame = push_words(&g->buffer, push);
        for (uint32_t i = common; i < g->depth; i++)
            *frame++ = index_of(g, g->stack[i]);
    }
    g->said_depth = g->depth;
}

static void add_event(struct pack_gather *g, const struct tape_record *r, const uint32_t *frame) {
    struct tape_buffer *to = &g->buffer;
    to->record = grow(to->record, &to->record_room, (size_t)to->records + 1, sizeof *to->record);
    struct tape_record *out = &to->record[to->records++];
    *out = *r;
    if (out->stamp < g->stamp)
        out->stamp = g->stamp;
    g->stamp = out->stamp;
    if (tape_op_has_stack(tape_record_op(r)))
        say_stack(g, out);
    else if (r->push > 0)
        memcpy(push_words(to, r->push), frame, r->push * sizeof *frame);
    if (tape_record_op(r) == TAPE_OP_THREAD)
        g->said_depth = 0;
}

uint32_t pack_gather_add(struct pack_gather *g, const struct tape_piece *p,
                         const struct tape_buffer *b, enum tape_error *error) {
    if (g->first == g->end) {
        g->first = g->end = p->first + p->skip;
        g->buffer.generation = b->generation;
        g->buffer.shift = b->shift;
    }
    g->depth = 0;
    const uint32_t *frame = b->frame;
    uint32_t i = 0;
    *error = b->error;
    for (; i < b->records; i++) {
        const struct tape_record *r = &b->record[i];
        unsigned op = tape_record_op(r);
        if (tape_op_has_stack(op) && !change_stack(g, b, r, frame)) {
            *error = TAPE_E_STACK;
            break;
        }
        if (op == TAPE_OP_THREAD)
            g->depth = 0;
        if (i >= p->skip) {
            add_event(g, r, frame);
            g->end++;
        }
        frame += r->push;
    }
    g->lost = p->lost > g->lost ? p->lost : g->lost;
    return i;
}
