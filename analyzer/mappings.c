/* SPDX-License-Identifier: MIT */
#include "mappings.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "replay.h"

#define PAGE UINT64_C(4096)

/* What a thread's newest MUNMAP has taken away, until it is known that it did not fail. */
struct undo {
    uint64_t address, size;
    uint32_t stack; /* of the call */
    struct mapping *piece;
    size_t count, room;
};

/* Ranges in order, in chunks that are never empty: programs map a million pages one by one. */
#define CHUNK 256
struct chunk {
    size_t count;
    struct mapping range[CHUNK];
};

struct mappings {
    struct chunk **chunk;
    size_t chunks, chunk_room, count;
    struct mapping *list; /* all of them in one piece; `list_good`: it is so now */
    bool list_good;
    struct undo *undo; /* by thread */
    uint32_t threads;
    struct mappings_counts counts;
    void (*changed)(void *context, const struct mapping *, bool comes, uint64_t now);
    void *context;
};

struct mappings *mappings_new(void) {
    return xcalloc(1, sizeof(struct mappings));
}

void mappings_free(struct mappings *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->threads; i++)
        free(m->undo[i].piece);
    for (size_t i = 0; i < m->chunks; i++)
        free(m->chunk[i]);
    free(m->undo);
    free(m->chunk);
    free(m->list);
    free(m);
}

size_t mapping_first_behind(const struct mapping *range, size_t count, uint64_t address) {
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if (range[mid].end <= address)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

/* ---- places ------------------------------------------------------------------------------- */

struct place {
    size_t chunk, at;
};

/* Of the first range that ends behind the address; behind the last chunk: there is none. */
static struct place first_behind(const struct mappings *m, uint64_t address) {
    size_t low = 0, high = m->chunks;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct chunk *c = m->chunk[mid];
        if (c->range[c->count - 1].end <= address)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == m->chunks)
        return (struct place){low, 0};
    return (struct place){low, mapping_first_behind(m->chunk[low]->range, m->chunk[low]->count,
                                                    address)};
}

static struct mapping *range_at(const struct mappings *m, struct place p) {
    return p.chunk < m->chunks ? &m->chunk[p.chunk]->range[p.at] : NULL;
}

static void add_chunk(struct mappings *m, size_t at) {
    if (m->chunks == m->chunk_room) {
        m->chunk_room = m->chunk_room != 0 ? 2 * m->chunk_room : 16;
        m->chunk = xrealloc(m->chunk, m->chunk_room * sizeof *m->chunk);
    }
    memmove(m->chunk + at + 1, m->chunk + at, (m->chunks - at) * sizeof *m->chunk);
    m->chunk[at] = xcalloc(1, sizeof **m->chunk);
    m->chunks++;
}

/* In front of what is there. */
static void insert_at(struct mappings *m, struct place p, const struct mapping *r) {
    if (p.chunk == m->chunks && m->chunks != 0) /* the end of the last one */
        p = (struct place){m->chunks - 1, m->chunk[m->chunks - 1]->count};
    if (m->chunks == 0)
        add_chunk(m, 0);
    struct chunk *c = m->chunk[p.chunk];
    if (c->count == CHUNK) {
        add_chunk(m, p.chunk + 1);
        struct chunk *half = m->chunk[p.chunk + 1];
        half->count = CHUNK / 2;
        memcpy(half->range, c->range + CHUNK / 2, CHUNK / 2 * sizeof *c->range);
        c->count = CHUNK / 2;
        if (p.at > CHUNK / 2) {
            p.at -= CHUNK / 2;
            c = half;
        }
    }
    memmove(c->range + p.at + 1, c->range + p.at, (c->count - p.at) * sizeof *c->range);
    c->range[p.at] = *r;
    c->count++;
    m->count++;
    m->list_good = false;
}

/* The next range comes to the place, or the place is the next chunk's first. */
static struct place remove_at(struct mappings *m, struct place p) {
    struct chunk *c = m->chunk[p.chunk];
    c->count--;
    m->count--;
    m->list_good = false;
    memmove(c->range + p.at, c->range + p.at + 1, (c->count - p.at) * sizeof *c->range);
    if (c->count == 0) {
        free(c);
        m->chunks--;
        memmove(m->chunk + p.chunk, m->chunk + p.chunk + 1,
                (m->chunks - p.chunk) * sizeof *m->chunk);
        return (struct place){p.chunk, 0};
    }
    return p.at < c->count ? p : (struct place){p.chunk + 1, 0};
}

/* ---- changes ------------------------------------------------------------------------------ */

static void count_range(struct mappings *m, const struct mapping *r, bool comes, uint64_t now) {
    if (m->changed != NULL)
        m->changed(m->context, r, comes, now);
    uint64_t bytes = r->end - r->start;
    uint64_t *sum = (r->flags & TAPE_MAPPING_ALLOCATOR) != 0   ? &m->counts.allocator_bytes
                    : (r->flags & TAPE_MAPPING_NO_ACCESS) != 0 ? NULL
                                                               : &m->counts.live_bytes;
    if (sum == NULL)
        return;
    *sum += comes ? bytes : 0 - bytes;
    if (m->counts.live_bytes > m->counts.peak_bytes) {
        m->counts.peak_bytes = m->counts.live_bytes;
        m->counts.peak_time = now;
    }
}

static void insert(struct mappings *m, const struct mapping *r, uint64_t now) {
    insert_at(m, first_behind(m, r->start), r);
    count_range(m, r, true, now);
}

static void keep_piece(struct undo *u, const struct mapping *r) {
    if (u == NULL)
        return;
    if (u->count == u->room) {
        u->room = u->room != 0 ? 2 * u->room : 4;
        u->piece = xrealloc(u->piece, u->room * sizeof *u->piece);
    }
    u->piece[u->count++] = *r;
}

