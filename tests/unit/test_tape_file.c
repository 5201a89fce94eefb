/* SPDX-License-Identifier: MIT */
/* Recordings on disk: pieces put together exactly once, losses counted, files that change. */
#include "tape_chunks.h"
#include "tape_content.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* ---- whole recordings --------------------------------------------------------------------- */

static void closed_recording(void **state) {
    (void)state;
    struct writer *w = closed_tape();
    writer_save(w, tape_path);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    const struct tape_process *p = tape_file_process(tape);
    assert_string_equal(p->recorder, "1.2.3");
    assert_string_equal(p->exe, "/bin/program");
    assert_string_equal(p->argv[0], "program");
    assert_string_equal(p->argv[1], "-x");
    assert_null(p->argv[2]);
    assert_null(p->env[0]);
    assert_null(p->parent);
    assert_int_equal(p->pid, 4711);
    assert_true(p->closed);
    assert_false(p->alive);
    assert_false(p->tail_read);
    assert_string_equal(p->end_reason, "exit");
    assert_int_equal(p->end_stamp, 200);
    assert_string_equal(tape_file_path(tape), tape_path);
    assert_int_equal(tape_file_bytes(tape), w->tape.count);
    struct content c = content_of(tape);
    assert_true(is_whole(&c));
    assert_int_equal(c.events, 2 + 20 + 1 + 10 + 2 + 15 + 1);
    assert_int_equal(c.health.chunks, 3);
    tape_file_close(tape);
    writer_free(w);
}

static void chunks_in_any_order(void **state) {
    (void)state;
    uint64_t hash = 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct writer *w = writer_new(), *parts[2] = {writer_new(), writer_new()};
        for (int i = 0; i < 2; i++) {
            parts[i]->no_info = true;
            parts[i]->stream[1].first = parts[i]->stream[1].end = (uint64_t)i * 10;
            allocate(parts[i], 1, 10, 100 * (uint64_t)i + 1);
        }
        for (int i = 0; i < 2; i++) {
            struct writer *part = parts[reverse ? 1 - i : i];
            struct writer_stream own = w->stream[1];
            w->stream[1] = part->stream[1];
            writer_chunk(w, 1, true);
            w->stream[1] = own;
        }
        writer_close(w, 300, 0, "exit");
        writer_free(parts[0]);
        writer_free(parts[1]);
        struct content c = saved_content(w);
        assert_true(is_whole(&c));
        assert_int_equal(c.events, 20);
        assert_true(reverse == 0 || c.hash == hash);
        hash = c.hash;
    }
}

static void unknown_chunks_are_skipped(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 5, 1);
    writer_chunk(w, 1, false);
    struct tape_chunk_header h = {.type = 200, .stored_bytes = 13, .raw_bytes = 99};
    writer_put_chunk(w, &h, "from a friend");
    allocate(w, 1, 5, 10);
    writer_chunk(w, 1, false);
    writer_close(w, 30, 0, "exit");
    struct content c = saved_content(w);
    assert_true(is_whole(&c));
    assert_int_equal(c.events, 10);
}

/* ---- tape and tail: exactly once ---------------------------------------------------------- */

/* The same 60 events of one stream, however they are spread, whole or twice. */
static void exactly_once(void **state) {
    (void)state;
    uint64_t hash = 0;
    for (unsigned variant = 0; variant < 27; variant++) {
        struct writer *w = writer_new();
        unsigned code = variant;
        for (unsigned i = 0; i < 3; i++, code /= 3) {
            allocate(w, 1, 20, 100 * (uint64_t)i);
            if (code % 3 == 1) /* the chunk is written, the buffer not emptied yet */
                writer_tail(w, 1, true);
            if (code % 3 == 2)
                writer_tail(w, 1, false);
            else
                writer_chunk(w, 1, false);
        }
        if (w->tail.count == 0)
            writer_tail(w, 1, false); /* empty */
        struct content c = saved_content(w);
        assert_true(is_whole(&c));
        assert_int_equal(c.events, 60);
        assert_false(c.process.closed);
        assert_true(variant == 0 || c.hash == hash);
        hash = c.hash;
    }
}

