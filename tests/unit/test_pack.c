/* SPDX-License-Identifier: MIT */
/* Packed recordings: the same events in the same order with the same stamps, the same losses. */
#include "pack.h"
#include "tape/archive.h"
#include "tape_chunks.h"
#include "tape_content.h"

#include <signal.h>
#include <sys/resource.h>

static char packed_path[] = "x.packed.tape";

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

/* ---- files ---------------------------------------------------------------------------------- */

struct bytes {
    uint8_t *p;
    size_t count;
};

static struct bytes load(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    struct bytes b = {xmalloc(1 << 22), 0};
    b.count = fread(b.p, 1, 1 << 22, f);
    assert_true(b.count < 1 << 22);
    fclose(f);
    return b;
}

static struct content content_at(const char *path) {
    struct tape_file *tape = tape_file_open(path);
    assert_non_null(tape);
    struct content c = content_of(tape);
    tape_file_close(tape);
    return c;
}

static struct pack_result pack(const char *from, const char *to) {
    struct pack_result result = {0};
    assert_int_equal(pack_tape(from, to, true, 3, &result), EXIT_FINE);
    struct stat st;
    assert_int_equal(stat(to, &st), 0);
    assert_true((uint64_t)st.st_size == result.after);
    return result;
}

static void expect_same_content(const struct content *a, const struct content *b) {
    assert_int_equal(a->events, b->events);
    assert_true(a->hash == b->hash);
    assert_int_equal(a->health.events, b->health.events);
    assert_int_equal(a->health.lost, b->health.lost);
    assert_int_equal(a->health.damaged_chunks, b->health.damaged_chunks);
    assert_int_equal(a->health.damaged_bytes, b->health.damaged_bytes);
    assert_int_equal(a->process.closed, b->process.closed);
    assert_string_equal(a->damage, b->damage);
}

/* Saves the recording, packs it, compares, and does it again with what was packed. */
static struct content expect_packs(struct writer *w) {
    struct content before, after;
    writer_save(w, tape_path);
    writer_free(w);
    assert_true(read_tape(&before));
    pack(tape_path, packed_path);
    after = content_at(packed_path);
    expect_same_content(&before, &after);
    assert_false(after.process.tail_read);
    pack(packed_path, "twice.tape");
    struct bytes once = load(packed_path), twice = load("twice.tape");
    assert_int_equal(once.count, twice.count);
    assert_memory_equal(once.p, twice.p, once.count);
    free(once.p);
    free(twice.p);
    return after;
}

static void save_closed(void) {
    struct writer *w = closed_tape();
    writer_save(w, tape_path);
    writer_free(w);
}

/* ---- recordings ----------------------------------------------------------------------------- */

static void closed(void **state) {
    (void)state;
    struct content c = expect_packs(closed_tape());
    assert_true(c.process.closed && is_whole(&c));
    assert_int_equal(c.health.chunks, 2); /* three before: one a stream is left */
}

/* What an allocator and a program with several threads do, at random. */
static void random_events(struct writer *w, unsigned count) {
    static const unsigned kinds[] = {TAPE_OP_malloc,  TAPE_OP_malloc,         TAPE_OP_calloc,
                                     TAPE_OP_realloc, TAPE_OP_posix_memalign, TAPE_OP_POOL_ALLOC};
    uint64_t stamp[4] = {1000, 1000, 1000, 1000}, live[64] = {0}, stack[40];
    for (unsigned i = 0; i < count; i++) {
        uint32_t s = 1 + random_below(3), slot = random_below(64);
        uint64_t now = stamp[s] += random_below(4) == 0 ? random_below(200) : 0;
        unsigned depth = random_below(40);
        for (unsigned d = 0; d < depth; d++)
            stack[d] = 0x400000 + 64 * d + (d + 3 > depth ? random_below(3) : 0);
        if (live[slot] != 0 && random_below(8) != 0) {
            writer_release(w, s, now, random_below(5) == 0 ? TAPE_OP_REALLOC_FROM : TAPE_OP_free,
                           live[slot] + (random_below(30) == 0 ? 8 : 0));
            live[slot] = 0;
        } else if (random_below(60) == 0) {
            writer_mark(w, s, now, "a mark of 9.");
        } else if (random_below(60) == 0) {
            writer_thread(w, s, now, s, "thread");
        } else {
            unsigned op = kinds[random_below(6)];
            uint64_t size = random_below(40) == 0 ? UINT64_MAX : random_below(50) * 24;
            live[slot] = random_below(20) == 0 ? 0 : 0x10000 + 16 * random_below(5000);
            writer_alloc(w, s, now, op, live[slot], size, random_below(12), stack, depth);
        }
        if (random_below(50) == 0)
            writer_chunk(w, s, false);
    }
    for (uint32_t s = 1; s < 4; s++)
        writer_chunk(w, s, false);
}

