/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stdlib.h>

#include "diag.h"
#include "python.h"
#include "tape/blobs.h"
#include "tape_ahead.h"
#include "tape_walk.h"

#define BATCH 128 /* events whose stacks are found in one go */

/* Frames that were pushed upon a stack before in this piece: mostly the same ones are pushed again,
 * and need not be looked up one by one. */
struct path {
    uint32_t from, count; /* stack; frames, 0: none */
    uint32_t at; /* where the frames lie in the buffer, and what they led to in `reached` */
};
#define PATHS      512 /* a power of two */
#define SHORT_PATH 3   /* fewer frames are as quickly looked up */

/* One stream: the piece being read and its next events. */
struct cursor {
    uint64_t key; /* of the next event, or of the next piece's first */
    uint32_t index;
    const struct tape_stream *stream;
    struct tape_walk walk;
    struct tape_piece piece;    /* being read, or the next one */
    bool over;                  /* there is none */
    uint64_t pieces, events;    /* up to that piece, it included */
    struct tape_buffer *buffer; /* the piece being read; NULL: none is open */
    bool open;                  /* its events go on behind the batch */
    uint32_t record, frame_at;  /* in the buffer: the next event for the batch, and its frames */
    uint64_t stamp;
    uint32_t *frame; /* dictionary index → frame number + 1; 0: not asked for yet */
    uint32_t frame_room;
    uint32_t *stack; /* [d]: number of the stack's outermost d frames */
    uint32_t depth, stack_room;
    uint32_t *reached; /* by place in the buffer's frames: the stack behind it */
    uint32_t reached_room;
    struct path path[PATHS];
    uint32_t at, end;      /* in the buffer: the batch's events that are yet to be delivered */
    uint32_t first;        /* the batch's first */
    uint32_t batch[BATCH]; /* what merge_run.stack says of each */
};

struct merge {
    struct tape_file *tape;
    struct tape_ahead *ahead;
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

static uint32_t new_frame(struct merge *m, struct cursor *c, uint32_t index) {
    return c->frame[index] =
               stacks_intern_frame(m->stacks, c->buffer->address[index], c->buffer->generation) + 1;
}

/* Pushes the frames at `from` of the buffer upon a stack, which is to[-1]. */
static void push_frames(struct merge *m, struct cursor *c, uint32_t from, uint32_t count,
                        uint32_t *to) {
    const uint32_t *index = c->buffer->frame + from;
    uint32_t stack = to[-1];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t frame = c->frame[index[i]];
        if (frame == 0)
            frame = new_frame(m, c, index[i]);
        to[i] = stack = stacks_push(m->stacks, stack, frame - 1);
    }
}

/* The same for more than a few, by the path that they took before. */
static void push_path(struct merge *m, struct cursor *c, uint32_t from, uint32_t count,
                      uint32_t *to) {
    const uint32_t *index = c->buffer->frame + from;
    size_t bytes = count * sizeof *to;
    uint32_t hash = to[-1] * UINT32_C(0x9e3779b1) ^ index[0] * UINT32_C(0x85ebca6b) ^
                    index[count - 1] * UINT32_C(0xc2b2ae35) ^ count;
    struct path *p = &c->path[hash >> 16 & (PATHS - 1)];
    if (p->count == count && p->from == to[-1] &&
        memcmp(c->buffer->frame + p->at, index, bytes) == 0) {
        memcpy(to, c->reached + p->at, bytes);
        return;
    }
    push_frames(m, c, from, count, to);
    *p = (struct path){to[-1], count, from};
    memcpy(c->reached + from, to, bytes);
}

/* The stack behind an event's change. */
static inline enum tape_error change_stack(struct merge *m, struct cursor *c,
                                           const struct tape_record *r) {
    uint32_t pop = r->pop_align & TAPE_POP_MAX;
    if (pop > c->depth)
        return TAPE_E_STACK;
    uint32_t depth = c->depth - pop;
    if ((uint64_t)depth + r->push >= c->stack_room)
        grow_stack(c, (uint64_t)depth + r->push);
    (r->push < SHORT_PATH ? push_frames : push_path)(m, c, c->frame_at, r->push,
                                                     c->stack + depth + 1);
    c->depth = depth + r->push;
    return TAPE_OK;
}

