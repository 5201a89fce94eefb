/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stdlib.h>

#include "diag.h"
#include "tape/blobs.h"

#define BATCH 128

/* One stream: the piece being read and its next events, decoded. */
struct cursor {
    uint64_t key; /* of the next event, or of the next piece's first */
    uint32_t index;
    const struct tape_stream *stream;
    size_t pieces_done;
    struct tape_reader reader;
    uint64_t skip; /* events of the piece that an earlier one had */
    uint64_t stamp;
    uint32_t *frame; /* dictionary index → frame number + 1; 0: not asked for yet */
    uint32_t frame_room;
    uint32_t *stack; /* [d]: number of the stack's outermost d frames */
    uint32_t depth, stack_room;
    uint32_t at, count; /* in the batch */
    struct merge_event batch[BATCH];
};

struct merge {
    struct tape_file *tape;
    struct stacks *stacks;
    unsigned grain;
    struct cursor **heap; /* smallest key, then index, first */
    uint32_t heap_count;
    struct cursor **cursor; /* owned */
    uint32_t cursor_count;
};

uint64_t merge_key(const struct merge *m, uint64_t stamp) {
    return stamp >> m->grain;
}

uint32_t merge_stream_count(const struct merge *m) {
    return m->cursor_count;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static void grow_stack(struct cursor *c, uint64_t depth) {
    while (c->stack_room <= depth)
        c->stack_room = c->stack_room != 0 ? c->stack_room * 2 : 64;
    c->stack = xrealloc(c->stack, c->stack_room * sizeof *c->stack);
    c->stack[0] = 0;
}

static uint32_t frame_of(struct merge *m, struct cursor *c, uint32_t index) {
    if (c->frame[index] == 0)
        c->frame[index] =
            stacks_intern_frame(m->stacks, c->reader.address[index], c->reader.generation) + 1;
    return c->frame[index] - 1;
}

/* The stack behind an event's change. */
static inline enum tape_error change_stack(struct merge *m, struct cursor *c,
                                           const struct tape_event *e) {
    if (e->pop > c->depth)
        return TAPE_E_STACK;
    uint32_t depth = c->depth - e->pop;
    if ((uint64_t)depth + e->push >= c->stack_room)
        grow_stack(c, (uint64_t)depth + e->push);
    for (uint32_t i = 0; i < e->push; i++) {
        uint32_t index = tape_reader_frame(&c->reader);
        if (c->reader.in.error != TAPE_OK)
            return c->reader.in.error;
        c->stack[depth + 1] = stacks_push(m->stacks, c->stack[depth], frame_of(m, c, index));
        depth++;
    }
    c->depth = depth;
    return TAPE_OK;
}

static enum tape_error read_module(struct merge *m, const struct tape_event *e) {
    struct tape_in in = tape_in_of(e->blob, e->size);
    if (e->op == TAPE_OP_MODULE_UNLOAD) {
        uint64_t generation = tape_get_varint(&in, UINT64_MAX);
        if (in.error == TAPE_OK)
            stacks_unload_module(m->stacks, e->address, generation);
        return in.error;
    }
    struct tape_module found;
    if (tape_get_module(&in, &found) != TAPE_OK)
        return in.error;
    if (found.end < e->address)
        return TAPE_E_LIMIT;
    struct module module = {.start = e->address,
                            .end = found.end,
                            .bias = found.bias,
                            .generation = found.generation,
                            .gone = UINT64_MAX,
                            .path = xmalloc(found.path_len + 1),
                            .build_id_len = found.build_id_len};
    memcpy(module.path, found.path, found.path_len);
    module.path[found.path_len] = 0;
    memcpy(module.build_id, found.build_id, found.build_id_len);
    stacks_add_module(m->stacks, &module);
    free(module.path);
    return TAPE_OK;
}

/* ---- one stream --------------------------------------------------------------------------- */

static bool open_piece(struct merge *m, struct cursor *c) {
    struct tape_piece *p = &m->tape->piece[c->stream->first + c->pieces_done];
    if (!tape_reader_open(&c->reader, m->tape, p))
        return false;
    if (c->reader.address_count > c->frame_room) {
        c->frame_room = c->reader.address_count + c->reader.address_count / 2;
        free(c->frame);
        c->frame = xmalloc(c->frame_room * sizeof *c->frame);
    }
    if (c->reader.address_count > 0)
        memset(c->frame, 0, c->reader.address_count * sizeof *c->frame);
    c->skip = p->skip;
    c->depth = 0;
    return true;
}

/* What an event means for the stream itself; the rest is the replay's business. */
static inline enum tape_error take_event(struct merge *m, struct cursor *c, struct merge_event *e) {
    e->stack = 0;
    if (tape_op_has_stack(e->event.op)) {
        enum tape_error error = change_stack(m, c, &e->event);
        e->stack = error == TAPE_OK ? c->stack[c->depth] : 0;
        return error;
    }
    if (e->event.op == TAPE_OP_THREAD)
        c->depth = 0;
    else if (e->event.op == TAPE_OP_MODULE_LOAD || e->event.op == TAPE_OP_MODULE_UNLOAD)
        return read_module(m, &e->event);
    return TAPE_OK;
}

/* Decodes the next events of the open piece; closes it at its end or where it breaks off. */
static void fill(struct merge *m, struct cursor *c) {
    c->at = c->count = 0;
    while (c->count < BATCH) {
        struct merge_event *e = &c->batch[c->count];
        enum tape_error error = TAPE_OK;
        bool more = tape_reader_next(&c->reader, &e->event);
        if (more)
            error = take_event(m, c, e);
        else
            error = tape_reader_error(&c->reader);
        if (!more || error != TAPE_OK) {
            /* The blobs of this batch lie in the reader's memory, which stays. */
            tape_reader_close(&c->reader, m->tape, error);
            c->pieces_done++;
            return;
        }
        c->reader.delivered++;
        if (e->event.stamp < c->stamp)
            e->event.stamp = c->stamp;
        c->stamp = e->event.stamp;
        if (c->skip > 0)
            c->skip--;
        else
            c->count++;
    }
}

/* Finds the stream's next event or piece; false when there is none. */
static bool advance(struct merge *m, struct cursor *c) {
    while (c->at == c->count) {
        if (c->reader.piece != NULL) {
            fill(m, c);
            continue;
        }
        if (c->pieces_done == c->stream->count)
            return false;
        const struct tape_piece *p = &m->tape->piece[c->stream->first + c->pieces_done];
        uint64_t key = merge_key(m, p->first_stamp > c->stamp ? p->first_stamp : c->stamp);
        if (key > c->key) { /* not yet: others may come first */
            c->key = key;
            return true;
        }
        if (!open_piece(m, c))
            c->pieces_done++;
    }
    c->key = merge_key(m, c->batch[c->at].event.stamp);
    return true;
}

/* ---- all streams -------------------------------------------------------------------------- */

static inline bool before(const struct cursor *a, const struct cursor *b) {
    return a->key != b->key ? a->key < b->key : a->index < b->index;
}

static void sift_down(struct merge *m, uint32_t i) {
    struct cursor *c = m->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && before(m->heap[child + 1], m->heap[child]))
            child++;
        if (!before(m->heap[child], c))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = c;
}