/* Cuts a range that begins in front of the address and ends behind it in two there. */
static void cut_at(struct mappings *m, uint64_t address, uint64_t now) {
    struct mapping *r = range_at(m, first_behind(m, address));
    if (r == NULL || r->start >= address)
        return;
    struct mapping front = *r;
    count_range(m, &front, false, now);
    front.end = r->start = address;
    m->list_good = false;
    count_range(m, r, true, now);
    insert(m, &front, now);
}

/* Takes [start, end) out of all ranges; the pieces go to `undo`. */
static void take_out(struct mappings *m, uint64_t start, uint64_t end, struct undo *undo,
                     uint64_t now) {
    if (start >= end)
        return;
    cut_at(m, start, now);
    cut_at(m, end, now);
    struct place p = first_behind(m, start);
    for (struct mapping *r; (r = range_at(m, p)) != NULL && r->start < end;) {
        struct mapping piece = *r;
        p = remove_at(m, p);
        count_range(m, &piece, false, now);
        keep_piece(undo, &piece);
    }
}

static void put_in(struct mappings *m, const struct mapping *r, uint64_t now) {
    take_out(m, r->start, r->end, NULL, now);
    insert(m, r, now);
}

void mappings_put(struct mappings *m, const struct mapping *r) {
    put_in(m, r, r->born);
}

static struct undo *undo_of(struct mappings *m, uint32_t thread) {
    if (thread >= m->threads) {
        uint32_t room = thread + 16;
        m->undo = xrealloc(m->undo, room * sizeof *m->undo);
        memset(m->undo + m->threads, 0, (room - m->threads) * sizeof *m->undo);
        m->threads = room;
    }
    return &m->undo[thread];
}

static uint64_t page_up(uint64_t address) {
    return (address + PAGE - 1) & ~(PAGE - 1);
}

static void take_munmap(struct mappings *m, const struct tape_event *e, uint64_t now,
                        uint32_t thread, uint32_t stack) {
    struct undo *u = undo_of(m, thread);
    if ((e->align_log2 & TAPE_MAPPING_FAILED) != 0) {
        m->counts.failed++;
        if (u->address == e->address && u->size == e->size)
            for (size_t i = 0; i < u->count; i++)
                put_in(m, &u->piece[i], now);
        u->count = 0;
        return;
    }
    uint64_t end = page_up(e->address + e->size);
    u->address = e->address;
    u->size = e->size;
    u->stack = stack;
    u->count = 0;
    if (e->size == 0) { /* shmdt: the segment that begins there */
        const struct mapping *r = range_at(m, first_behind(m, e->address));
        if (r == NULL || r->start != e->address)
            return;
        end = r->end;
    }
    take_out(m, e->address, end, u, now);
}

/* What is moved stays of its kind: that of the piece which the same call took away. */
static uint8_t moved_flags(struct mappings *m, uint32_t thread, uint32_t stack) {
    const struct undo *u = undo_of(m, thread);
    if (u->count == 0 || u->stack != stack)
        return 0;
    return u->piece[0].flags & (TAPE_MAPPING_FILE | TAPE_MAPPING_SHARED | TAPE_MAPPING_NO_ACCESS |
                                TAPE_MAPPING_EXECUTE);
}

void mappings_take(struct mappings *m, const struct tape_event *e, uint64_t now, uint32_t thread,
                   uint32_t stack) {
    if (thread == UINT32_MAX)
        thread = 0;
    struct mapping r = {.born = now, .stack = stack, .flags = e->align_log2};
    switch (e->op) {
    case TAPE_OP_MMAP:
    case TAPE_OP_MREMAP:
        r.start = e->address;
        r.end = page_up(e->address + e->size);
        break;
    case TAPE_OP_BRK:
        if (e->address < e->size) {
            take_out(m, page_up(e->address), page_up(e->size), NULL, now);
            return;
        }
        r.start = page_up(e->size);
        r.end = page_up(e->address);
        r.brk = true;
        break;
    default:
        take_munmap(m, e, now, thread, stack);
        return;
    }
    if (e->op == TAPE_OP_MREMAP)
        r.flags |= moved_flags(m, thread, stack);
    m->counts.calls++;
    m->counts.mapped_bytes += r.end - r.start;
    if (r.end > r.start)
        put_in(m, &r, now);
}

void mappings_watch(struct mappings *m,
                    void (*changed)(void *context, const struct mapping *, bool comes,
                                    uint64_t now),
                    void *context) {
    m->changed = changed;
    m->context = context;
}

uint64_t mappings_next_gap(const struct mappings *m, uint64_t start) {
    struct place p = first_behind(m, start);
    for (const struct mapping *r; (r = range_at(m, p)) != NULL && r->start <= start;) {
        start = r->end;
        p = p.at + 1 < m->chunk[p.chunk]->count ? (struct place){p.chunk, p.at + 1}
                                                : (struct place){p.chunk + 1, 0};
    }
    return start;
}

uint64_t mappings_gap_end(const struct mappings *m, uint64_t address) {
    const struct mapping *r = range_at(m, first_behind(m, address));
    return r != NULL ? r->start : UINT64_MAX;
}

const struct mapping *mappings_list(struct mappings *m, size_t *count) {
    *count = m->count;
    if (!m->list_good) {
        size_t n = 0;
        m->list = xrealloc(m->list, (m->count + 1) * sizeof *m->list);
        for (size_t i = 0; i < m->chunks; n += m->chunk[i++]->count)
            memcpy(m->list + n, m->chunk[i]->range, m->chunk[i]->count * sizeof *m->list);
        m->list_good = true;
    }
    return m->list;
}

const struct mappings_counts *mappings_counts(const struct mappings *m) {
    return &m->counts;
}
