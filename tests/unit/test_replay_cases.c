/* SPDX-License-Identifier: MIT */
/* Replay and profile case by case: threads that meet at an address, resizes, observers, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "diag.h"
#include "profile.h"
#include "scratch_directory.h"
#include "tape_writer.h"

static const char tape_path[] = "replay.tape";
static struct tape_file *open_saved(struct writer *w) {
    writer_save(w, tape_path);
    writer_free(w);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    return tape;
}

/* Replays everything; the counts. */
static struct replay_counts counts_of(struct writer *w) {
    struct tape_file *tape = open_saved(w);
    struct replay *r = replay_new(tape);
    replay_run(r, UINT64_MAX);
    struct replay_counts c = *replay_counts(r);
    replay_free(r);
    tape_file_close(tape);
    return c;
}

/* ---- two threads and one address ------------------------------------------------------------ */

enum { X = 0x1000, Y = 0x2000, Z = 0x3000 };

/* Two streams with a thread each; one tick is a nanosecond. */
static struct writer *two_threads(void) {
    struct writer *w = writer_new();
    writer_thread(w, 1, 0, 11, "one");
    writer_thread(w, 2, 0, 12, "two");
    return w;
}

static void take(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t address,
                 uint64_t size) {
    writer_alloc(w, stream, stamp, TAPE_OP_malloc, address, size, 0, NULL, 0);
}

static void give(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t address) {
    writer_release(w, stream, stamp, TAPE_OP_free, address);
}

static void from(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t address) {
    writer_release(w, stream, stamp, TAPE_OP_REALLOC_FROM, address);
}

static void result(struct writer *w, uint32_t stream, uint64_t stamp, uint64_t address,
                   uint64_t size) {
    writer_alloc(w, stream, stamp, TAPE_OP_realloc, address, size, 0, NULL, 0);
}

static struct replay_counts run_two(struct writer *w) {
    writer_chunk(w, 1, false);
    writer_chunk(w, 2, false);
    writer_close(w, UINT64_C(10000000), 0, "exit");
    return counts_of(w);
}

static void inversion(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    take(w, 2, 95, X, 30); /* can only be behind the free */
    give(w, 1, 100, X);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.overlaps, 0);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.frees, 1);
    assert_int_equal(c.live_bytes, 30);
    assert_int_equal(c.peak_bytes, 100); /* never both */
    assert_int_equal(c.temporary, 0);
}

static void inversion_and_own_free(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    take(w, 2, 95, X, 30);
    give(w, 2, 96, X); /* the new block's: behind its own malloc in its thread */
    take(w, 2, 97, Y, 7);
    give(w, 1, 100, X);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.frees, 2);
    assert_int_equal(c.live_bytes, 7);
    assert_int_equal(c.temporary, 1);
}

static void inverted_resize(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    take(w, 2, 95, X, 30);
    from(w, 1, 100, X);
    result(w, 1, 200, Y, 200);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.reallocs, 1);
    assert_int_equal(c.live_bytes, 230);
    assert_int_equal(c.live_blocks, 2);
}

static void free_ahead_of_its_malloc(void **state) {
    (void)state;
    struct writer *w = two_threads();
    w->shift = 6;
    give(w, 1, 640, X); /* in the same unit of time, and stream 1 comes first */
    take(w, 2, 660, X, 30);
    take(w, 2, 670, Y, 5);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.live_bytes, 5);
}

/* Some ticks ahead, as a processor that looks ahead stamps them; also of a resize. */
static void ahead_by_some_ticks(void **state) {
    (void)state;
    struct writer *w = two_threads();
    give(w, 1, 600, X);
    take(w, 2, 900, X, 30);
    from(w, 1, 1600, Y);
    take(w, 2, 1700, Y, 5);
    result(w, 1, 1800, Z, 50); /* the result is known after the allocation, */
    from(w, 1, 2600, Y);
    result(w, 1, 2610, X, 7);
    take(w, 2, 2620, Y, 6); /* or before it */
    take(w, 2, 3000, Y, 1);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 3);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.overlaps, 0);
    assert_int_equal(c.reallocs, 2);
    assert_int_equal(c.frees, 3);
    assert_int_equal(c.live_bytes, 50 + 7 + 1);
    assert_int_equal(c.live_blocks, 3);
}

/* The address has its next owner before its first one is met. */
static void ahead_with_next_owner(void **state) {
    (void)state;
    struct writer *w = two_threads();
    w->shift = 6;
    give(w, 1, 640, X);
    take(w, 1, 645, X, 8); /* all in one unit of time, and stream 1 comes first */
    take(w, 2, 641, X, 30);
    give(w, 1, 900000, X);
    take(w, 1, 900001, Y, 2);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.overlaps, 0);
    assert_int_equal(c.frees, 2);
    assert_int_equal(c.live_bytes, 2);
}