enum tape_error merge_read_module(struct stacks *stacks, const struct tape_record *r,
                                  const uint32_t *bytes) {
    uint64_t start = tape_record_address(r);
    struct tape_in in = tape_in_of(bytes, (size_t)r->size);
    if (tape_record_op(r) == TAPE_OP_MODULE_UNLOAD) {
        uint64_t generation = tape_get_varint(&in, UINT64_MAX);
        if (in.error == TAPE_OK)
            stacks_unload_module(stacks, start, generation);
        return in.error;
    }
    struct tape_module found;
    if (tape_get_module(&in, &found) != TAPE_OK)
        return in.error;
    if (found.end < start)
        return TAPE_E_LIMIT;
    struct module module = {.start = start,
                            .end = found.end,
                            .bias = found.bias,
                            .generation = found.generation,
                            .gone = UINT64_MAX,
                            .path = xmalloc(found.path_len + 1),
                            .build_id_len = found.build_id_len};
    memcpy(module.path, found.path, found.path_len);
    module.path[found.path_len] = 0;
    memcpy(module.build_id, found.build_id, found.build_id_len);
    stacks_add_module(stacks, &module);
    free(module.path);
    return TAPE_OK;
}

/* ---- one stream --------------------------------------------------------------------------- */

static void next_piece(struct merge *m, struct cursor *c) {
    c->over = !tape_walk_next(&c->walk, &c->piece);
    if (c->over) {
        tape_note_change(m->tape, &m->tape->stream[c->index], c->pieces, c->events);
        return;
    }
    c->pieces++;
    c->events += c->piece.end - c->piece.first - c->piece.skip;
}

static void open_piece(struct merge *m, struct cursor *c) {
    struct tape_buffer *b = c->buffer =
        c->piece.buffer != NULL ? c->piece.buffer : tape_ahead_take(m->ahead, c->index, &c->piece);
    if (b->addresses > c->frame_room) {
        c->frame_room = b->addresses + b->addresses / 2;
        free(c->frame);
        c->frame = xmalloc(c->frame_room * sizeof *c->frame);
    }
    if (b->addresses > 0)
        memset(c->frame, 0, b->addresses * sizeof *c->frame);
    if (b->frames > c->reached_room) {
        c->reached_room = b->frames + b->frames / 2;
        free(c->reached);
        c->reached = xmalloc(c->reached_room * sizeof *c->reached);
    }
    memset(c->path, 0, sizeof c->path);
    c->open = true;
    c->record = c->frame_at = c->at = c->end = 0;
    c->depth = 0;
}

/* The batch is done, and with it the piece: its memory goes to another. */
static void leave_piece(struct merge *m, struct cursor *c) {
    if (c->piece.buffer == NULL)
        tape_ahead_give_back(m->ahead, c->buffer);
    c->buffer = NULL;
    next_piece(m, c);
}

static enum tape_error read_python(struct merge *m, const struct tape_record *r,
                                   const uint32_t *bytes) {
    struct tape_in in = tape_in_of(bytes, (size_t)r->size);
    return python_take(stacks_python(m->stacks), tape_record_address(r), &in);
}

/* What an event means for the stream itself; the rest is the replay's business. */
static inline enum tape_error take_event(struct merge *m, struct cursor *c,
                                         const struct tape_record *r, uint32_t *said) {
    unsigned op = tape_record_op(r);
    enum tape_error error = TAPE_OK;
    if (tape_op_has_stack(op)) {
        error = change_stack(m, c, r);
        *said = c->stack[c->depth];
    } else {
        *said = c->frame_at;
        if (op == TAPE_OP_THREAD)
            c->depth = 0;
        else if (op == TAPE_OP_MODULE_LOAD || op == TAPE_OP_MODULE_UNLOAD)
            error = merge_read_module(m->stacks, r, c->buffer->frame + c->frame_at);
        else if (op == TAPE_OP_PYTHON)
            error = read_python(m, r, c->buffer->frame + c->frame_at);
    }
    c->frame_at += r->push;
    return error;
}

