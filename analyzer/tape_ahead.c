/* SPDX-License-Identifier: MIT */
#include "tape_ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "diag.h"
#include "tape_walk.h"

#define READY_MAX 4     /* decoded chunks that nobody has asked for yet */
#define LARGE     65536 /* events; of such chunks one is kept ready */
#define WORTH_IT  16    /* chunks below which a thread costs more than it saves */
#define SPARE_MAX 8     /* buffers kept for the next chunks */

/* What the second thread is to decode next of a stream. */
struct front {
    struct tape_walk walk;
    struct tape_piece piece;
    uint32_t stream;
};

/* A chunk by its stream and first ordinal. */
struct which {
    uint32_t stream;
    uint64_t first;
};

struct ready {
    struct which is;
    struct tape_buffer *buffer;
};

struct tape_ahead {
    const struct tape_file *tape;
    struct tape_decoder own, worker; /* of the asking thread, and of the other */
    struct front *heap;              /* the worker's: smallest stamp, then stream, first */
    size_t heap_count;
    uint64_t *asked; /* by stream: ordinals below have been asked for */
    bool decoding;   /* the worker is at `at_work` */
    struct which at_work;
    struct ready ready[READY_MAX];
    struct tape_buffer *spare[SPARE_MAX];
    unsigned spare_count, ready_count;
    bool threaded, quit;
    pthread_t thread;
    pthread_mutex_t lock; /* for asked, decoding, at_work, ready, spare, quit */
    pthread_cond_t changed;
};

static struct tape_buffer *get_buffer(struct tape_ahead *a) {
    return a->spare_count > 0 ? a->spare[--a->spare_count] : xcalloc(1, sizeof **a->spare);
}

/* ---- the order of the chunks -------------------------------------------------------------- */

static bool before(const struct front *a, const struct front *b) {
    if (a->piece.first_stamp != b->piece.first_stamp)
        return a->piece.first_stamp < b->piece.first_stamp;
    return a->stream < b->stream;
}

static void sift_down(struct tape_ahead *a, size_t i) {
    struct front front = a->heap[i];
    for (size_t child; (child = 2 * i + 1) < a->heap_count; i = child) {
        if (child + 1 < a->heap_count && before(&a->heap[child + 1], &a->heap[child]))
            child++;
        if (!before(&a->heap[child], &front))
            break;
        a->heap[i] = a->heap[child];
    }
    a->heap[i] = front;
}

/* The first front goes on to its stream's next chunk. */
static void step(struct tape_ahead *a) {
    bool more;
    do
        more = tape_walk_next(&a->heap[0].walk, &a->heap[0].piece);
    while (more && a->heap[0].piece.buffer != NULL);
    if (!more) {
        tape_walk_end(&a->heap[0].walk);
        a->heap[0] = a->heap[--a->heap_count];
    }
    if (a->heap_count > 0)
        sift_down(a, 0);
}

static void make_heap(struct tape_ahead *a) {
    const struct tape_file *tape = a->tape;
    a->heap = xcalloc(tape->stream_count + 1, sizeof *a->heap);
    for (uint32_t i = 0; i < tape->stream_count; i++) {
        struct front *f = &a->heap[a->heap_count];
        f->stream = i;
        tape_walk_begin(&f->walk, tape, &tape->stream[i]);
        bool found;
        do
            found = tape_walk_next(&f->walk, &f->piece);
        while (found && f->piece.buffer != NULL);
        if (found)
            a->heap_count++;
        else
            tape_walk_end(&f->walk);
    }
    for (size_t i = a->heap_count / 2; i-- > 0;)
        sift_down(a, i);
}

/* ---- the second thread -------------------------------------------------------------------- */

static void *work(void *context) {
    struct tape_ahead *a = context;
    pthread_mutex_lock(&a->lock);
    while (a->heap_count > 0 && !a->quit) {
        const struct front *f = &a->heap[0];
        bool wanted = f->piece.first >= a->asked[f->stream];
        unsigned most = f->piece.end - f->piece.first >= LARGE ? 1 : READY_MAX;
        if (wanted && a->ready_count >= most) {
            pthread_cond_wait(&a->changed, &a->lock);
            continue;
        }
        struct tape_buffer *b = wanted ? get_buffer(a) : NULL;
        a->at_work = (struct which){f->stream, f->piece.first};
        a->decoding = wanted;
        pthread_mutex_unlock(&a->lock);
        if (wanted)
            tape_decode_piece(&a->worker, a->tape->fd, &f->piece, b);
        step(a);
        pthread_mutex_lock(&a->lock);
        if (wanted)
            a->ready[a->ready_count++] = (struct ready){a->at_work, b};
        a->decoding = false;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct tape_ahead *tape_ahead_new(const struct tape_file *tape) {
    struct tape_ahead *a = xcalloc(1, sizeof *a);
    a->tape = tape;
    a->asked = xcalloc(tape->stream_count + 1, sizeof *a->asked);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (tape->health.chunks < WORTH_IT + tape->piece_count || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return a;
    make_heap(a);
    a->threaded = pthread_create(&a->thread, NULL, work, a) == 0;
    return a;
}

void tape_ahead_free(struct tape_ahead *a) {
    if (a == NULL)
        return;
    if (a->threaded) {
        pthread_mutex_lock(&a->lock);
        a->quit = true;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
    }
    while (a->ready_count > 0)
        tape_buffer_free(a->ready[--a->ready_count].buffer);
    while (a->spare_count > 0)
        tape_buffer_free(a->spare[--a->spare_count]);
    tape_decoder_free(&a->own);
    tape_decoder_free(&a->worker);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    while (a->heap_count > 0)
        tape_walk_end(&a->heap[--a->heap_count].walk);
    free(a->heap);
    free(a->asked);
    free(a);
}

static bool same(const struct which *a, const struct which *b) {
    return a->stream == b->stream && a->first == b->first;
}

/* NULL when it is not ready. */
static struct tape_buffer *take_ready(struct tape_ahead *a, const struct which *wanted) {
    unsigned i = 0;
    while (i < a->ready_count && !same(&a->ready[i].is, wanted))
        i++;
    if (i == a->ready_count)
        return NULL;
    struct tape_buffer *b = a->ready[i].buffer;
    a->ready[i] = a->ready[--a->ready_count];
    pthread_cond_broadcast(&a->changed);
    return b;
}

struct tape_buffer *tape_ahead_take(struct tape_ahead *a, uint32_t stream,
                                    const struct tape_piece *p) {
    const struct which wanted = {stream, p->first};
    pthread_mutex_lock(&a->lock);
    while (a->decoding && same(&a->at_work, &wanted))
        pthread_cond_wait(&a->changed, &a->lock);
    struct tape_buffer *b = take_ready(a, &wanted);
    bool decode = b == NULL;
    if (decode)
        b = get_buffer(a);
    a->asked[stream] = p->first + 1;
    pthread_mutex_unlock(&a->lock);
    if (decode)
        tape_decode_piece(&a->own, a->tape->fd, p, b);
    return b;
}

void tape_ahead_give_back(struct tape_ahead *a, struct tape_buffer *b) {
    pthread_mutex_lock(&a->lock);
    bool keep = a->spare_count < SPARE_MAX;
    if (keep)
        a->spare[a->spare_count++] = b;
    pthread_mutex_unlock(&a->lock);
    if (!keep)
        tape_buffer_free(b);
}