/* An early free meets the block before its own, whose free then meets nothing. */
static void ahead_of_another_free(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 100, X, 8);
    give(w, 2, 10000, X); /* of the second block */
    give(w, 1, 10100, X); /* of the first */
    take(w, 1, 10200, X, 30);
    take(w, 1, 900000, X, 5);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.inversions, 1);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.overlaps, 0);
    assert_int_equal(c.frees, 2);
    assert_int_equal(c.live_bytes, 5);
}

static void frees_of_nothing(void **state) {
    (void)state;
    struct writer *w = two_threads();
    give(w, 1, 10, X); /* allocated before the recording, perhaps */
    take(w, 2, 500000, X, 30);
    give(w, 1, 600000, Y);
    from(w, 1, 700000, Z);
    result(w, 1, 700001, X + 16, 9);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.unmatched_frees, 3);
    assert_int_equal(c.inversions, 0);
    assert_int_equal(c.live_bytes, 39);
}

static void lost_free(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    take(w, 2, 500000, X, 30);
    give(w, 1, 900000, X); /* much later: of the newer block */
    take(w, 1, 900001, X, 8);
    take(w, 1, 900002, X, 9);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.overlaps, 2);
    assert_int_equal(c.inversions, 0);
    assert_int_equal(c.unmatched_frees, 0);
    assert_int_equal(c.live_bytes, 9);
    assert_int_equal(c.live_blocks, 1);
    assert_int_equal(c.temporary, 0);
}

/* ---- resizes ------------------------------------------------------------------------------- */

static void resize_is_one_step(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    from(w, 1, 20, X);
    result(w, 1, 30, Y, 150);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.peak_bytes, 150);
    assert_int_equal(c.peak_time, 30);
    assert_int_equal(c.reallocs, 1);
    assert_int_equal(c.frees, 1);
    assert_int_equal(c.allocations, 2);
    assert_int_equal(c.temporary, 0);
}

static void address_taken_in_flight(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    from(w, 1, 20, X);
    take(w, 2, 25, X, 7); /* the allocator has moved the block already */
    result(w, 1, 30, Y, 150);
    give(w, 2, 40, X);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.peak_bytes, 157);
    assert_int_equal(c.live_bytes, 150);
    assert_int_equal(c.inversions + c.overlaps + c.unmatched_frees, 0);
}

static void failed_resize(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    from(w, 1, 20, X);
    result(w, 1, 30, 0, UINT64_MAX);
    give(w, 2, 40, X);
    struct replay_counts c = run_two(w);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.reallocs, 0);
    assert_int_equal(c.frees, 1);
    assert_int_equal(c.live_blocks, 0);
    assert_int_equal(c.unmatched_frees, 0);
}

static void resize_to_nothing(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    from(w, 1, 20, X);
    result(w, 1, 30, 0, 0);
    result(w, 1, 40, 0, 0); /* realloc(NULL, 0) without memory */
    result(w, 1, 50, Z, 1); /* realloc(NULL, 1) */
    struct replay_counts c = run_two(w);
    assert_int_equal(c.frees, 1);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.reallocs, 0);
    assert_int_equal(c.temporary, 1);
    assert_int_equal(c.live_bytes, 1);
}

static void count_live(void *context, const struct block *b) {
    *(uint64_t *)context += b->size;
}

static void killed_in_a_resize(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 100);
    take(w, 2, 10, Y, 10);
    from(w, 2, 15, Y); /* left by longjmp: the next one begins without its result */
    from(w, 2, 17, Y);
    from(w, 1, 20, X);
    writer_thread(w, 2, 30, 13, "three"); /* and this thread was cancelled inside */
    give(w, 2, 40, Y);
    writer_tail(w, 1, false);
    writer_tail(w, 2, false);
    struct tape_file *tape = open_saved(w);
    uint64_t live = 0;
    struct replay *r = replay_new(tape);
    replay_observe(r, &(struct observer){.context = &live, .on_live = count_live});
    replay_run(r, UINT64_MAX);
    assert_int_equal(live, 100);
    assert_int_equal(replay_counts(r)->live_bytes, 100);
    assert_int_equal(replay_counts(r)->unmatched_frees, 0);
    assert_int_equal(replay_thread_count(r), 3);
    replay_free(r);
    tape_file_close(tape);
}

/* ---- observers, threads, times --------------------------------------------------------------- */