static void at_random(void **state) {
    (void)state;
    for (unsigned shift = 0; shift < 12; shift += 3) {
        struct writer *w = writer_new();
        w->shift = shift;
        random_events(w, 5000);
        writer_close(w, 1000000, 1000000, "exit");
        struct content c = expect_packs(w);
        assert_int_equal(c.events, 5000);
    }
}

/* Other generations and units of time go into chunks of their own; stacks stay what they are. */
static void generations_and_units(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->shift = 6;
    for (unsigned i = 0; i < 6; i++) {
        w->generation = i / 2;
        w->shift = i == 3 ? 0 : 6;
        allocate(w, 1, 7, 1000 + i * 131);
        writer_chunk(w, 1, false);
    }
    writer_close(w, 5000, 5000, "exit");
    struct content c = expect_packs(w);
    assert_int_equal(c.health.chunks, 4);
}

static void gaps_and_losses(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 9, 10);
    writer_chunk(w, 1, false);
    allocate(w, 1, 5, 30);
    writer_drop(w, 1);
    w->stream[1].lost = 3;
    allocate(w, 1, 9, 50);
    writer_chunk(w, 1, false);
    allocate(w, 2, 9, 50);
    writer_chunk(w, 2, false);
    allocate(w, 2, 4, 70); /* CLOSE alone tells of these */
    writer_close(w, 200, 200, "exit");
    writer_drop(w, 2);
    struct content c = expect_packs(w);
    assert_int_equal(c.health.lost, 5 + 3 + 4);
}

/* Killed: events in the tail, some of them in the tape as well, a stream that lost its last ones.
 */
static void killed(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->shift = 4;
    w->info_clock = TAPE_CLOCK_TSC;
    writer_sample(w, 1, 90, 4096, 45);
    allocate(w, 1, 30, 100);
    writer_chunk(w, 1, true);
    allocate(w, 1, 10, 200);
    writer_tail(w, 1, false);
    allocate(w, 2, 10, 150);
    writer_chunk(w, 2, false);
    allocate(w, 2, 6, 300);
    writer_drop(w, 2);
    w->stream[2].lost = 2;
    writer_tail(w, 2, false); /* empty */
    struct content c = expect_packs(w);
    assert_int_equal(c.events, 51);
    assert_int_equal(c.health.lost, 8);
    assert_false(c.process.closed);
}

static void without_events(void **state) {
    (void)state;
    struct writer *w = writer_new();
    writer_close(w, 10, 10, "exit");
    assert_int_equal(expect_packs(w).events, 0);
}

static void lost_tail(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 30, 100);
    writer_chunk(w, 1, false);
    struct content c = expect_packs(w);
    expect_damage(&c, "x.tape.tail with the last events of each thread is missing");
}

/* The clock's line is that of the recording, also when samples lie elsewhere among the chunks. */
static void clock_stays(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->info_clock = TAPE_CLOCK_TSC;
    w->info_start_stamp = w->info_start_mono = 1;
    writer_sample(w, 1, 100, 4096, 1000);
    writer_chunk(w, 1, false);
    allocate(w, 1, 5, 1000000000);
    writer_chunk(w, 1, false);
    allocate(w, 2, 5, 10);
    writer_sample(w, 2, 900000000, 4096, 450000000);
    writer_chunk(w, 2, false);
    writer_late(w, 3, false);
    writer_save(w, tape_path);
    writer_free(w);
    pack(tape_path, packed_path);
    struct tape_file *a = tape_file_open(tape_path), *b = tape_file_open(packed_path);
    struct clock x = *tape_file_clock(a), y = *tape_file_clock(b);
    assert_int_equal(x.source, CLOCK_SOURCE_MEASURED);
    assert_true(x.factor == y.factor && x.shift == y.shift && x.start == y.start);
    assert_int_equal(x.grain, y.grain);
    tape_file_close(a);
    tape_file_close(b);
}

/* ---- what is not events --------------------------------------------------------------------- */

static bool holds(const struct bytes *b, const void *text, size_t n) {
    return memmem(b->p, b->count, text, n) != NULL;
}