/* The buffer has gone on since its first events became a chunk: their stacks still count. */
static void overlapping_tail(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 13, 1);
    writer_chunk(w, 1, true);
    allocate(w, 1, 20, 20);
    writer_tail(w, 1, false);
    struct content overlapping = saved_content(w);
    assert_true(is_whole(&overlapping));
    assert_true(overlapping.process.tail_read);
    assert_int_equal(overlapping.health.chunks, 2);
    w = writer_new();
    allocate(w, 1, 13, 1);
    allocate(w, 1, 20, 20);
    writer_tail(w, 1, false);
    struct content plain = saved_content(w);
    assert_int_equal(overlapping.events, 33);
    assert_true(overlapping.hash == plain.hash);
}

static void late_events(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    writer_chunk(w, 1, false);
    writer_close(w, 50, 0, "exit");
    writer_segment(w);
    allocate(w, 1, 5, 60);
    writer_late(w, 1, false);
    struct content c = saved_content(w);
    assert_true(is_whole(&c));
    assert_int_equal(c.events, 15);
    assert_true(c.process.closed);

    w = writer_new(); /* a short process that was killed: no tail yet, its only buffer is here */
    writer_segment(w);
    allocate(w, 1, 5, 60);
    writer_late(w, 1, false);
    c = saved_content(w);
    assert_true(is_whole(&c));
    assert_int_equal(c.events, 5);
}

/* Closing cuts the last segment; a late one may follow within its former length. */
static void late_segment_in_cut_one(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    writer_chunk(w, 1, false);
    writer_close(w, 50, 0, "exit");
    writer_segment(w);
    allocate(w, 1, 5, 60);
    writer_late(w, 1, false);
    struct tape_segment_header h = {.offset = TAPE_FILE_HEADER_BYTES, .length = 1 << 20};
    tape_put_segment_header(w->tape.p + TAPE_FILE_HEADER_BYTES, &h);
    struct content c = saved_content(w);
    assert_true(is_whole(&c));
    assert_int_equal(c.events, 15);
}

/* ---- loss ------------------------------------------------------------------------------------ */

static void gaps_are_losses(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    writer_chunk(w, 1, false);
    allocate(w, 1, 7, 20);
    writer_drop(w, 1);
    allocate(w, 1, 5, 40);
    writer_chunk(w, 1, false);
    allocate(w, 2, 3, 50);
    writer_drop(w, 2); /* a stream of which CLOSE alone knows */
    allocate(w, 1, 2, 60);
    writer_drop(w, 1);
    writer_close(w, 100, 0, "exit");
    struct content c = saved_content(w);
    assert_int_equal(c.events, 15);
    assert_int_equal(c.health.lost, 7 + 3 + 2);
    assert_int_equal(c.health.damaged_chunks, 0);
}

static void counted_losses(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    w->stream[1].lost = 3;
    writer_chunk(w, 1, false);
    allocate(w, 1, 10, 20);
    w->stream[1].lost = 5; /* so far: not 8 */
    writer_tail(w, 1, false);
    allocate(w, 2, 10, 20);
    w->stream[2].lost = 100;
    writer_chunk(w, 2, false);
    w->stream[2].lost = 101;
    writer_tail(w, 2, false); /* empty, but it knows of another one */
    struct content c = saved_content(w);
    assert_int_equal(c.events, 30);
    assert_int_equal(c.health.lost, 106);
}

/* ---- files that change -------------------------------------------------------------------- */

