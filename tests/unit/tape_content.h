/* SPDX-License-Identifier: MIT */
/*
 * What comes out of a recording, boiled down for comparison: for the tests of tape_file. They run
 * in a directory of their own, where the recording at hand is always x.tape.
 */
#ifndef TAPE_CONTENT_H
#define TAPE_CONTENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "replay.h"
#include "scratch_directory.h"
#include "tape_file.h"
#include "tape_writer.h"

static const char tape_path[] = "x.tape", tape_tail_path[] = "x.tape.tail";

/* What came out of a tape. */
struct content {
    uint64_t events, hash;
    struct tape_health health;
    struct tape_process process;
    char damage[300];
};

static inline uint64_t mix(uint64_t hash, uint64_t v) {
    return (hash ^ v) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
}

struct hashing {
    struct replay *replay;
    struct content *content;
};

static inline void hash_event(void *context, const struct tape_event *e, uint64_t now,
                              uint32_t stream, uint32_t thread, uint32_t stack) {
    struct hashing *h = context;
    struct stacks *s = replay_stacks(h->replay);
    uint64_t x = h->content->hash;
    (void)now, (void)thread;
    x = mix(mix(mix(x, e->stamp), stream), e->op);
    x = mix(mix(x, e->address), e->size);
    for (; stack != 0; stack = stacks_caller(s, stack))
        x = mix(x, stacks_frame(s, stacks_innermost(s, stack))->address);
    for (uint64_t i = 0; e->blob != NULL && i < e->size; i++)
        x = mix(x, e->blob[i]);
    h->content->hash = x;
    h->content->events++;
}

static inline struct content content_of(struct tape_file *tape) {
    struct content c = {0};
    struct replay *r = replay_new(tape);
    struct hashing h = {r, &c};
    replay_observe(r, &(struct observer){.context = &h, .on_event = hash_event});
    replay_run(r, UINT64_MAX);
    replay_free(r);
    c.health = *tape_file_health(tape);
    c.process = *tape_file_process(tape); /* its texts are gone when the tape is closed */
    if (c.health.first_damage != NULL)
        snprintf(c.damage, sizeof c.damage, "%s", c.health.first_damage);
    assert_true(c.events == c.health.events);
    assert_true((c.health.damaged_chunks == 0) == (c.health.first_damage == NULL));
    return c;
}

static inline bool read_tape(struct content *c) {
    struct tape_file *tape = tape_file_open(tape_path);
    *c = (struct content){0};
    if (tape == NULL)
        return false;
    *c = content_of(tape);
    tape_file_close(tape);
    return true;
}

static inline struct content saved_content(struct writer *w) {
    struct content c;
    writer_save(w, tape_path);
    writer_free(w);
    assert_true(read_tape(&c));
    return c;
}

static inline bool is_whole(const struct content *c) {
    return c->health.damaged_chunks == 0 && c->health.lost == 0;
}

static inline void expect_damage(const struct content *c, const char *message) {
    if (strstr(c->damage, message) == NULL)
        fail_msg("'%s' instead of '%s'", c->damage, message);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* `count` allocations of a stream, each with another stack, from stamp `from` on. */
static inline void allocate(struct writer *w, uint32_t stream, unsigned count, uint64_t from) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t number = w->stream[stream].end, stack[4];
        for (unsigned d = 0; d < 4; d++)
            stack[d] = 0x400000 + 16 * (number >> (3 - d));
        writer_alloc(w, stream, from + i, TAPE_OP_malloc, 0x1000 * (number + 1) + stream, number, 0,
                     stack, 1 + (unsigned)number % 4);
    }
}

/* Everything that a tape can hold, without a buffer in tail form: those have no checksums. */
static inline struct writer *closed_tape(void) {
    struct writer *w = writer_new();
    w->info_pid = 4711;
    writer_thread(w, 1, 1, 11, "main");
    writer_module(w, 1, 2, 0x400000, 0x500000, 0, "/bin/program");
    allocate(w, 1, 20, 10);
    writer_chunk(w, 1, false);
    writer_thread(w, 2, 15, 12, "worker");
    allocate(w, 2, 10, 20);
    w->codec = TAPE_CODEC_STORED;
    writer_chunk(w, 2, false);
    writer_segment(w);
    w->codec = TAPE_CODEC_ZSTD;
    writer_sample(w, 1, 100, 4096, 100);
    writer_mark(w, 1, 101, "a mark");
    allocate(w, 1, 15, 110);
    writer_unload(w, 1, 130, 0x400000, 1);
    writer_chunk(w, 1, false);
    writer_close(w, 200, 200, "exit");
    return w;
}

#endif