struct merge *merge_new(struct tape_file *tape, struct stacks *stacks) {
    struct merge *m = xcalloc(1, sizeof *m);
    m->tape = tape;
    m->stacks = stacks;
    m->grain = tape_file_clock(tape)->grain;
    m->cursor_count = (uint32_t)tape->stream_count;
    m->cursor = xcalloc(m->cursor_count, sizeof *m->cursor);
    m->heap = xcalloc(m->cursor_count, sizeof *m->heap);
    for (uint32_t i = 0; i < m->cursor_count; i++) {
        if (tape->stream[i].count == 0)
            continue;
        struct cursor *c = m->cursor[i] = m->heap[m->heap_count++] = xcalloc(1, sizeof *c);
        c->index = i;
        c->stream = &tape->stream[i];
        c->key = merge_key(m, tape->piece[c->stream->first].first_stamp);
        grow_stack(c, 0);
    }
    for (uint32_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
    return m;
}

static void free_cursor(struct cursor *c) {
    if (c == NULL)
        return;
    tape_reader_free(&c->reader);
    free(c->frame);
    free(c->stack);
    free(c);
}

void merge_free(struct merge *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->cursor_count; i++)
        free_cursor(m->cursor[i]);
    free(m->cursor);
    free(m->heap);
    free(m);
}

/* The stream that comes next after the first one; NULL when that is the only one. */
static const struct cursor *runner_up(const struct merge *m) {
    if (m->heap_count < 2)
        return NULL;
    if (m->heap_count > 2 && before(m->heap[2], m->heap[1]))
        return m->heap[2];
    return m->heap[1];
}

/* How many events of the first stream come before all of the second's. */
static uint32_t run_length(const struct merge *m, const struct cursor *c,
                           const struct cursor *next) {
    uint32_t i = c->at;
    if (next == NULL)
        return c->count - i;
    if (i < c->count) /* the first one is what made the stream the first */
        i++;
    uint64_t key;
    while (i < c->count && ((key = merge_key(m, c->batch[i].event.stamp)) < next->key ||
                            (key == next->key && c->index < next->index)))
        i++;
    return i - c->at;
}

bool merge_next(struct merge *m, struct merge_run *run) {
    while (m->heap_count > 0) {
        struct cursor *c = m->heap[0];
        if (!advance(m, c)) {
            m->cursor[c->index] = NULL; /* 100,000 short threads must not add up */
            free_cursor(c);
            m->heap[0] = m->heap[--m->heap_count];
            if (m->heap_count > 0)
                sift_down(m, 0);
            continue;
        }
        sift_down(m, 0);
        c = m->heap[0];
        uint32_t n = run_length(m, c, runner_up(m));
        if (n == 0) /* its next piece is yet to be opened */
            continue;
        *run = (struct merge_run){&c->batch[c->at], n, c->index, c->stream->id};
        c->at += n;
        return true;
    }
    return false;
}
