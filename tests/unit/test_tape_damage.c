/* SPDX-License-Identifier: MIT */
/* Damaged recordings: refused with one clear line, or read but for the damage, which is named. */
#include "tape_content.h"

#include <fcntl.h>

/* ---- messages ------------------------------------------------------------------------------- */

static int stderr_was = -1;

static void hide_stderr(void) {
    int fd = open("err", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    fflush(stderr);
    stderr_was = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void show_stderr(char *text, size_t room) {
    fflush(stderr);
    dup2(stderr_was, STDERR_FILENO);
    close(stderr_was);
    FILE *f = fopen("err", "r");
    assert_non_null(f);
    text[fread(text, 1, room - 1, f)] = 0;
    fclose(f);
}

/* Opening fails with one line that has this in it. */
static void expect_refused(const char *name, const char *message) {
    char text[500];
    hide_stderr();
    struct tape_file *tape = tape_file_open(name);
    show_stderr(text, sizeof text);
    assert_null(tape);
    char *end = strchr(text, '\n');
    assert_true(end != NULL && end[1] == 0);
    if (strncmp(text, "heaptape: ", 10) != 0 || strstr(text, message) == NULL)
        fail_msg("'%s' instead of '%s'", text, message);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void refused_files(void **state) {
    (void)state;
    expect_refused("nothing.tape", "nothing.tape: cannot be opened: No such file");
    expect_refused(".", "directory");
    writer_save_bytes(tape_path, "", 0);
    expect_refused(tape_path, "x.tape: empty file");
    writer_save_bytes(tape_path, "#!/bin/sh\n", 10);
    expect_refused(tape_path, "not a heaptape recording: offset 0 has 23 21 2f");
    struct writer *w = closed_tape();
    writer_tail(w, 3, false);
    writer_save(w, tape_path);
    expect_refused(tape_tail_path, "name the tape, x.tape");
    w->header.major = 9;
    tape_put_file_header(w->tape.p, &w->header);
    writer_save(w, tape_path);
    expect_refused(tape_path, "offset 8: tape format 9.0");
    w->header.major = 1;
    w->header.features = 2;
    tape_put_file_header(w->tape.p, &w->header);
    writer_save(w, tape_path);
    expect_refused(tape_path, "offset 16: needs features 0x2");
    writer_free(w);
}

static void damaged_header(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    for (size_t i = 0; i < TAPE_FILE_HEADER_BYTES; i++) {
        w->tape.p[i] ^= 0x41;
        writer_save(w, tape_path);
        expect_refused(tape_path, i < 8 ? "not a heaptape recording" : "header damaged");
        w->tape.p[i] ^= 0x41;
        writer_save_bytes(tape_path, w->tape.p, i);
        expect_refused(tape_path, i == 0 ? "empty" : "cut off");
    }
    writer_free(w);
}

static void no_events_at_all(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    struct content c;
    writer_save_bytes(tape_path, w->tape.p, TAPE_FILE_HEADER_BYTES);
    unlink(tape_tail_path);
    writer_free(w);
    assert_true(read_tape(&c));
    assert_int_equal(c.events, 0);
    expect_damage(&c, "x.tape: offset 64: the recording was not closed, and x.tape.tail");
    w = writer_new();
    writer_close(w, 10, 0, "exit");
    c = saved_content(w);
    assert_int_equal(c.events, 0);
    assert_true(is_whole(&c));
}

/* Offset of the nth chunk header. */
static size_t chunk_at(const struct writer *w, unsigned n) {
    size_t at = TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES;
    for (;; n--) {
        struct tape_in in = tape_in_of(w->tape.p + at, TAPE_CHUNK_HEADER_BYTES);
        struct tape_chunk_header h = {0};
        if (n == 0)
            return at;
        assert_int_equal(tape_get_chunk_header(&in, &h), TAPE_OK);
        at += tape_chunk_span(h.stored_bytes);
    }
}

/* INFO, four chunks of ten events, CLOSE. */
static struct writer *four_chunks(void) {
    struct writer *w = writer_new();
    for (uint64_t i = 0; i < 4; i++) {
        allocate(w, 1, 10, 1 + 100 * i);
        writer_chunk(w, 1, false);
    }
    writer_close(w, 500, 0, "exit");
    return w;
}

static void damaged_chunk_headers(void **state) {
    (void)state;
    struct writer *w = four_chunks();
    size_t at = chunk_at(w, 2);
    w->tape.p[at + 20] ^= 1;
    struct content c;
    writer_save(w, tape_path);
    assert_true(read_tape(&c));
    assert_int_equal(c.events, 30);
    assert_int_equal(c.health.lost, 10);
    assert_int_equal(c.health.damaged_chunks, 1);
    expect_damage(&c, "chunk header: checksum mismatch");
    w->tape.p[at + 20] ^= 1;
    assert_int_equal(c.health.damaged_bytes, chunk_at(w, 3) - at);
    w->tape.p[at] ^= 1;
    writer_save(w, tape_path);
    assert_true(read_tape(&c));
    assert_int_equal(c.events, 30);
    expect_damage(&c, "no chunk begins here: found 49 43 48 4b");
    writer_free(w);
}

static void damaged_payload(void **state) {
    (void)state;
    struct writer *w = four_chunks();
    w->tape.p[chunk_at(w, 2) + TAPE_CHUNK_HEADER_BYTES + 9] ^= 0x10;
    writer_save(w, tape_path);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    for (int i = 0; i < 2; i++) { /* the second reading finds the same, and counts it no more */
        struct content c = content_of(tape);
        assert_int_equal(c.events, 30);
        assert_int_equal(c.health.lost, 10);
        assert_int_equal(c.health.chunks, 3);
        assert_int_equal(c.health.damaged_chunks, 1);
        expect_damage(&c, "events of stream 1: damaged compressed data; 10 lost");
    }
    tape_file_close(tape);
    writer_free(w);
}

/* An event in the middle of a sound frame takes more frames off than there are. */
static void inconsistent_events(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    w->stream[1].record[6].pop_align += 1000;
    writer_chunk(w, 1, false);
    allocate(w, 1, 10, 20);
    w->stream[1].record[3].push = 1 << 20;
    writer_tail(w, 1, false);
    writer_save(w, tape_path);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    for (int i = 0; i < 2; i++) {
        struct content c = content_of(tape);
        assert_int_equal(c.events, 6 + 3);
        assert_int_equal(c.health.lost, 4 + 7);
        assert_int_equal(c.health.damaged_chunks, 2);
        expect_damage(&c, "event 7 of 10: stack change pops more frames than there are; 4 lost");
    }
    tape_file_close(tape);
    writer_free(w);
}

static void damaged_segment(void **state) {
    (void)state;
    struct writer *w = writer_new();
    for (uint64_t i = 0; i < 3; i++) {
        allocate(w, 1, 10, 1 + 100 * i);
        writer_chunk(w, 1, false);
        writer_segment(w);
    }
    writer_close(w, 500, 0, "exit");
    w->tape.p[TAPE_SEGMENT_ALIGN + 5] ^= 1; /* of the second one */
    struct content c;
    writer_save_bytes(tape_path, w->tape.p, w->tape.count);
    writer_free(w);
    assert_true(read_tape(&c));
    assert_int_equal(c.events, 30); /* its chunks are good all the same */
    assert_int_equal(c.health.lost, 0);
    assert_int_equal(c.health.damaged_chunks, 1);
    expect_damage(&c, "offset 65536: segment header: checksum mismatch");
}

static void damaged_tail(void **state) {
    (void)state;
    static const struct {
        size_t at; /* in the region header */
        uint32_t value;
        const char *message;
    } damage[] = {
        {8, 0xffffff00, "its length goes beyond"},
        {8, 64, "its length goes beyond"},
        {24, 10000, "it holds more events"},
        {24, 0, "it ends before"},
        {48, 0xffffff00, "an array goes beyond"},
        {52, 0xffffff, "an array goes beyond"},
        {60, 0xffffff, "an array goes beyond"},
        {64, 16, "an array goes beyond"},
        {4, 0, "it names no stream"},
    };
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct writer *w = writer_new();
        allocate(w, 1, 10, 1);
        writer_chunk(w, 1, false);
        allocate(w, 1, 10, 20);
        writer_tail(w, 1, false);
        allocate(w, 2, 10, 20);
        writer_tail(w, 2, false);
        tape_put_u32(w->tail.p + damage[i].at, damage[i].value);
        struct content c = saved_content(w);
        assert_int_equal(c.events, 20); /* the chunk and the other buffer */
        assert_int_equal(c.health.damaged_chunks, 1);
        expect_damage(&c, "x.tape.tail: offset 0: buffer of stream");
        expect_damage(&c, damage[i].message);
    }
}

static void foreign_tail(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    writer_chunk(w, 1, false);
    allocate(w, 1, 10, 20);
    writer_tail(w, 1, false);
    w->tail.p[72] ^= 1;
    struct content c = saved_content(w);
    assert_int_equal(c.events, 10);
    assert_false(c.process.tail_read);
    expect_damage(&c, "x.tape.tail with the last events of each thread is missing");
}

/* ---- any byte, any length ------------------------------------------------------------------- */

static void put_byte(const char *name, size_t at, uint8_t byte) {
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, &byte, 1, (off_t)at) == 1);
    close(fd);
}

