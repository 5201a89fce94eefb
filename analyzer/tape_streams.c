/* SPDX-License-Identifier: MIT */
/* Runs in order, and what is known to be missing. */
#include <inttypes.h>
#include <stdlib.h>

#include "diag.h"
#include "tape_walk.h"

static struct tape_run *add_run(struct tape_file *f) {
    if (f->run_count == f->run_room) {
        f->run_room = f->run_room != 0 ? 2 * f->run_room : 16;
        f->run = xrealloc(f->run, f->run_room * sizeof *f->run);
    }
    return &f->run[f->run_count++];
}

void tape_add_buffer(struct tape_file *f, const struct tape_piece *p) {
    size_t n = f->piece_count++;
    if ((n & (n - 1)) == 0) /* room for a power of two */
        f->piece = xrealloc(f->piece, (n != 0 ? 2 * n : 1) * sizeof *f->piece);
    f->piece[n] = *p;
    *add_run(f) = (struct tape_run){.at = p->at,
                                    .first = p->first,
                                    .end = p->end,
                                    .stream = p->stream,
                                    .buffer = (uint32_t)n + 1};
}

void tape_add_chunk(struct tape_file *f, const struct tape_chunk_header *h, uint64_t at) {
    struct tape_run *run = NULL;
    for (size_t i = f->run_count; i > f->run_stretch && run == NULL; i--)
        if (f->run[i - 1].stream == h->stream && f->run[i - 1].buffer == 0)
            run = &f->run[i - 1];
    if (run == NULL || h->first_event < run->end || run->chunks == UINT32_MAX) {
        run = add_run(f);
        *run = (struct tape_run){.at = at, .first = h->first_event, .stream = h->stream};
    }
    run->chunks++;
    run->end = h->first_event + h->events;
}

static int by_ordinal(const void *a, const void *b) {
    const struct tape_run *x = a, *y = b;
    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The stream whose runs begin at number `from`. */
static void add_stream(struct tape_file *f, size_t from, size_t end) {
    struct tape_stream *s = &f->stream[f->stream_count++];
    struct tape_walk walk;
    struct tape_piece p;
    *s = (struct tape_stream){.id = f->run[from].stream, .first = from, .count = end - from};
    tape_walk_begin(&walk, f, s);
    while (tape_walk_next(&walk, &p)) {
        f->process.tail_read |= p.in_tail;
        s->events += p.end - p.first - p.skip;
        s->pieces++;
    }
    f->health.events += s->events;
    s->end = walk.expected;
    s->lost = walk.lost;
    f->health.chunks += s->pieces;
    f->health.lost += walk.missing + walk.lost;
    tape_walk_end(&walk);
}

void tape_note_change(struct tape_file *f, struct tape_stream *s, uint64_t pieces,
                      uint64_t events) {
    if (s->changed || (pieces == s->pieces && events == s->events))
        return;
    s->changed = true;
    f->health.chunks -= s->pieces - pieces;
    f->health.events -= s->events - events;
    f->health.lost += s->events - events;
    tape_damage(f, false, f->size, 0,
                "the file has changed while it was read: %" PRIu64 " events of stream %u lost",
                s->events - events, s->id);
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
    if (f->run_count != 0)
        qsort(f->run, f->run_count, sizeof *f->run, by_ordinal);
    size_t streams = 0;
    for (size_t i = 0; i < f->run_count; i++)
        streams += i == 0 || f->run[i].stream != f->run[i - 1].stream;
    f->stream = xcalloc(streams + 1, sizeof *f->stream);
    for (size_t from = 0, end; from < f->run_count; from = end) {
        for (end = from + 1; end < f->run_count; end++)
            if (f->run[end].stream != f->run[from].stream)
                break;
        add_stream(f, from, end);
    }
    f->health.lost += missing_at_end(f) + f->lost_without_stream;
}