static void grows_while_open(void **state) {
    (void)state;
    struct writer *w = writer_new();
    allocate(w, 1, 10, 1);
    writer_chunk(w, 1, false);
    allocate(w, 1, 10, 20);
    writer_tail(w, 1, true);
    writer_save(w, tape_path);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    writer_chunk(w, 1, false); /* the buffer is emptied and refilled */
    w->tail.count = 0;
    allocate(w, 1, 15, 50);
    writer_tail(w, 1, false);
    writer_save(w, tape_path);
    struct content before = content_of(tape), after;
    assert_true(is_whole(&before));
    assert_int_equal(before.events, 20);
    assert_true(read_tape(&after));
    assert_true(is_whole(&after));
    assert_int_equal(after.events, 35);
    tape_file_close(tape);
    writer_free(w);
}

/* A recorder of the simplest kind: one stream, one buffer, one segment of the tape. */
enum { BUFFER_EVENTS = 512, SEGMENT_BYTES = 32 << 20, LOOKS = 120 };

struct small_recorder {
    uint8_t *tape;              /* the whole file, mapped */
    size_t used;                /* bytes of it */
    struct tape_region *region; /* the tail, mapped */
};

static uint8_t *map_file(const char *name, size_t bytes) {
    int fd = open(name, O_RDWR);
    assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(p != MAP_FAILED);
    close(fd);
    return p;
}

/* The buffer's events become a chunk, then the buffer is emptied and used again. */
static bool empty_buffer(struct small_recorder *r) {
    static uint8_t scratch[64 * 1024];
    struct tape_region *g = r->region;
    const void *records = (uint8_t *)g + g->records_at;
    struct tape_encoded e =
        tape_encode_events(records, BUFFER_EVENTS, NULL, 0, NULL, 0, 0, 0, scratch);
    struct tape_chunk_header h = {.type = TAPE_CHUNK_EVENTS,
                                  .stored_bytes = (uint32_t)e.bytes,
                                  .raw_bytes = (uint32_t)e.bytes,
                                  .stream = 1,
                                  .events = BUFFER_EVENTS,
                                  .first_event = g->first,
                                  .first_stamp = e.first_stamp,
                                  .last_stamp = e.last_stamp,
                                  .payload_crc = tape_crc32c(e.payload, e.bytes)};
    if (r->used + tape_chunk_span(h.stored_bytes) > SEGMENT_BYTES)
        return false;
    memcpy(r->tape + r->used + TAPE_CHUNK_HEADER_BYTES, e.payload, e.bytes);
    tape_put_chunk_header(r->tape + r->used, &h);
    tape_commit_chunk(r->tape + r->used);
    r->used += tape_chunk_span(h.stored_bytes);
    __atomic_store_n(&g->first, g->end, __ATOMIC_RELEASE);
    return true;
}

/* Event n has the size n. Ends when the segment is full. */
static void record_on_and_on(struct small_recorder *r) {
    struct tape_region *g = r->region;
    struct tape_record *records = (struct tape_record *)(void *)((uint8_t *)g + g->records_at);
    for (uint64_t n = 0;; n++) {
        if (n - g->first == BUFFER_EVENTS && !empty_buffer(r))
            _exit(0);
        records[n - g->first] =
            (struct tape_record){.stamp = n, .addr_op = tape_addr_op(0, TAPE_OP_malloc), .size = n};
        __atomic_store_n(&g->end, n + 1, __ATOMIC_RELEASE);
    }
}

/* Copies of the buffer: none is half old, half new. */
static void check_buffers(const struct tape_file *tape) {
    for (size_t i = 0; i < tape->piece_count; i++) {
        const struct tape_piece *p = &tape->piece[i];
        for (uint32_t k = 0; p->buffer != NULL && k < p->buffer->records; k++)
            assert_true(p->buffer->record[k].size == p->first + k);
    }
}

static void check_number(void *context, const struct tape_event *e, uint64_t now, uint32_t stream,
                         uint32_t thread, uint32_t stack) {
    uint64_t *next = context;
    (void)now, (void)stream, (void)thread, (void)stack;
    assert_true(e->size == (*next)++);
}