/* Between the segments lie 64 KiB of zeros: a few places there stand for all. */
static bool is_worth_trying(const struct writer *w, size_t at) {
    return at < 1500 || at + 1500 > w->tape.count || at % 4099 == 0;
}

/* Whatever is cut off: no crash, and what is missing is told. */
static void cut_anywhere(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    struct content whole, c;
    char text[300];
    writer_save(w, tape_path);
    assert_true(read_tape(&whole));
    for (size_t n = w->tape.count; n-- > TAPE_FILE_HEADER_BYTES;) {
        if (!is_worth_trying(w, n))
            continue;
        assert_int_equal(truncate(tape_path, (off_t)n), 0);
        hide_stderr();
        bool opened = read_tape(&c);
        show_stderr(text, sizeof text);
        assert_true(opened);
        assert_string_equal(text, "");
        assert_true(c.events <= whole.events);
        assert_true(!is_whole(&c) || (c.hash == whole.hash && c.process.closed));
    }
    writer_free(w);
}

/* Whichever byte is wrong: no crash, and nothing else comes out without a word. */
static void flipped_anywhere(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    struct content whole, c;
    writer_save(w, tape_path);
    assert_true(read_tape(&whole));
    unsigned noticed = 0, unnoticed = 0;
    for (size_t i = TAPE_FILE_HEADER_BYTES; i < w->tape.count; i++) {
        if (!is_worth_trying(w, i))
            continue;
        put_byte(tape_path, i, w->tape.p[i] ^ (uint8_t)(1 << i % 8));
        assert_true(read_tape(&c));
        put_byte(tape_path, i, w->tape.p[i]);
        assert_true(c.events <= whole.events);
        if (is_whole(&c)) {
            assert_true(c.hash == whole.hash && c.process.closed);
            unnoticed++;
        } else {
            noticed++;
        }
    }
    assert_true(noticed > 500 && unnoticed > 100);
    writer_free(w);
}

