/* SPDX-License-Identifier: MIT */
/* Chunks decoded by a second thread are what they are when they are decoded here, in whatever order
 * the streams are asked for. Also run with the thread sanitizer. */
#include "tape_content.h"

#include "tape_ahead.h"
#include "tape_walk.h"

enum { STREAMS = 5, ROUNDS = 12, CHUNKS = STREAMS * ROUNDS };

/* Chunks of several streams in turns, so that the order of their stamps is not that of the file's
 * pieces; the ones in the middle are damaged. */
static struct tape_file *open_chunks(void) {
    struct writer *w = writer_new();
    for (uint64_t round = 0; round < ROUNDS; round++)
        for (uint32_t stream = 1; stream <= STREAMS; stream++) {
            allocate(w, stream, 40 + round, 1000 * (round + 1) + 100 * stream);
            size_t at = w->tape.count;
            writer_chunk(w, stream, false);
            if (round == ROUNDS / 2)
                w->tape.p[at + TAPE_CHUNK_HEADER_BYTES + 40] ^= 0x55;
        }
    writer_close(w, 1000000, 0, "exit");
    writer_save(w, tape_path);
    writer_free(w);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    assert_int_equal(tape->health.chunks, CHUNKS);
    assert_int_equal(tape->run_count, STREAMS); /* not one entry a chunk */
    return tape;
}

static bool same(const struct tape_buffer *a, const struct tape_buffer *b) {
    if (a->error != b->error || a->records != b->records || a->addresses != b->addresses)
        return false;
    size_t frames = 0;
    for (uint32_t i = 0; i < a->records; i++)
        frames += a->record[i].push;
    return (a->records == 0 || memcmp(a->record, b->record, a->records * sizeof *a->record) == 0) &&
           (frames == 0 || memcmp(a->frame, b->frame, frames * sizeof *a->frame) == 0) &&
           (a->addresses == 0 ||
            memcmp(a->address, b->address, a->addresses * sizeof *a->address) == 0);
}

/* Takes `count` chunks, of the streams in the order given, of which `held` at a time are not given
 * back yet. */
static void take(struct tape_file *tape, const uint32_t *order, size_t count, size_t held) {
    struct tape_ahead *ahead = tape_ahead_new(tape);
    struct tape_decoder decoder = {0};
    struct tape_buffer *here = xcalloc(1, sizeof *here), *taken[CHUNKS];
    struct tape_walk walk[STREAMS];
    struct tape_piece p;
    unsigned damaged = 0;
    for (uint32_t i = 0; i < STREAMS; i++)
        tape_walk_begin(&walk[i], tape, &tape->stream[i]);
    for (size_t i = 0; i < count; i++) {
        assert_true(tape_walk_next(&walk[order[i]], &p));
        taken[i] = tape_ahead_take(ahead, order[i], &p);
        tape_decode_piece(&decoder, tape->fd, &p, here);
        assert_true(same(taken[i], here));
        damaged += here->error != TAPE_OK;
        if (i >= held)
            tape_ahead_give_back(ahead, taken[i - held]);
    }
    assert_true(count < CHUNKS || damaged >= STREAMS);
    for (uint32_t i = 0; i < STREAMS; i++) {
        assert_true(count < CHUNKS || !tape_walk_next(&walk[i], &p));
        tape_walk_end(&walk[i]);
    }
    for (size_t i = count > held ? count - held : 0; i < count; i++)
        tape_ahead_give_back(ahead, taken[i]);
    tape_ahead_free(ahead);
    tape_buffer_free(here);
    tape_decoder_free(&decoder);
}

static void any_order(void **state) {
    (void)state;
    struct tape_file *tape = open_chunks();
    uint32_t order[CHUNKS];
    for (unsigned stride = 1; stride < CHUNKS; stride++) { /* those without a common divisor */
        bool all = stride % 2 != 0 && stride % 3 != 0 && stride % 5 != 0;
        for (uint32_t i = 0; i < CHUNKS; i++)
            order[i] = (i * stride) % CHUNKS / ROUNDS;
        if (all)
            take(tape, order, CHUNKS, stride % 30);
    }
    for (uint32_t i = 0; i < CHUNKS; i++) /* one stream after the other, the last one first */
        order[i] = STREAMS - 1 - i / ROUNDS;
    take(tape, order, CHUNKS, 3);
    tape_file_close(tape);
}

/* A reader that stops: what is ready, or under way, is given up. */
static void early_end(void **state) {
    (void)state;
    struct tape_file *tape = open_chunks();
    uint32_t order[CHUNKS];
    for (uint32_t i = 0; i < CHUNKS; i++)
        order[i] = i % STREAMS;
    for (size_t count = 0; count <= CHUNKS; count += 7)
        take(tape, order, count, 2);
    tape_file_close(tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order),
        cmocka_unit_test(early_end),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
