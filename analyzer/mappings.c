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
    struct mapping *piece;
    size_t count, room;
};

struct mappings {
    struct mapping *range;
    size_t count, room;
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
    free(m->undo);
    free(m->range);
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

static size_t first_behind(const struct mappings *m, uint64_t address) {
    return mapping_first_behind(m->range, m->count, address);
}

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

static void insert(struct mappings *m, size_t at, const struct mapping *r, uint64_t now) {
    if (m->count == m->room) {
        m->room = m->room != 0 ? 2 * m->room : 64;
        m->range = xrealloc(m->range, m->room * sizeof *m->range);
    }
    memmove(m->range + at + 1, m->range + at, (m->count - at) * sizeof *m->range);
    m->range[at] = *r;
    m->count++;
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

/* Takes [start, end) out of all ranges; the pieces go to `undo`. */
static void take_out(struct mappings *m, uint64_t start, uint64_t end, struct undo *undo,
                     uint64_t now) {
    size_t i = first_behind(m, start);
    if (i < m->count && m->range[i].start < start) { /* the first one is cut in two */
        struct mapping front = m->range[i];
        count_range(m, &front, false, now);
        front.end = start;
        m->range[i].start = start;
        count_range(m, &m->range[i], true, now);
        insert(m, i++, &front, now);
    }
    size_t last = i;
    while (last < m->count && m->range[last].start < end) {
        struct mapping *r = &m->range[last];
        count_range(m, r, false, now);
        struct mapping piece = *r;
        if (r->end > end) {
            piece.end = end;
            r->start = end;
            count_range(m, r, true, now);
            keep_piece(undo, &piece);
            break;
        }
        keep_piece(undo, &piece);
        last++;
    }
    if (last != i)
        memmove(m->range + i, m->range + last, (m->count - last) * sizeof *m->range);
    m->count -= last - i;
}

static void put_in(struct mappings *m, const struct mapping *r, uint64_t now) {
    take_out(m, r->start, r->end, NULL, now);
    insert(m, first_behind(m, r->start), r, now);
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
                        uint32_t thread) {
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
    u->count = 0;
    if (e->size == 0) { /* shmdt: the segment that begins there */
        size_t i = first_behind(m, e->address);
        if (i == m->count || m->range[i].start != e->address)
            return;
        end = m->range[i].end;
    }
    take_out(m, e->address, end, u, now);
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
        take_munmap(m, e, now, thread);
        return;
    }
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
    for (size_t i = first_behind(m, start); i < m->count && m->range[i].start <= start; i++)
        start = m->range[i].end;
    return start;
}

uint64_t mappings_gap_end(const struct mappings *m, uint64_t address) {
    size_t i = first_behind(m, address);
    return i < m->count ? m->range[i].start : UINT64_MAX;
}

const struct mapping *mappings_list(const struct mappings *m, size_t *count) {
    *count = m->count;
    return m->range;
}

const struct mappings_counts *mappings_counts(const struct mappings *m) {
    return &m->counts;
}
