/* SPDX-License-Identifier: MIT */
#include "tape_walk.h"

#include <stdlib.h>

#include "diag.h"

/* The next chunk of the run, behind those of other streams; false when it has no more. */
static bool hop(const struct tape_walk *w, struct tape_walk_run *run) {
    uint32_t stream = run->piece.stream;
    while (run->left > 0) {
        struct tape_chunk_header h;
        bool written;
        if (tape_read_chunk_header(w->tape, run->after, UINT64_MAX, &h, &written) != TAPE_OK)
            return false;
        uint64_t at = run->after;
        run->after += tape_chunk_span(h.stored_bytes);
        if (h.type != TAPE_CHUNK_EVENTS || h.stream != stream || h.events == 0)
            continue;
        run->piece = tape_piece_of(&h, at + TAPE_CHUNK_HEADER_BYTES);
        run->left--;
        return true;
    }
    return false;
}

static void open_run(struct tape_walk *w, const struct tape_run *r) {
    struct tape_walk_run run = {.after = r->at, .left = r->chunks};
    run.piece.stream = r->stream;
    if (r->buffer != 0)
        run.piece = w->tape->piece[r->buffer - 1];
    else if (!hop(w, &run))
        return;
    if (w->open_count == w->open_room) {
        w->open_room = w->open_room != 0 ? 2 * w->open_room : 2;
        w->open = xrealloc(w->open, w->open_room * sizeof *w->open);
    }
    w->open[w->open_count++] = run;
}

/* A chunk comes before a buffer with the same events. */
static bool before(const struct tape_piece *a, const struct tape_piece *b) {
    if (a->first != b->first)
        return a->first < b->first;
    if ((a->buffer != NULL) != (b->buffer != NULL))
        return a->buffer == NULL;
    return a->at < b->at;
}

/* The open run whose piece comes first, with every run opened that could have it. */
static struct tape_walk_run *first_run(struct tape_walk *w) {
    struct tape_walk_run *first;
    do {
        while (w->open_count == 0 && w->next < w->end)
            open_run(w, &w->tape->run[w->next++]);
        if (w->open_count == 0)
            return NULL;
        first = &w->open[0];
        for (uint32_t i = 1; i < w->open_count; i++)
            if (before(&w->open[i].piece, &first->piece))
                first = &w->open[i];
        if (w->next == w->end || w->tape->run[w->next].first > first->piece.first)
            return first;
        open_run(w, &w->tape->run[w->next++]);
    } while (true);
}

void tape_walk_begin(struct tape_walk *w, const struct tape_file *f, const struct tape_stream *s) {
    *w = (struct tape_walk){.tape = f, .next = s->first, .end = s->first + s->count};
}

bool tape_walk_next(struct tape_walk *w, struct tape_piece *p) {
    struct tape_walk_run *run;
    while ((run = first_run(w)) != NULL) {
        *p = run->piece;
        if (!hop(w, run))
            *run = w->open[--w->open_count];
        if (p->lost > w->lost)
            w->lost = p->lost;
        if (p->first > w->expected) {
            w->missing += p->first - w->expected;
            w->expected = p->first;
        }
        if (p->end <= w->expected) /* an empty buffer tells at least where the stream has got to */
            continue;
        p->skip = (uint32_t)(w->expected - p->first);
        w->expected = p->end;
        return true;
    }
    return false;
}

void tape_walk_end(struct tape_walk *w) {
    free(w->open);
    *w = (struct tape_walk){0};
}