static void temporary_allocations(void **state) {
    (void)state;
    struct writer *w = two_threads();
    take(w, 1, 10, X, 1);
    give(w, 1, 20, X); /* temporary */
    take(w, 1, 30, X, 1);
    take(w, 2, 31, Y, 1);
    give(w, 1, 40, X); /* temporary: the other thread does not matter */
    give(w, 1, 41, Y); /* freed by another thread */
    take(w, 1, 50, X, 1);
    take(w, 1, 51, Y, 1);
    give(w, 1, 60, X); /* another one in between */
    give(w, 1, 61, Y); /* temporary */
    struct replay_counts c = run_two(w);
    assert_int_equal(c.temporary, 3);
    assert_int_equal(c.end_time, 10000000);
}

/* A peak that is reached again is the first one's, by stack too. */
static void equal_peaks(void **state) {
    (void)state;
    struct writer *w = two_threads();
    const uint64_t here = 0x4010, there = 0x4020;
    writer_alloc(w, 1, 10, TAPE_OP_malloc, X, 100, 0, &here, 1);
    give(w, 1, 20, X);
    writer_alloc(w, 1, 30, TAPE_OP_malloc, X, 100, 0, &there, 1);
    writer_chunk(w, 1, false);
    writer_chunk(w, 2, false);
    writer_close(w, 100, 0, "exit");
    struct tape_file *tape = open_saved(w);
    struct profile *p = profile_run(tape, NULL);
    assert_int_equal(replay_counts(p->replay)->peak_time, 10);
    assert_int_equal(p->site_count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct stacks *s = replay_stacks(p->replay);
        uint32_t frame = stacks_innermost(s, p->sites[i].stack);
        bool first = stacks_frame(s, frame)->address == here;
        assert_int_equal(p->sites[i].value[METRIC_PEAK_BYTES], first ? 100 : 0);
        assert_int_equal(p->sites[i].value[METRIC_LIVE_BYTES], first ? 0 : 100);
    }
    profile_free(p);
    tape_file_close(tape);
}

struct seen {
    char text[200];
};

static void add_seen(struct seen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_seen(struct seen *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t n = strlen(s->text);
    vsnprintf(s->text + n, sizeof s->text - n, format, args);
    va_end(args);
}

static void see_alloc(void *c, const struct block *b) {
    add_seen(c, "+%d@%d ", (int)b->size, (int)b->born);
}

static void see_free(void *c, const struct block *b, uint64_t now, uint32_t thread, bool realloc) {
    (void)thread;
    add_seen(c, "-%d@%d%s ", (int)b->size, (int)now, realloc ? "r" : "");
}

static void see_failed(void *c, uint8_t op, uint64_t size, uint32_t stack, uint64_t now) {
    (void)stack;
    add_seen(c, "!%s %d@%d ", tape_op_name(op), (int)size, (int)now);
}

static void see_mark(void *c, const struct replay_mark *m) {
    add_seen(c, "[%s]@%d ", m->text, (int)m->now);
}

static void see_sample(void *c, uint64_t rss, uint64_t now) {
    add_seen(c, "rss %d@%d ", (int)rss, (int)now);
}

static void see_live(void *c, const struct block *b) {
    add_seen(c, "live %d ", (int)b->size);
}

static void observers(void **state) {
    (void)state;
    struct writer *w = two_threads();
    w->info_start_stamp = 0;
    take(w, 1, 10, X, 1);
    writer_mark(w, 1, 11, "half");
    from(w, 1, 12, X);
    result(w, 1, 13, X, 2);
    writer_sample(w, 1, 14, 77, 0);
    take(w, 2, 15, 0, 3);
    writer_chunk(w, 1, false);
    writer_chunk(w, 2, false);
    writer_close(w, 20, 0, "exit");
    struct tape_file *tape = open_saved(w);
    struct replay *r = replay_new(tape);
    struct seen seen = {""};
    replay_observe(r, &(struct observer){.context = &seen,
                                         .on_alloc = see_alloc,
                                         .on_free = see_free,
                                         .on_failed = see_failed,
                                         .on_mark = see_mark,
                                         .on_sample = see_sample,
                                         .on_live = see_live});
    replay_run(r, UINT64_MAX);
    assert_string_equal(seen.text, "+1@10 [half]@11 -1@13r +2@13 rss 77@14 !malloc 3@15 live 2 ");
    assert_int_equal(replay_thread(r, 0)->tid, 11);
    assert_string_equal(replay_thread(r, 1)->name, "two");
    assert_int_equal(replay_thread(r, 0)->allocations, 2);
    assert_int_equal(replay_thread(r, 0)->frees, 1);
    replay_free(r);
    tape_file_close(tape);
}

static struct tape_file *timed_tape(void) {
    struct writer *w = two_threads();
    take(w, 1, 1000, X, 10);
    writer_mark(w, 1, 2000, "warm");
    take(w, 1, 3000, Y, 200);
    give(w, 1, 4000, X);
    writer_mark(w, 1, 5000, "warm");
    take(w, 2, 6000, Z, 3);
    writer_chunk(w, 1, false);
    writer_chunk(w, 2, false);
    writer_close(w, 10000, 0, "exit");
    return open_saved(w);
}

static void times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"0", 0},          {"1.5s", 1500000000}, {"250ms", 250000000},   {"10us", 10000},
                {"7", 7000000000}, {"3ns", 3},           {"2min", 120000000000}, {"50%", 5000},
                {"peak", 3000},    {"warm", 2000},       {"100%", 10000}};
    struct tape_file *tape = timed_tape();
    uint64_t ns;
    const char *error;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(profile_parse_time(tape, good[i].text, PROFILE_TO, &ns, &error));
        assert_int_equal(ns, good[i].ns);
    }
    assert_true(profile_parse_time(tape, "end", PROFILE_TO, &ns, &error));
    assert_true(ns >= 10000);
    static const char *const bad[] = {"", "cold", "-1s", "1x", "101%", "nan", "inf", "1.5 s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = NULL;
        assert_false(profile_parse_time(tape, bad[i], PROFILE_TO, &ns, &error));
        assert_non_null(error);
    }
    tape_file_close(tape);
}