static void check_events(struct tape_file *tape) {
    uint64_t next = 0;
    struct replay *replay = replay_new(tape);
    replay_observe(replay, &(struct observer){.context = &next, .on_event = check_number});
    replay_run(replay, UINT64_MAX);
    assert_null(tape_file_health(tape)->first_damage);
    assert_int_equal(next, tape_file_health(tape)->events);
    replay_free(replay);
}

/* However often one looks: all events that were there before the look, in order, no damage. */
static void still_being_written(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->stream[1].record = xcalloc(BUFFER_EVENTS, sizeof *w->stream[1].record);
    writer_tail(w, 1, false);
    writer_segment(w);
    writer_save(w, tape_path);
    struct small_recorder r = {.tape = map_file(tape_path, SEGMENT_BYTES), .used = w->tape.count};
    r.region = (struct tape_region *)(void *)map_file(tape_tail_path, 32768);
    writer_free(w);
    struct tape_segment_header h = {.offset = TAPE_FILE_HEADER_BYTES,
                                    .length = SEGMENT_BYTES - TAPE_FILE_HEADER_BYTES};
    tape_put_segment_header(r.tape + TAPE_FILE_HEADER_BYTES, &h);
    r.region->records_cap = BUFFER_EVENTS;
    r.region->frames_at = r.region->addresses_at =
        r.region->records_at + BUFFER_EVENTS * (uint32_t)sizeof(struct tape_record);
    r.region->frames_cap = r.region->addresses_cap = 0;
    r.region->length = 32768;
    pid_t child = fork();
    if (child == 0)
        record_on_and_on(&r);
    uint64_t before = 0;
    for (int i = 1; i <= LOOKS; i++) {
        if (i == LOOKS)
            kill(child, SIGKILL);
        before = __atomic_load_n(&r.region->end, __ATOMIC_ACQUIRE);
        struct tape_file *tape = tape_file_open(tape_path);
        assert_non_null(tape);
        assert_null(tape_file_health(tape)->first_damage);
        assert_int_equal(tape_file_health(tape)->lost, 0);
        assert_true(tape_file_health(tape)->events >= before);
        check_buffers(tape);
        if (i == LOOKS)
            check_events(tape);
        tape_file_close(tape);
    }
    waitpid(child, NULL, 0);
    assert_true(before > 1000);
    munmap(r.tape, SEGMENT_BYTES);
    munmap(r.region, 32768);
}

/* A process that maps the tail is the recorder at work. */
static void is_it_alive(void **state) {
    (void)state;
    struct utsname host;
    uname(&host);
    struct writer *w = writer_new();
    w->info_pid = (uint64_t)getpid();
    w->info_host = host.nodename;
    allocate(w, 1, 10, 1);
    writer_tail(w, 1, false);
    writer_save(w, tape_path);
    struct content c;
    assert_true(read_tape(&c));
    assert_false(c.process.alive);
    int fd = open(tape_tail_path, O_RDWR);
    assert_true(fd >= 0);
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    assert_true(map != MAP_FAILED);
    assert_true(read_tape(&c));
    assert_true(c.process.alive);
    writer_close(w, 100, 0, "exit");
    writer_save(w, tape_path);
    assert_true(read_tape(&c));
    assert_false(c.process.alive);
    munmap(map, 4096);
    writer_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_recording),
        cmocka_unit_test(chunks_in_any_order),
        cmocka_unit_test(unknown_chunks_are_skipped),
        cmocka_unit_test(exactly_once),
        cmocka_unit_test(overlapping_tail),
        cmocka_unit_test(late_events),
        cmocka_unit_test(late_segment_in_cut_one),
        cmocka_unit_test(gaps_are_losses),
        cmocka_unit_test(counted_losses),
        cmocka_unit_test(grows_while_open),
        cmocka_unit_test(still_being_written),
        cmocka_unit_test(is_it_alive),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