static void other_chunks(void **state) {
    (void)state;
    static const char text[] = "of a later heaptape";
    struct writer *w = closed_tape();
    struct tape_chunk_header h = {.type = 99,
                                  .flags = 0,
                                  .stored_bytes = sizeof text,
                                  .raw_bytes = sizeof text};
    h.payload_crc = tape_crc32c(text, sizeof text);
    writer_put_chunk(w, &h, text);
    writer_image(w, 1, 150, NULL);
    uint32_t region = writer_image_region(w, 0x600000, 4096, TAPE_REGION_MODULE, 0);
    writer_image_word(w, region, 0x600010, 0x1000);
    writer_image_end(w, 10, NULL);
    struct tape_file *tape;
    expect_packs(w);
    struct bytes packed = load(packed_path);
    assert_true(holds(&packed, text, sizeof text));
    free(packed.p);
    tape = tape_file_open(packed_path);
    assert_int_equal(tape->image_chunk_count, 3);
    assert_true(tape_file_packing(tape)->packed && tape_file_packing(tape)->known);
    assert_int_equal(tape_file_packing(tape)->chunks, 3);
    struct stat st;
    assert_int_equal(stat(tape_path, &st), 0);
    assert_int_equal(tape_file_packing(tape)->bytes, st.st_size);
    tape_file_close(tape);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Offset of the payload of the nth EVENTS chunk. */
static size_t events_at(const struct bytes *b, unsigned nth) {
    for (size_t at = 0; at + TAPE_CHUNK_HEADER_BYTES < b->count; at += 8) {
        struct tape_in in = tape_in_of(b->p + at, TAPE_CHUNK_HEADER_BYTES);
        struct tape_chunk_header h = {0};
        if (tape_get_chunk_header(&in, &h) == TAPE_OK && h.type == TAPE_CHUNK_EVENTS && nth-- == 0)
            return at + TAPE_CHUNK_HEADER_BYTES;
    }
    fail();
    return 0;
}

/* A damaged recording says the same when it is packed: the place in the recording that it was. */
static void damaged_recording(void **state) {
    (void)state;
    for (unsigned nth = 0; nth < 3; nth++) {
        save_closed();
        struct bytes b = load(tape_path);
        b.p[events_at(&b, nth) + 20] ^= 1;
        writer_save_bytes(tape_path, b.p, b.count);
        free(b.p);
        struct content before, after;
        assert_true(read_tape(&before));
        assert_int_equal(before.health.damaged_chunks, 1);
        assert_true(before.health.lost > 0);
        struct pack_result result = pack(tape_path, packed_path);
        assert_false(result.whole);
        after = content_at(packed_path);
        expect_same_content(&before, &after);
        expect_damage(&after, "x.tape: offset ");
    }
}

static void damaged_info(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    w->tape.p[TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES + TAPE_CHUNK_HEADER_BYTES + 3] ^=
        1;
    struct content c = expect_packs(w);
    expect_damage(&c, "INFO chunk: checksum mismatch");
    assert_int_equal(c.health.damaged_chunks, 1);
}

/* No byte of a packed tape can change unseen, but for those that mean nothing. */
static void damaged_packed(void **state) {
    (void)state;
    save_closed();
    pack(tape_path, packed_path);
    struct content whole = content_at(packed_path);
    struct bytes b = load(packed_path);
    for (size_t at = TAPE_FILE_HEADER_BYTES; at < b.count; at++) {
        b.p[at] ^= 0x10;
        writer_save_bytes(tape_path, b.p, b.count);
        b.p[at] ^= 0x10;
        struct content c;
        assert_true(read_tape(&c));
        if (c.health.damaged_chunks == 0)
            assert_true(c.hash == whole.hash && c.health.lost == 0);
        else
            assert_true(c.health.events + c.health.lost <= whole.events);
    }
    free(b.p);
}

static void cut_off(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 300, 100);
    writer_tail(w, 1, false);
    writer_save(w, tape_path);
    writer_free(w);
    pack(tape_path, packed_path);
    struct bytes b = load(packed_path);
    unlink(tape_tail_path);
    for (size_t count = b.count - 1; count > events_at(&b, 0); count -= 7) {
        writer_save_bytes(tape_path, b.p, count);
        struct content c;
        assert_true(read_tape(&c));
        assert_true(c.health.damaged_chunks > 0);
    }
    free(b.p);
}