/* Buffers have no checksum: anything may come out, but nothing may crash. */
static void damaged_buffers(void **state) {
    (void)state;
    struct writer *w = writer_new();
    writer_thread(w, 1, 1, 11, "main");
    writer_module(w, 1, 2, 0x400000, 0x500000, 0, "/bin/program");
    allocate(w, 1, 20, 10);
    writer_late(w, 1, false);
    writer_mark(w, 1, 40, "mark");
    allocate(w, 1, 20, 50);
    writer_tail(w, 1, false);
    writer_save(w, tape_path);
    struct content whole, c;
    assert_true(read_tape(&whole));
    assert_int_equal(whole.events, 43);
    for (int in_tail = 0; in_tail < 2; in_tail++) {
        const struct writer_bytes *b = in_tail ? &w->tail : &w->tape;
        const char *name = in_tail ? tape_tail_path : tape_path;
        for (size_t i = in_tail ? 0 : TAPE_FILE_HEADER_BYTES; i < b->count; i++) {
            static const uint8_t flips[] = {0x01, 0x80, 0xff};
            put_byte(name, i, b->p[i] ^ flips[i % 3]);
            read_tape(&c);
            put_byte(name, i, b->p[i]);
        }
        assert_true(read_tape(&c));
        assert_true(c.hash == whole.hash);
        for (size_t n = b->count; n > TAPE_FILE_HEADER_BYTES; n -= 1 + n % 3) {
            assert_int_equal(truncate(name, (off_t)n), 0);
            read_tape(&c);
            assert_true(c.events <= whole.events);
        }
        writer_save(w, tape_path);
    }
    writer_free(w);
}

/* ---- a file that shrinks -------------------------------------------------------------------- */

static void shortened_while_open(void **state) {
    (void)state;
    struct writer *w = four_chunks();
    writer_save(w, tape_path);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    assert_int_equal(tape_file_health(tape)->events, 40);
    assert_int_equal(truncate(tape_path, (off_t)chunk_at(w, 3) + 10), 0);
    struct content c = content_of(tape);
    assert_int_equal(c.events, 20);
    assert_int_equal(c.health.lost, 20);
    expect_damage(&c, "the file has changed while it was read: 20 events of stream");
    tape_file_close(tape);
    writer_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_files),        cmocka_unit_test(damaged_header),
        cmocka_unit_test(no_events_at_all),     cmocka_unit_test(damaged_chunk_headers),
        cmocka_unit_test(damaged_payload),      cmocka_unit_test(inconsistent_events),
        cmocka_unit_test(damaged_segment),      cmocka_unit_test(damaged_tail),
        cmocka_unit_test(foreign_tail),         cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),     cmocka_unit_test(damaged_buffers),
        cmocka_unit_test(shortened_while_open),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