/* The next events of the open piece; its end, or where it breaks off. */
static void fill(struct merge *m, struct cursor *c) {
    struct tape_buffer *b = c->buffer;
    enum tape_error error = TAPE_OK;
    c->at = c->end = c->first = c->record;
    while (c->end - c->first < BATCH && c->record < b->records) {
        struct tape_record *r = &b->record[c->record];
        error = take_event(m, c, r, &c->batch[c->end - c->first]);
        if (error != TAPE_OK)
            break;
        if (r->stamp < c->stamp)
            r->stamp = c->stamp;
        c->stamp = r->stamp;
        c->end = ++c->record;
        if (c->record <= c->piece.skip)
            c->at = c->first = c->end;
    }
    if (error == TAPE_OK && c->record == b->records)
        error = b->error;
    if (error != TAPE_OK)
        tape_note_damage(m->tape, &c->piece, c->record, error);
    if (error != TAPE_OK || c->record == b->records)
        c->open = false;
}

/* Finds the stream's next event or piece; false when there is none. */
static bool advance(struct merge *m, struct cursor *c) {
    while (c->at == c->end) {
        if (c->open) {
            fill(m, c);
            continue;
        }
        if (c->buffer != NULL)
            leave_piece(m, c);
        if (c->over)
            return false;
        const struct tape_piece *p = &c->piece;
        uint64_t key = merge_key(m, p->first_stamp > c->stamp ? p->first_stamp : c->stamp);
        if (key > c->key) { /* not yet: others may come first */
            c->key = key;
            return true;
        }
        open_piece(m, c);
    }
    c->key = merge_key(m, c->buffer->record[c->at].stamp);
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
    m->ahead = tape_ahead_new(tape);
    m->cursor_count = (uint32_t)tape->stream_count;
    m->cursor = xcalloc(m->cursor_count, sizeof *m->cursor);
    m->heap = xcalloc(m->cursor_count, sizeof *m->heap);
    for (uint32_t i = 0; i < m->cursor_count; i++) {
        if (tape->stream[i].pieces == 0)
            continue;
        struct cursor *c = m->cursor[i] = m->heap[m->heap_count++] = xcalloc(1, sizeof *c);
        c->index = i;
        c->stream = &tape->stream[i];
        tape_walk_begin(&c->walk, tape, c->stream);
        next_piece(m, c);
        c->key = c->over ? 0 : merge_key(m, c->piece.first_stamp);
        grow_stack(c, 0);
    }
    for (uint32_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
    return m;
}

static void free_cursor(struct merge *m, struct cursor *c) {
    if (c == NULL)
        return;
    if (c->buffer != NULL)
        leave_piece(m, c);
    tape_walk_end(&c->walk);
    free(c->frame);
    free(c->reached);
    free(c->stack);
    free(c);
}

void merge_free(struct merge *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->cursor_count; i++)
        free_cursor(m, m->cursor[i]);
    tape_ahead_free(m->ahead);
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
        return c->end - i;
    if (i < c->end) /* the first one is what made the stream the first */
        i++;
    uint64_t key;
    while (i < c->end && ((key = merge_key(m, c->buffer->record[i].stamp)) < next->key ||
                          (key == next->key && c->index < next->index)))
        i++;
    return i - c->at;
}

bool merge_next(struct merge *m, struct merge_run *run) {
    while (m->heap_count > 0) {
        struct cursor *c = m->heap[0];
        if (!advance(m, c)) {
            m->cursor[c->index] = NULL; /* 100,000 short threads must not add up */
            free_cursor(m, c);
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
        *run = (struct merge_run){.record = &c->buffer->record[c->at],
                                  .stack = &c->batch[c->at - c->first],
                                  .frame = c->buffer->frame,
                                  .count = n,
                                  .ahead = c->at == c->first ? c->end - c->at : 0,
                                  .index = c->index,
                                  .stream = c->stream->id,
                                  .first = c->piece.first + c->at};
        c->at += n;
        return true;
    }
    return false;
}