static void ranges(void **state) {
    (void)state;
    struct tape_file *tape = timed_tape();
    struct profile *p = profile_run(tape, &(struct profile_range){.until = 3000});
    assert_int_equal(p->total[METRIC_LIVE_BYTES], 210); /* up to and including */
    assert_int_equal(p->mark_count, 1);
    profile_free(p);
    p = profile_run(tape, &(struct profile_range){.until = 2999});
    assert_int_equal(p->total[METRIC_LIVE_BYTES], 10);
    profile_free(p);
    struct profile_range range = {.until = UINT64_MAX, .between = true, .from = 1000, .to = 5999};
    p = profile_run(tape, &range); /* X was there before, Z comes later */
    assert_int_equal(p->total[METRIC_LIVE_BYTES], 200);
    assert_int_equal(p->total[METRIC_LIVE_BLOCKS], 1);
    profile_free(p);
    p = profile_run(tape, NULL);
    assert_int_equal(p->mark_count, 2);
    assert_string_equal(p->marks[1].text, "warm");
    assert_int_equal(p->marks[1].time, 5000);
    assert_int_equal(replay_counts(p->replay)->end_time, 10000);
    profile_free(p);
    tape_file_close(tape);
}

static void samples_calibrate(void **state) {
    (void)state;
    struct writer *w = writer_new();
    w->info_clock = TAPE_CLOCK_TSC;
    w->info_start_stamp = 1000000;
    w->info_start_mono = 5000;
    take(w, 1, 1000000 + 400, X, 1); /* 2 ticks are 1 ns */
    writer_sample(w, 1, 1000000 + 400000000, 4096, 5000 + 200000000);
    writer_tail(w, 1, false);
    struct tape_file *tape = open_saved(w);
    struct profile *p = profile_run(tape, NULL);
    assert_int_equal(replay_counts(p->replay)->peak_time, 200);
    assert_int_equal(p->sample_count, 1);
    assert_in_range(p->samples[0].time, 199999999, 200000000);
    assert_int_equal(p->samples[0].rss_bytes, 4096);
    assert_int_equal(p->samples[0].heap_bytes, 1);
    profile_free(p);
    tape_file_close(tape);
}

/* ---- scaffolding -------------------------------------------------------------------------- */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inversion),
        cmocka_unit_test(inversion_and_own_free),
        cmocka_unit_test(inverted_resize),
        cmocka_unit_test(free_ahead_of_its_malloc),
        cmocka_unit_test(ahead_by_some_ticks),
        cmocka_unit_test(ahead_with_next_owner),
        cmocka_unit_test(ahead_of_another_free),
        cmocka_unit_test(frees_of_nothing),
        cmocka_unit_test(lost_free),
        cmocka_unit_test(resize_is_one_step),
        cmocka_unit_test(address_taken_in_flight),
        cmocka_unit_test(failed_resize),
        cmocka_unit_test(resize_to_nothing),
        cmocka_unit_test(killed_in_a_resize),
        cmocka_unit_test(temporary_allocations),
        cmocka_unit_test(equal_peaks),
        cmocka_unit_test(observers),
        cmocka_unit_test(times),
        cmocka_unit_test(ranges),
        cmocka_unit_test(samples_calibrate),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
