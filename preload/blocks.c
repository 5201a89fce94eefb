/* SPDX-License-Identifier: MIT */
#include "blocks.h"

#include "sys.h"
#include "tape/format.h"

#define FIRST_CAPACITY 4096
#define TRACE_BYTES    UINT64_C(65536)
#define SIZE_MOST      ((UINT64_C(1) << 48) - 1)

/* ---- slots -------------------------------------------------------------------------------- */

static uint64_t key_of(uint64_t address, enum block_kind kind) {
    return address << 2 | kind;
}

static struct block *slot_of(struct block *slot, size_t capacity, uint64_t key) {
    size_t mask = capacity - 1;
    size_t i = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & mask;
    while (slot[i].key != key && slot[i].key != 0)
        i = (i + 1) & mask;
    return &slot[i];
}

bool blocks_make(struct blocks *t) {
    *t = (struct blocks){.slot = sys_map(FIRST_CAPACITY * sizeof *t->slot),
                         .capacity = FIRST_CAPACITY};
    return t->slot != NULL;
}

void blocks_free(struct blocks *t) {
    if (t->slot != NULL)
        sys_unmap(t->slot, t->capacity * sizeof *t->slot);
    t->slot = NULL;
}

struct block *blocks_find(const struct blocks *t, uint64_t address, enum block_kind kind) {
    struct block *b = slot_of(t->slot, t->capacity, key_of(address, kind));
    return b->key != 0 ? b : NULL;
}

/* What no event can change any more, and nobody asks for: a freed block whose newest event is
 * settled. While there are pool blocks the freed ones around them are needed: lost.c. */
static bool is_past(const struct blocks *t, const struct block *b) {
    return b->state == BLOCK_FREED && b->stamp <= t->settled && t->pools == 0 &&
           block_kind(b) != BLOCK_TRACE;
}

/* Into a table with twice the room, or of the same size when most of it is past. */
static bool rebuild(struct blocks *t) {
    size_t past = 0, capacity = t->capacity, used = 0;
    for (size_t i = 0; i < t->capacity; i++)
        past += t->slot[i].key != 0 && is_past(t, &t->slot[i]);
    bool sweep = past > t->used / 2;
    if (!sweep)
        capacity *= 2;
    struct block *slot = sys_map(capacity * sizeof *slot);
    if (slot == NULL)
        return false;
    for (size_t i = 0; i < t->capacity; i++) {
        struct block b = t->slot[i];
        if (b.key == 0)
            continue;
        if (sweep && is_past(t, &b))
            b = (struct block){.key = key_of(block_address(&b) & -TRACE_BYTES, BLOCK_TRACE),
                               .ignored = block_address(&b)};
        struct block *to = slot_of(slot, capacity, b.key);
        used += to->key == 0;
        *to = b;
    }
    blocks_free(t);
    t->slot = slot;
    t->capacity = capacity;
    t->used = used;
    return true;
}

/* The slot of an address, filled in for one that was not known; NULL when there is no room. */
static struct block *touch(struct blocks *t, uint64_t address, enum block_kind kind) {
    uint64_t key = key_of(address, kind);
    struct block *b = slot_of(t->slot, t->capacity, key);
    if (b->key != 0)
        return b;
    if (t->used >= t->capacity / 4 * 3) {
        if (!rebuild(t)) {
            t->incomplete = true;
            return NULL;
        }
        b = slot_of(t->slot, t->capacity, key);
    }
    t->used++;
    *b = (struct block){.key = key};
    return b;
}

/* ---- counting ----------------------------------------------------------------------------- */

static void count(struct blocks *t, const struct block *b, int by) {
    if (block_kind(b) == BLOCK_OF_POOL)
        t->pools += (size_t)by;
    for (unsigned i = t->tests; i-- > 0;)
        if (t->test[i].begun < b->stamp) {
            t->test[i].live += (size_t)by;
            return;
        }
}

static void set_state(struct blocks *t, struct block *b, enum block_state state) {
    if (b->state == BLOCK_LIVE && state != BLOCK_LIVE)
        count(t, b, -1);
    if (b->state != BLOCK_LIVE && state == BLOCK_LIVE)
        count(t, b, 1);
    b->state = state;
}

void blocks_end(struct blocks *t, struct block *b) {
    set_state(t, b, BLOCK_FREED);
}

void blocks_begin_test(struct blocks *t, uint64_t stamp) {
    t->test[t->tests].begun = stamp;
    t->test[t->tests++].live = 0;
}

size_t blocks_end_test(struct blocks *t, uint64_t *begun) {
    size_t live = t->test[--t->tests].live;
    *begun = t->test[t->tests].begun;
    if (t->tests > 0)
        t->test[t->tests - 1].live += live;
    return live;
}

/* ---- events ------------------------------------------------------------------------------- */

static bool is_news(const struct block *b, uint64_t stamp, uint32_t stream, bool allocation) {
    return stamp > b->stamp ||
           (stamp == b->stamp && (allocation || b->stream == (stream & 0x3fff)));
}

static struct block_source *who_resizes(const struct blocks *t, const struct block *b) {
    struct block_source *from = b->state == BLOCK_RESIZED ? t->resizing : NULL;
    while (from != NULL && (from->old.key != b->key || from->since != b->stamp))
        from = from->next;
    return from;
}

