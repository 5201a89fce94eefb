/* SPDX-License-Identifier: MIT */
#include "tape_ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "diag.h"

#define READY_MAX 4  /* decoded chunks that nobody has asked for yet */
#define WORTH_IT  16 /* chunks below which a thread costs more than it saves */
#define SPARE_MAX 8  /* buffers kept for the next chunks */

enum state { TO_DO, UNDER_WAY, READY, TAKEN };

struct ready {
    size_t piece;
    struct tape_buffer *buffer;
};

struct tape_ahead {
    const struct tape_file *tape;
    struct tape_decoder own, worker; /* of the asking thread, and of the other */
    uint8_t *state;                  /* by piece: there can be millions */
    uint32_t *order;                 /* pieces that are chunks, by first stamp */
    size_t count, next;              /* of these; the next one for the worker to look at */
    struct ready ready[READY_MAX];
    struct tape_buffer *spare[SPARE_MAX];
    unsigned spare_count, ready_count;
    bool threaded, quit;
    pthread_t thread;
    pthread_mutex_t lock; /* for state, next, spare, ready, quit */
    pthread_cond_t changed;
};

static struct tape_buffer *get_buffer(struct tape_ahead *a) {
    return a->spare_count > 0 ? a->spare[--a->spare_count] : xcalloc(1, sizeof **a->spare);
}

static void *work(void *context) {
    struct tape_ahead *a = context;
    pthread_mutex_lock(&a->lock);
    while (a->next < a->count && !a->quit) {
        size_t piece = a->order[a->next];
        if (a->state[piece] != TO_DO) {
            a->next++;
        } else if (a->ready_count >= READY_MAX) {
            pthread_cond_wait(&a->changed, &a->lock);
        } else {
            struct tape_buffer *b = get_buffer(a);
            a->state[piece] = UNDER_WAY;
            a->next++;
            pthread_mutex_unlock(&a->lock);
            tape_decode_piece(&a->worker, a->tape->fd, &a->tape->piece[piece], b);
            pthread_mutex_lock(&a->lock);
            a->ready[a->ready_count++] = (struct ready){piece, b};
            a->state[piece] = READY;
            pthread_cond_broadcast(&a->changed);
        }
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static int by_first_stamp(const void *a, const void *b, void *context) {
    const struct tape_file *f = context;
    const struct tape_piece *x = &f->piece[*(const uint32_t *)a];
    const struct tape_piece *y = &f->piece[*(const uint32_t *)b];
    if (x->first_stamp != y->first_stamp)
        return x->first_stamp < y->first_stamp ? -1 : 1;
    return x < y ? -1 : x > y;
}

struct tape_ahead *tape_ahead_new(const struct tape_file *tape) {
    struct tape_ahead *a = xcalloc(1, sizeof *a);
    a->tape = tape;
    a->state = xcalloc(tape->piece_count + 1, sizeof *a->state);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    size_t chunks = 0;
    for (size_t i = 0; i < tape->piece_count; i++)
        chunks += tape->piece[i].buffer == NULL;
    if (chunks < WORTH_IT || tape->piece_count > UINT32_MAX || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return a;
    a->order = xmalloc(chunks * sizeof *a->order);
    for (size_t i = 0; i < tape->piece_count; i++)
        if (tape->piece[i].buffer == NULL)
            a->order[a->count++] = (uint32_t)i;
    if (tape->stream_count > 1) /* those of one stream are in order */
        qsort_r(a->order, a->count, sizeof *a->order, by_first_stamp, (void *)(uintptr_t)tape);
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
    free(a->state);
    free(a->order);
    free(a);
}

static struct tape_buffer *take_ready(struct tape_ahead *a, size_t piece) {
    unsigned i = 0;
    while (a->ready[i].piece != piece)
        i++;
    struct tape_buffer *b = a->ready[i].buffer;
    a->ready[i] = a->ready[--a->ready_count];
    pthread_cond_broadcast(&a->changed);
    return b;
}

struct tape_buffer *tape_ahead_take(struct tape_ahead *a, size_t index) {
    pthread_mutex_lock(&a->lock);
    while (a->state[index] == UNDER_WAY)
        pthread_cond_wait(&a->changed, &a->lock);
    struct tape_buffer *b = a->state[index] == READY ? take_ready(a, index) : get_buffer(a);
    bool decode = a->state[index] == TO_DO;
    a->state[index] = TAKEN;
    pthread_mutex_unlock(&a->lock);
    if (decode)
        tape_decode_piece(&a->own, a->tape->fd, &a->tape->piece[index], b);
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
