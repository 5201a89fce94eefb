/* SPDX-License-Identifier: MIT */
/* However a stream's chunks are spread over segments, and whatever is there twice: every event
 * once, in order, with a run for each stream in a stretch of the file and not for each chunk. */
#include "tape_content.h"

#include "tape_walk.h"

enum { STREAMS = 4, CHUNKS = 120, SEGMENTS = 6 };

static uint64_t seed = UINT64_C(0x1357fdb97531eca);

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

struct chunk {
    struct tape_chunk_header header;
    const uint8_t *payload;
};

/* Chunks of STREAMS streams in turns, all in one segment. */
static struct writer *in_one_segment(void) {
    struct writer *w = writer_new();
    for (uint64_t i = 0; i < CHUNKS; i++) {
        uint32_t stream = 1 + (uint32_t)below(STREAMS);
        allocate(w, stream, 1 + (unsigned)below(30), 1000 * (i + 1));
        writer_chunk(w, stream, false);
    }
    return w;
}

/* The chunks of events of a tape of one segment. */
static size_t list_chunks(const struct writer *w, struct chunk chunk[static CHUNKS]) {
    size_t n = 0;
    for (size_t i = TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES; i < w->tape.count;) {
        struct chunk c = {.payload = w->tape.p + i + TAPE_CHUNK_HEADER_BYTES};
        struct tape_in in = tape_in_of(w->tape.p + i, w->tape.count - i);
        assert_int_equal(tape_get_chunk_header(&in, &c.header), TAPE_OK);
        if (c.header.type == TAPE_CHUNK_EVENTS)
            chunk[n++] = c;
        i += tape_chunk_span(c.header.stored_bytes);
    }
    assert_int_equal(n, CHUNKS);
    return n;
}

/* The same, each chunk in one of several segments, which lie in the file in any order; some twice
 * in another segment. */
static struct writer *spread(const struct chunk *chunk, unsigned twice) {
    static const unsigned order[SEGMENTS] = {3, 0, 5, 1, 4, 2};
    unsigned in[CHUNKS], also[CHUNKS];
    for (unsigned i = 0; i < CHUNKS; i++) {
        in[i] = (unsigned)below(SEGMENTS);
        also[i] = twice != 0 && below(twice) == 0 ? (unsigned)below(SEGMENTS) : SEGMENTS;
    }
    struct writer *w = writer_new();
    for (unsigned s = 0; s < SEGMENTS; s++) {
        writer_segment(w);
        for (unsigned i = 0; i < CHUNKS; i++)
            if (in[i] == order[s] || also[i] == order[s]) {
                struct tape_chunk_header h = chunk[i].header;
                writer_put_chunk(w, &h, chunk[i].payload);
            }
    }
    return w;
}

static void test_spread(void **state) {
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct chunk chunk[CHUNKS];
        struct writer *one = in_one_segment();
        list_chunks(one, chunk);
        struct writer *several = spread(chunk, round % 4);
        writer_close(several, 1000000, 0, "exit");
        struct content found = saved_content(several);
        writer_close(one, 1000000, 0, "exit");
        struct content expected = saved_content(one);
        assert_true(is_whole(&expected) && is_whole(&found));
        assert_int_equal(found.events, expected.events);
        assert_int_equal(found.hash, expected.hash);
        assert_int_equal(found.health.chunks, CHUNKS);
    }
}

static void test_few_runs(void **state) {
    (void)state;
    struct chunk chunk[CHUNKS];
    struct writer *one = in_one_segment();
    list_chunks(one, chunk);
    struct writer *several = spread(chunk, 0);
    writer_close(several, 1000000, 0, "exit");
    writer_save(several, tape_path);
    writer_free(several);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_int_equal(tape->stream_count, STREAMS);
    assert_true(tape->run_count <= STREAMS * SEGMENTS);
    tape_file_close(tape);
    writer_free(one);
}

/* Behind a damaged chunk header the chunks are found again, and belong to other runs. */
static void test_damage_within(void **state) {
    (void)state;
    struct writer *w = in_one_segment();
    struct chunk chunk[CHUNKS];
    list_chunks(w, chunk);
    writer_close(w, 1000000, 0, "exit");
    uint64_t lost = 0;
    for (unsigned i = 20; i < CHUNKS; i += 40) {
        w->tape.p[(size_t)(chunk[i].payload - w->tape.p) - 20] ^= 0x10;
        lost += chunk[i].header.events;
    }
    struct content c = saved_content(w);
    assert_int_equal(c.health.lost, lost);
    assert_int_equal(c.health.damaged_chunks, 3);
    assert_int_equal(c.health.chunks, CHUNKS - 3);
}

/* A stream that ends in a gap, and one chunk that holds parts of two others. */
static void test_overlap(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1000);
    writer_chunk(w, 1, true); /* 0 to 9, and again with what follows */
    allocate(w, 1, 10, 2000);
    writer_chunk(w, 1, false); /* 0 to 19 */
    writer_segment(w);
    allocate(w, 1, 5, 3000);
    writer_chunk(w, 1, false);
    writer_close(w, 1000000, 0, "exit");
    writer_save(w, tape_path);
    writer_free(w);
    struct tape_file *tape = tape_file_open(tape_path);
    struct tape_walk walk;
    struct tape_piece p;
    static const unsigned expected[3][3] = {{0, 10, 0}, {0, 20, 10}, {20, 25, 0}};
    tape_walk_begin(&walk, tape, &tape->stream[0]);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(tape_walk_next(&walk, &p));
        assert_int_equal(p.first, expected[i][0]);
        assert_int_equal(p.end, expected[i][1]);
        assert_int_equal(p.skip, expected[i][2]);
    }
    assert_false(tape_walk_next(&walk, &p));
    tape_walk_end(&walk);
    tape_file_close(tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_few_runs),
        cmocka_unit_test(test_damage_within),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