/* Where news of a block go: to its slot; while it is being resized, and they are older than that,
 * to what will be true of it if the call fails. NULL: they are no news. */
static struct block *receiver(struct blocks *t, const struct tape_record *r, uint32_t stream,
                              enum block_kind kind, bool allocation) {
    struct block *b = touch(t, tape_record_address(r), kind);
    if (b == NULL || is_news(b, r->stamp, stream, allocation))
        return b;
    struct block_source *from = who_resizes(t, b);
    return from != NULL && is_news(&from->old, r->stamp, stream, allocation) ? &from->old : NULL;
}

/* The state of a block that is in the table, or of one that may be again. */
static void change(struct blocks *t, struct block *b, enum block_state state) {
    if (b >= t->slot && b < t->slot + t->capacity)
        set_state(t, b, state);
    else
        b->state = state;
}

static void begin_block(struct blocks *t, const struct tape_record *r, uint32_t stream,
                        enum block_kind kind) {
    struct block *b = receiver(t, r, stream, kind, true);
    if (b == NULL)
        return;
    change(t, b, BLOCK_FREED);
    if (b->ignored < r->stamp)
        b->ignored = 0;
    b->stamp = r->stamp;
    b->size = r->size < SIZE_MOST ? r->size : SIZE_MOST;
    b->stream = stream & 0x3fff;
    change(t, b, BLOCK_LIVE);
}

static struct block *end_block(struct blocks *t, const struct tape_record *r, uint32_t stream,
                               enum block_kind kind, enum block_state state) {
    struct block *b = receiver(t, r, stream, kind, false);
    if (b == NULL)
        return NULL;
    change(t, b, state);
    if (b->ignored <= r->stamp)
        b->ignored = 0;
    b->stamp = r->stamp;
    b->stream = stream & 0x3fff;
    return b;
}

static void begin_resize(struct blocks *t, struct block_source *from, const struct tape_record *r,
                         uint32_t stream) {
    struct block *b = touch(t, tape_record_address(r), BLOCK_OF_HEAP);
    if (b == NULL || !is_news(b, r->stamp, stream, false))
        return;
    /* Behind a call whose end is still to come: that has failed, or more of it is to come. */
    const struct block_source *before = who_resizes(t, b);
    from->old = before != NULL ? before->old : *b;
    end_block(t, r, stream, BLOCK_OF_HEAP, BLOCK_RESIZED);
    from->since = r->stamp;
    from->resizes = true;
    from->next = t->resizing;
    t->resizing = from;
}

/* What has become of the old block; undone: the call has failed. */
static void end_resize(struct blocks *t, struct block_source *from, bool undone) {
    if (!from->resizes)
        return;
    struct block_source **link = &t->resizing;
    while (*link != NULL && *link != from)
        link = &(*link)->next;
    if (*link != NULL)
        *link = from->next;
    from->resizes = false;
    struct block *b = slot_of(t->slot, t->capacity, from->old.key);
    if (b->state != BLOCK_RESIZED || b->stamp != from->since)
        return; /* somebody else has it */
    set_state(t, b, BLOCK_FREED);
    if (!undone)
        return;
    b->stamp = from->old.stamp;
    b->ignored = from->old.ignored;
    b->size = from->old.size;
    b->stream = from->old.stream;
    set_state(t, b, from->old.state);
}

/* The pool's block, where one lives; otherwise the heap's, even if its beginning is still to come:
 * another stream has it. */
static void ignore(struct blocks *t, const struct tape_record *r) {
    uint64_t address = tape_record_address(r);
    struct block *b = blocks_find(t, address, BLOCK_OF_POOL);
    if (b == NULL || b->state != BLOCK_LIVE)
        b = touch(t, address, BLOCK_OF_HEAP);
    if (b != NULL && b->ignored < r->stamp && b->stamp <= r->stamp)
        b->ignored = r->stamp;
}

void blocks_take(struct blocks *t, struct block_source *from, const struct tape_record *r,
                 uint32_t stream) {
    unsigned op = tape_record_op(r);
    if (tape_op_is_mapping(op))
        return; /* may lie between the halves of a resize */
    bool pool = op == TAPE_OP_POOL_ALLOC || op == TAPE_OP_POOL_FREE, known;
    enum block_kind kind = pool ? BLOCK_OF_POOL : BLOCK_OF_HEAP;
    known = tape_record_address(r) != 0;
    switch (tape_op_class(op)) {
    case TAPE_CLASS_ALLOC:
        end_resize(t, from, false);
        if (known)
            begin_block(t, r, stream, kind);
        break;
    case TAPE_CLASS_FREE:
        end_resize(t, from, false);
        if (known)
            end_block(t, r, stream, kind, BLOCK_FREED);
        break;
    case TAPE_CLASS_FROM:
        end_resize(t, from, false);
        begin_resize(t, from, r, stream);
        break;
    case TAPE_CLASS_REALLOC:
        end_resize(t, from, !known && r->size != 0);
        if (known)
            begin_block(t, r, stream, BLOCK_OF_HEAP);
        break;
    default:
        if (op == TAPE_OP_IGNORE)
            ignore(t, r);
        break;
    }
}
