/* SPDX-License-Identifier: MIT */
/*
 * The recorder's core without its hooks: threads record into their streams, the tape is read back
 * with the decoders of include/tape and every event must be there once, in order. Also run with
 * the thread and address sanitizers, and with each call for resources failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "real.h"
#include "recorder.h"
#include "sys.h"
#include "tape/events.h"

enum { THREADS = 4, PAIRS = 20000, STREAMS = 64 };

struct found {
    uint64_t allocations, frees, threads, samples, other;
    uint64_t next[STREAMS]; /* next ordinal by stream */
    uint64_t late;          /* events in LATE chunks */
    uint64_t wrong_depth;   /* events whose stack is not as deep as its size says */
    bool closed;
    enum tape_error error;
};

/* Frames of this test on top of main or a thread's start; an event's size is its depth here. */
__attribute__((noinline)) static void pair_at(int depth, uintptr_t address, uint64_t size) {
    if (depth > 0) {
        pair_at(depth - 1, address, size);
        __asm__ volatile("");
        return;
    }
    stream_event_alloc(TAPE_OP_malloc, (void *)address, size, 0, __builtin_frame_address(0));
    stream_event_free(TAPE_OP_free, (void *)address, __builtin_frame_address(0));
}

static void *record_pairs(void *arg) {
    uintptr_t base = (uintptr_t)arg;
    for (int i = 0; i < PAIRS; i++)
        pair_at(i % 30, base + (uintptr_t)i * 16, (uint64_t)(i % 30));
    return NULL;
}

static void count_event(struct found *f, const struct tape_record *e, uint32_t depth,
                        uint32_t *depth_at_zero) {
    unsigned op = tape_record_op(e);
    switch (tape_op_class(op)) {
    case TAPE_CLASS_ALLOC:
        f->allocations++;
        if (e->size == 0)
            *depth_at_zero = depth;
        else if (*depth_at_zero != 0 && depth != *depth_at_zero + e->size)
            f->wrong_depth++;
        break;
    case TAPE_CLASS_FREE:
        f->frees++;
        break;
    case TAPE_CLASS_SAMPLE:
        f->samples++;
        break;
    default:
        f->threads += op == TAPE_OP_THREAD;
        f->other += op != TAPE_OP_THREAD;
        break;
    }
}

static void read_events(struct found *f, const struct tape_chunk_header *h, const uint8_t *p) {
    uint8_t *raw = malloc(h->raw_bytes);
    if (h->codec == TAPE_CODEC_ZSTD)
        assert_int_equal(ZSTD_decompress(raw, h->raw_bytes, p, h->stored_bytes), h->raw_bytes);
    else
        memcpy(raw, p, h->raw_bytes);
    struct tape_events_in in;
    assert_int_equal(tape_decode_head(&in, raw, h->raw_bytes, h->events, h->first_stamp), TAPE_OK);
    struct tape_record *record = malloc(in.events * sizeof *record);
    uint32_t *frame = malloc(in.words * sizeof *frame + 1), events;
    uint64_t *address = malloc(in.addresses * sizeof *address + 1);
    f->error = tape_decode_body(&in, record, frame, address, &events);
    for (uint32_t i = 0; i < in.addresses; i++)
        assert_true(address[i] != 0);
    uint32_t depth = 0, depth_at_zero = 0;
    for (uint32_t i = 0; i < events; i++) {
        if (tape_op_has_stack(tape_record_op(&record[i]))) {
            uint32_t pop = record[i].pop_align & TAPE_POP_MAX;
            assert_true(pop <= depth);
            depth = depth - pop + record[i].push;
        } else if (tape_record_op(&record[i]) == TAPE_OP_THREAD) {
            depth = depth_at_zero = 0;
        }
        count_event(f, &record[i], depth, &depth_at_zero);
    }
    free(record);
    free(frame);
    free(address);
    free(raw);
}

/* Chunks of a stream may be out of order only between workers; here they are followed through. */
static void read_chunk(struct found *f, const struct tape_chunk_header *h, const uint8_t *p) {
    if (h->type == TAPE_CHUNK_EVENTS) {
        assert_true(h->stream < STREAMS);
        f->next[h->stream] += h->events;
        read_events(f, h, p);
    } else if (h->type == TAPE_CHUNK_LATE) {
        struct tape_region g;
        memcpy(&g, p, sizeof g);
        f->late += g.magic == TAPE_REGION_MAGIC ? g.end - g.first : 0;
    } else if (h->type == TAPE_CHUNK_CLOSE) {
        f->closed = true;
    }
}

static void read_tape(const char *path, struct found *f) {
    memset(f, 0, sizeof *f);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    size_t bytes = (size_t)st.st_size;
    uint8_t *data = malloc(bytes);
    assert_int_equal(fread(data, 1, bytes, file), bytes);
    fclose(file);
    for (uint64_t at = TAPE_FILE_HEADER_BYTES; at + TAPE_SEGMENT_HEADER_BYTES <= bytes;) {
        struct tape_in in = tape_in_of(data + at, bytes - at);
        struct tape_segment_header segment = {0};
        if (tape_get_segment_header(&in, &segment) != TAPE_OK) {
            at = tape_align(at + 1, TAPE_SEGMENT_ALIGN);
            continue;
        }
        uint64_t end = at + segment.length < bytes ? at + segment.length : bytes;
        uint64_t chunk = at + TAPE_SEGMENT_HEADER_BYTES;
        while (chunk + TAPE_CHUNK_HEADER_BYTES <= end) {
            struct tape_chunk_header h = {0};
            in = tape_in_of(data + chunk, end - chunk);
            if (tape_get_chunk_header(&in, &h) != TAPE_OK)
                break;
            read_chunk(f, &h, data + chunk + TAPE_CHUNK_HEADER_BYTES);
            chunk += tape_chunk_span(h.stored_bytes);
        }
        at = tape_align(at + segment.length, TAPE_SEGMENT_ALIGN);
    }
    free(data);
}

