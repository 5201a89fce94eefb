/* SPDX-License-Identifier: MIT */
/* Pieces in order, every event exactly once, and what is known to be missing. */
#include <stdlib.h>

#include "diag.h"
#include "tape_chunks.h"

/* By stream, then by first ordinal; a chunk before a buffer with the same events. */
static int by_ordinal(const void *a, const void *b) {
    const struct tape_piece *x = a, *y = b;
    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if ((x->buffer != NULL) != (y->buffer != NULL))
        return x->buffer != NULL ? 1 : -1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_ordinal_at(const void *a, const void *b, void *context) {
    const struct tape_piece *piece = context;
    return by_ordinal(&piece[*(const uint32_t *)a], &piece[*(const uint32_t *)b]);
}

static bool in_order(const struct tape_file *f) {
    for (size_t i = 1; i < f->piece_count; i++)
        if (by_ordinal(&f->piece[i - 1], &f->piece[i]) > 0)
            return false;
    return true;
}

/* There can be millions of pieces: they are sorted by number and moved in place, which takes a
 * tenth of the memory of sorting them as they are. */
static void sort_pieces(struct tape_file *f) {
    if (in_order(f))
        return;
    if (f->piece_count > UINT32_MAX) { /* of 72 bytes at least */
        diag("%s: more than 2^32 chunks", f->path);
        exit(EXIT_FINDING);
    }
    uint32_t *from = xmalloc(f->piece_count * sizeof *from);
    for (size_t i = 0; i < f->piece_count; i++)
        from[i] = (uint32_t)i;
    qsort_r(from, f->piece_count, sizeof *from, by_ordinal_at, f->piece);
    for (size_t i = 0; i < f->piece_count; i++) { /* along each cycle of the permutation */
        struct tape_piece first = f->piece[i];
        size_t to = i;
        while (from[to] != i && from[to] != to) {
            size_t next = from[to];
            f->piece[to] = f->piece[next];
            from[to] = (uint32_t)to;
            to = next;
        }
        if (from[to] != to) {
            f->piece[to] = first;
            from[to] = (uint32_t)to;
        }
    }
    free(from);
}

/* The pieces from number `from` on that belong to one stream, without those that say nothing
 * new. Returns the end of what is kept at `to`. */
static size_t keep_stream(struct tape_file *f, size_t from, size_t end, size_t to) {
    uint64_t expected = 0, lost = 0;
    struct tape_stream *s = &f->stream[f->stream_count++];
    *s = (struct tape_stream){.id = f->piece[from].stream, .first = to};
    for (size_t i = from; i < end; i++) {
        struct tape_piece p = f->piece[i];
        if (p.lost > lost)
            lost = p.lost;
        if (p.first > expected) {
            f->health.lost += p.first - expected;
            expected = p.first;
        }
        if (p.end <= expected) { /* an empty buffer tells at least where the stream has got to */
            tape_buffer_free(p.buffer);
            continue;
        }
        p.skip = (uint32_t)(expected - p.first);
        expected = p.end;
        f->process.tail_read |= p.in_tail;
        f->health.chunks++;
        f->health.events += p.end - p.first - p.skip;
        f->piece[to++] = p;
    }
    s->count = to - s->first;
    s->end = expected;
    s->lost = lost;
    f->health.lost += lost;
    return to;
}

static int by_id(const void *id, const void *stream) {
    uint32_t x = *(const uint32_t *)id, y = ((const struct tape_stream *)stream)->id;
    return x < y ? -1 : x > y;
}

/* Events that CLOSE has counted and that are nowhere. */
static uint64_t missing_at_end(const struct tape_file *f) {
    uint64_t missing = 0;
    for (size_t i = 0; i < f->stream_end_count; i++) {
        const struct tape_stream_end *e = &f->stream_end[i];
        const struct tape_stream *s =
            bsearch(&e->stream, f->stream, f->stream_count, sizeof *f->stream, by_id);
        uint64_t have = s != NULL ? s->end : 0, known = s != NULL ? s->lost : 0;
        missing += e->events > have ? e->events - have : 0;
        missing += e->lost > known ? e->lost - known : 0;
    }
    return missing;
}

void tape_sort_streams(struct tape_file *f) {
    sort_pieces(f);
    size_t to = 0, streams = 0;
    for (size_t i = 0; i < f->piece_count; i++)
        streams += i == 0 || f->piece[i].stream != f->piece[i - 1].stream;
    f->stream = xcalloc(streams + 1, sizeof *f->stream);
    for (size_t from = 0, end; from < f->piece_count; from = end) {
        for (end = from + 1; end < f->piece_count; end++)
            if (f->piece[end].stream != f->piece[from].stream)
                break;
        to = keep_stream(f, from, end, to);
    }
    f->piece_count = to;
    f->health.lost += missing_at_end(f) + f->lost_without_stream;
}