/* Any bytes at all: an error or events, and never more memory than there is. */
static void damaged_columns(void **state) {
    (void)state;
    enum { EVENTS = 400 };
    struct writer *w = writer_new();
    for (unsigned i = 0; i < EVENTS / 2; i++) {
        uint64_t stack[] = {0x400000, 0x500000 + i % 7};
        writer_alloc(w, 1, 10 + i, TAPE_OP_malloc, 0x1000 + 32 * (i % 9), 24, 0, stack, 2);
        writer_release(w, 1, 10 + i, TAPE_OP_free, 0x1000 + 32 * (i % 9));
    }
    struct writer_stream *s = &w->stream[1];
    struct tape_archive memory = {.bin = xmalloc(TAPE_BINS * sizeof(struct tape_bin)),
                                  .allocation = xmalloc(EVENTS * sizeof(uint32_t)),
                                  .slot = xmalloc(1024 * sizeof(uint32_t)),
                                  .slots = 1024};
    uint8_t *scratch = xmalloc(tape_archive_scratch(EVENTS, s->frame_count, s->address_count));
    struct tape_encoded e =
        tape_encode_archive(s->record, EVENTS, s->frame, (uint32_t)s->frame_count, s->address,
                            (uint32_t)s->address_count, 0, 3, &memory, scratch);
    uint8_t *payload = xmalloc(e.bytes);
    unsigned failed = 0;
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(payload, e.payload, e.bytes);
        for (unsigned n = round == 0 ? 0 : 1 + random_below(3); n > 0; n--)
            payload[random_below((uint32_t)e.bytes)] = (uint8_t)random_below(256);
        struct tape_events_in in;
        if (tape_decode_head(&in, payload, e.bytes, EVENTS, 10) != TAPE_OK) {
            failed++;
            continue;
        }
        struct tape_record *record = xmalloc(in.events * sizeof *record);
        uint32_t *frame = xmalloc(in.words * sizeof *frame + 1), good;
        uint64_t *address = xmalloc(in.addresses * sizeof *address + 1);
        enum tape_error error =
            in.version == TAPE_EVENTS_PACKED
                ? tape_decode_archive(&in, &memory, record, frame, address, &good)
                : tape_decode_body(&in, record, frame, address, &good);
        assert_true(good <= EVENTS && (error != TAPE_OK || good == EVENTS));
        assert_true(round > 0 || error == TAPE_OK);
        failed += error != TAPE_OK;
        free(record);
        free(frame);
        free(address);
    }
    assert_true(failed > 1000);
    free(payload);
    free(scratch);
    free(memory.bin);
    free(memory.allocation);
    free(memory.slot);
    writer_free(w);
}

/* ---- the file that is written --------------------------------------------------------------- */

static unsigned files_here(void) {
    unsigned count = 0;
    DIR *d = opendir(".");
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

static void existing_file_stays(void **state) {
    (void)state;
    struct pack_result result;
    save_closed();
    writer_save_bytes(packed_path, "mine", 4);
    unsigned files = files_here();
    assert_int_equal(pack_tape(tape_path, packed_path, false, 1, &result), EXIT_FINDING);
    struct bytes b = load(packed_path);
    assert_int_equal(b.count, 4);
    free(b.p);
    assert_int_equal(files_here(), files);
}

static void no_room(void **state) {
    (void)state;
    struct pack_result result;
    struct writer *w = writer_new();
    random_events(w, 20000);
    writer_close(w, 1000000, 1000000, "exit");
    writer_save(w, tape_path);
    writer_free(w);
    unlink(packed_path);
    unsigned files = files_here();
    struct rlimit limit, was;
    getrlimit(RLIMIT_FSIZE, &was);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){9000, was.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    int status = pack_tape(tape_path, packed_path, false, 1, &result);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, EXIT_FINDING);
    assert_int_equal(files_here(), files);
}

static void default_names(void **state) {
    (void)state;
    static const char *const names[][2] = {{"x.tape", "x.packed.tape"},
                                           {"d.tape/x.tape.12", "d.tape/x.packed.tape.12"},
                                           {"x.tape.12.2", "x.packed.tape.12.2"},
                                           {"x.tape.old", "x.tape.old.packed"},
                                           {"d.tape/x", "d.tape/x.packed"},
                                           {"x.tape.y.tape", "x.tape.y.packed.tape"},
                                           {"x.tapes", "x.tapes.packed"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *name = pack_default_name(names[i][0]);
        assert_string_equal(name, names[i][1]);
        free(name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed),
        cmocka_unit_test(at_random),
        cmocka_unit_test(generations_and_units),
        cmocka_unit_test(gaps_and_losses),
        cmocka_unit_test(killed),
        cmocka_unit_test(without_events),
        cmocka_unit_test(lost_tail),
        cmocka_unit_test(clock_stays),
        cmocka_unit_test(other_chunks),
        cmocka_unit_test(damaged_recording),
        cmocka_unit_test(damaged_info),
        cmocka_unit_test(damaged_packed),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(damaged_columns),
        cmocka_unit_test(existing_file_stays),
        cmocka_unit_test(no_room),
        cmocka_unit_test(default_names),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