static void run_threads(void) {
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, record_pairs, (void *)((i + 1) << 32)),
                         0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* Runs `body` in a child with a recording of its own; returns its exit status, its tape's path. */
static int in_child(void (*body)(void), char path[static 256]) {
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct recorder *r;
        body();
        r = atomic_load(&recorder);
        recorder_end("exit", __builtin_frame_address(0), false);
        if (r != NULL && write(pipe_ends[1], r->tape_path, strlen(r->tape_path)) < 0)
            _exit(9);
        pair_at(0, 48, 0); /* behind the end */
        _exit(0);
    }
    close(pipe_ends[1]);
    ssize_t n = read(pipe_ends[0], path, 255);
    path[n > 0 ? n : 0] = 0;
    close(pipe_ends[0]);
    int status;
    waitpid(pid, &status, 0);
    return status;
}

static void remove_tape(const char *path) {
    char tail[300];
    snprintf(tail, sizeof tail, "%s.tail", path);
    unlink(path);
    unlink(tail);
}

static atomic_bool claimed_all;

static void *hold_workers(void *unused) {
    struct recorder *r = atomic_load(&recorder);
    struct worker *held[WORKERS_MAX];
    unsigned n = 0;
    while ((held[n] = worker_claim(r)) != NULL)
        n++;
    atomic_store(&claimed_all, true);
    usleep(20000);
    while (n > 0)
        worker_release(held[--n]);
    return unused;
}

static void end_while_others_compress(void) {
    pthread_t thread;
    pair_at(0, 48, 0);
    pthread_create(&thread, NULL, hold_workers, NULL);
    pthread_detach(thread);
    while (!atomic_load(&claimed_all))
        usleep(100);
}

/* All workers are busy when the process ends: it waits for one. */
static void test_end_while_others_compress(void **state) {
    (void)state;
    char path[256];
    struct found f;
    assert_int_equal(in_child(end_while_others_compress, path), 0);
    read_tape(path, &f);
    assert_int_equal(f.error, TAPE_OK);
    assert_true(f.closed);
    remove_tape(path);
}

static void test_every_event_once(void **state) {
    (void)state;
    char path[256];
    struct found f;
    assert_int_equal(in_child(run_threads, path), 0);
    read_tape(path, &f);
    assert_int_equal(f.error, TAPE_OK);
    assert_true(f.closed);
    assert_int_equal(f.allocations, THREADS * PAIRS);
    assert_int_equal(f.frees, THREADS * PAIRS);
    assert_int_equal(f.wrong_depth, 0);
    assert_true(f.threads >= THREADS);
    assert_in_range(f.late, 2, 4); /* a sample and a thread may come with them */
    uint64_t events = 0;
    for (int i = 0; i < STREAMS; i++)
        events += f.next[i];
    assert_int_equal(events, f.allocations + f.frees + f.threads + f.samples + f.other);
    remove_tape(path);
}

static uint64_t fail_at;

static void run_failing(void) {
    sys_fail_at = fail_at;
    run_threads();
}

/* Whatever fails, the program goes on; what the tape holds can be read. */
static void test_failing_calls(void **state) {
    (void)state;
    unsigned recorded = 0;
    for (fail_at = 1; fail_at <= 60; fail_at++) {
        char path[256];
        struct found f;
        assert_int_equal(in_child(run_failing, path), 0);
        if (path[0] == 0 || access(path, R_OK) != 0)
            continue;
        read_tape(path, &f);
        assert_int_equal(f.error, TAPE_OK);
        recorded += f.allocations > 0;
        remove_tape(path);
    }
    assert_true(recorded > 30);
}

static void run_marks(void) {
    for (int i = 0; i < 100; i++) {
        stream_event_blob(TAPE_OP_MARK, TAPE_MARK_TEXT, "between two pairs", 17,
                          __builtin_frame_address(0));
        pair_at(3, 4096, 3);
    }
}

static void test_marks(void **state) {
    (void)state;
    char path[256];
    struct found f;
    assert_int_equal(in_child(run_marks, path), 0);
    read_tape(path, &f);
    assert_int_equal(f.error, TAPE_OK);
    assert_int_equal(f.allocations, 100);
    assert_true(f.other >= 100);
    remove_tape(path);
}

int main(int argc, char **argv) {
    (void)argc;
    real_resolve();
    real.malloc_usable_size = NULL; /* the blocks of these tests are numbers */
    /* The constructor has begun a recording in the working directory: begin again elsewhere. */
    if (getenv("HEAPTAPE_OUT") == NULL) {
        char directory[] = "/tmp/heaptape-test-XXXXXX", out[64];
        if (atomic_load(&recorder) != NULL)
            unlink(atomic_load(&recorder)->tape_path);
        if (mkdtemp(directory) == NULL)
            return 1;
        snprintf(out, sizeof out, "%s/t", directory);
        setenv("HEAPTAPE_OUT", out, 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_while_others_compress),
        cmocka_unit_test(test_every_event_once),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_marks),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    char *directory = strdup(getenv("HEAPTAPE_OUT"));
    remove_tape(directory);
    directory[strlen(directory) - 2] = 0;
    rmdir(directory);
    free(directory);
    return result;
}
