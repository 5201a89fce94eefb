/* SPDX-License-Identifier: MIT */
/* Replay and profile against a brute-force model of random runs; the order of merged streams. */
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
static uint64_t seed = UINT64_C(0x13579bdf2468ace);

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static struct tape_file *open_saved(struct writer *w) {
    writer_save(w, tape_path);
    writer_free(w);
    struct tape_file *tape = tape_file_open(tape_path);
    assert_non_null(tape);
    return tape;
}

/* ---- the model ---------------------------------------------------------------------------- */

enum { THREADS = 5, STACKS = 24, DEPTH = 6, ADDRESSES = 60, STEPS = 4000 };

struct model_block {
    bool live, owns; /* owns its address: not in flight */
    uint64_t size, number;
    unsigned stack, thread;
};

struct amounts {
    uint64_t bytes, blocks;
};

struct model {
    struct writer *w;
    uint64_t now, step; /* ns; smallest distance between two events */
    struct model_block at[ADDRESSES], flight[THREADS];
    enum { NOTHING, SAME, MOVED, FAILED, FREED } outcome[THREADS];
    unsigned flight_address[THREADS];
    uint64_t newest[THREADS]; /* number of the thread's newest allocation */
    struct replay_counts counts;
    struct amounts live[STACKS], peak[STACKS], total[STACKS];
    uint64_t temporary[STACKS];
    uint64_t stack[STACKS][DEPTH];
    unsigned depth[STACKS];
    struct moment {
        uint64_t time, live_bytes, live_blocks, allocations;
    } * history;
    size_t moments;
};

static uint64_t address_of(unsigned k) {
    return UINT64_C(0x560000001000) + k * 48;
}

static struct model *model_new(unsigned shift) {
    struct model *m = xcalloc(1, sizeof *m);
    m->w = writer_new();
    m->w->shift = shift;
    m->step = UINT64_C(1) << shift;
    m->history = xcalloc(2 * STEPS, sizeof *m->history);
    for (unsigned i = 0; i < STACKS; i++) {
        m->depth[i] = (unsigned)below(DEPTH + 1);
        for (unsigned d = 0; d < m->depth[i]; d++)
            m->stack[i][d] = 0x400000 + (d == 0 ? 1 : below(4)) * 16;
    }
    for (unsigned t = 0; t < THREADS; t++)
        writer_thread(m->w, t + 1, 0, 100 + t, "worker");
    return m;
}

/* Different numbers may stand for the same stack: the lowest one has the counters. */
static unsigned same_stack(const struct model *m, unsigned i) {
    for (unsigned k = 0; k < i; k++)
        if (m->depth[k] == m->depth[i] &&
            memcmp(m->stack[k], m->stack[i], m->depth[i] * sizeof **m->stack) == 0)
            return k;
    return i;
}

static void model_end(struct model *m, const struct model_block *b, unsigned thread, bool resize) {
    m->counts.frees++;
    m->counts.live_bytes -= b->size;
    m->counts.live_blocks--;
    m->live[b->stack].bytes -= b->size;
    m->live[b->stack].blocks--;
    if (!resize && thread == b->thread && m->newest[thread] == b->number) {
        m->counts.temporary++;
        m->temporary[b->stack]++;
    }
}

static void model_begin(struct model *m, unsigned thread, unsigned address, uint64_t size,
                        unsigned stack) {
    stack = same_stack(m, stack);
    struct replay_counts *c = &m->counts;
    m->newest[thread] = ++c->allocations;
    m->at[address] = (struct model_block){.live = true,
                                          .owns = true,
                                          .size = size,
                                          .number = c->allocations,
                                          .stack = stack,
                                          .thread = thread};
    c->allocated_bytes += size;
    c->live_bytes += size;
    c->live_blocks++;
    m->live[stack].bytes += size;
    m->live[stack].blocks++;
    m->total[stack].bytes += size;
    m->total[stack].blocks++;
    if (c->live_bytes > c->peak_bytes) {
        c->peak_bytes = c->live_bytes;
        c->peak_blocks = c->live_blocks;
        c->peak_time = m->now;
        memcpy(m->peak, m->live, sizeof m->peak);
    }
}

static void put_alloc(struct model *m, unsigned thread, unsigned op, uint64_t address,
                      uint64_t size, unsigned stack) {
    writer_alloc(m->w, thread + 1, m->now, op, address, size, 0, m->stack[stack], m->depth[stack]);
}

/* An address that nobody owns, or ADDRESSES. */
static unsigned pick(const struct model *m, bool owned) {
    for (int i = 0; i < 50; i++) {
        unsigned k = (unsigned)below(ADDRESSES);
        if (m->at[k].live == owned)
            return k;
    }
    return ADDRESSES;
}

static void finish_resize(struct model *m, unsigned thread) {
    unsigned old = m->flight_address[thread], stack = (unsigned)below(STACKS), to = old;
    uint64_t size = 1 + below(5000);
    struct model_block *b = &m->flight[thread];
    if (m->outcome[thread] == MOVED && (to = pick(m, false)) == ADDRESSES)
        return; /* nowhere to go: later */
    switch (m->outcome[thread]) {
    case SAME:
    case MOVED:
        put_alloc(m, thread, TAPE_OP_realloc, address_of(to), size, stack);
        model_end(m, b, thread, true);
        m->counts.reallocs++;
        model_begin(m, thread, to, size, stack);
        break;
    case FAILED:
        put_alloc(m, thread, TAPE_OP_realloc, 0, size, stack);
        m->at[old] = *b;
        m->counts.failed++;
        break;
    default:
        put_alloc(m, thread, TAPE_OP_realloc, 0, 0, stack);
        model_end(m, b, thread, false);
        break;
    }
    m->outcome[thread] = NOTHING;
}

static void start_resize(struct model *m, unsigned thread, unsigned address) {
    m->outcome[thread] = SAME + (int)below(4);
    m->flight[thread] = m->at[address];
    m->flight_address[thread] = address;
    writer_release(m->w, thread + 1, m->now, TAPE_OP_REALLOC_FROM, address_of(address));
    /* Once the allocator has moved it, the address may be anybody's; until then it is taken. */
    if (m->outcome[thread] == MOVED || m->outcome[thread] == FREED)
        m->at[address].live = false;
    m->at[address].owns = false;
}

static void random_event(struct model *m, unsigned thread) {
    unsigned stack = (unsigned)below(STACKS), k;
    switch (below(12)) {
    case 0:
        put_alloc(m, thread, TAPE_OP_calloc, 0, UINT64_MAX, stack);
        m->counts.failed++;
        break;
    case 1:
    case 2:
        if ((k = pick(m, true)) != ADDRESSES && m->at[k].owns)
            start_resize(m, thread, k);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        if ((k = pick(m, true)) != ADDRESSES && m->at[k].owns) {
            writer_release(m->w, thread + 1, m->now, TAPE_OP_free, address_of(k));
            model_end(m, &m->at[k], thread, false);
            m->at[k].live = false;
        }
        break;
    default:
        if ((k = pick(m, false)) != ADDRESSES) {
            uint64_t size = below(10) == 0 ? below(1000000) : below(300);
            put_alloc(m, thread, TAPE_OP_malloc, address_of(k), size, stack);
            model_begin(m, thread, k, size, stack);
        }
        break;
    }
}

static void put_away(struct model *m, unsigned thread, bool last) {
    m->w->codec = below(4) == 0 ? TAPE_CODEC_STORED : TAPE_CODEC_ZSTD;
    if (below(8) == 0)
        writer_segment(m->w);
    if (!last || below(3) == 0)
        writer_chunk(m->w, thread + 1, false);
    else if (below(2) == 0)
        writer_tail(m->w, thread + 1, false);
    else
        writer_late(m->w, thread + 1, false);
}

static void run_model(struct model *m) {
    for (int i = 0; i < STEPS; i++) {
        unsigned thread = (unsigned)below(THREADS);
        m->now += m->step * (1 + below(20));
        if (m->outcome[thread] == NOTHING)
            random_event(m, thread);
        else
            finish_resize(m, thread);
        m->history[m->moments++] = (struct moment){m->now, m->counts.live_bytes,
                                                   m->counts.live_blocks, m->counts.allocations};
        if (below(100) == 0)
            put_away(m, thread, false);
    }
    for (unsigned t = 0; t < THREADS; t++)
        put_away(m, t, true);
}

static void expect_counts(const struct replay_counts *is, const struct replay_counts *should) {
    assert_int_equal(is->allocations, should->allocations);
    assert_int_equal(is->allocated_bytes, should->allocated_bytes);
    assert_int_equal(is->frees, should->frees);
    assert_int_equal(is->reallocs, should->reallocs);
    assert_int_equal(is->failed, should->failed);
    assert_int_equal(is->temporary, should->temporary);
    assert_int_equal(is->live_bytes, should->live_bytes);
    assert_int_equal(is->live_blocks, should->live_blocks);
    assert_int_equal(is->peak_bytes, should->peak_bytes);
    assert_int_equal(is->peak_blocks, should->peak_blocks);
    assert_int_equal(is->peak_time, should->peak_time);
    assert_int_equal(is->unmatched_frees, 0);
    assert_int_equal(is->inversions, 0);
    assert_int_equal(is->overlaps, 0);
}

/* The model's stack with these frames. */
static unsigned find_stack(const struct model *m, struct stacks *s, uint32_t stack) {
    uint32_t depth = stacks_depth(s, stack);
    uint64_t address[DEPTH] = {0};
    assert_true(depth <= DEPTH);
    for (uint32_t d = depth; d > 0; stack = stacks_caller(s, stack))
        address[--d] = stacks_frame(s, stacks_innermost(s, stack))->address;
    for (unsigned i = 0; i < STACKS; i++)
        if (m->depth[i] == depth && memcmp(m->stack[i], address, depth * sizeof *address) == 0)
            return i;
    fail_msg("a stack that nobody called");
    return 0;
}

static void expect_sites(const struct model *m, const struct profile *p) {
    size_t used = 0;
    for (unsigned i = 0; i < STACKS; i++)
        used += m->total[i].blocks != 0;
    assert_int_equal(p->site_count, used);
    for (size_t i = 0; i < p->site_count; i++) {
        const uint64_t *v = p->sites[i].value;
        unsigned k = find_stack(m, replay_stacks(p->replay), p->sites[i].stack);
        assert_int_equal(v[METRIC_PEAK_BYTES], m->peak[k].bytes);
        assert_int_equal(v[METRIC_PEAK_BLOCKS], m->peak[k].blocks);
        assert_int_equal(v[METRIC_TOTAL_BYTES], m->total[k].bytes);
        assert_int_equal(v[METRIC_TOTAL_BLOCKS], m->total[k].blocks);
        assert_int_equal(v[METRIC_LIVE_BYTES], m->live[k].bytes);
        assert_int_equal(v[METRIC_LIVE_BLOCKS], m->live[k].blocks);
        assert_int_equal(v[METRIC_TEMPORARY], m->temporary[k]);
    }
    assert_int_equal(p->total[METRIC_PEAK_BYTES], m->counts.peak_bytes);
    assert_int_equal(p->total[METRIC_LIVE_BLOCKS], m->counts.live_blocks);
}

static void expect_moment(const struct model *m, struct tape_file *tape, const struct moment *at) {
    struct profile_range range = {.until = at->time};
    struct profile *p = profile_run(tape, &range);
    const struct replay_counts *c = replay_counts(p->replay);
    assert_int_equal(c->live_bytes, at->live_bytes);
    assert_int_equal(c->live_blocks, at->live_blocks);
    assert_int_equal(c->allocations, at->allocations);
    assert_int_equal(p->total[METRIC_LIVE_BYTES], at->live_bytes);
    profile_free(p);
    (void)m;
}

static void random_runs(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct model *m = model_new(i % 2 == 0 ? 0 : 6);
        run_model(m);
        struct tape_file *tape = open_saved(m->w);
        struct profile *p = profile_run(tape, NULL);
        const struct tape_health *health = tape_file_health(tape);
        assert_null(health->first_damage);
        assert_int_equal(health->lost, 0);
        assert_int_equal(health->events, replay_counts(p->replay)->events);
        expect_counts(replay_counts(p->replay), &m->counts);
        expect_sites(m, p);
        assert_int_equal(replay_thread_count(p->replay), THREADS);
        profile_free(p);
        for (int k = 0; k < 10; k++)
            expect_moment(m, tape, &m->history[below(m->moments)]);
        tape_file_close(tape);
        free(m->history);
        free(m);
    }
}

/* ---- order -------------------------------------------------------------------------------- */

struct order {
    uint64_t stamp, count, next[8];
};

static void check_order(void *context, const struct tape_event *e, uint64_t now, uint32_t stream,
                        uint32_t thread, uint32_t stack) {
    struct order *o = context;
    (void)now, (void)thread, (void)stack;
    assert_true(e->stamp >> 6 >= o->stamp);
    o->stamp = e->stamp >> 6;
    assert_int_equal(e->size, o->next[stream]++); /* the size tells the event's number */
    o->count++;
}

static void streams_are_merged(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct writer *w = writer_new();
        w->shift = 6;
        uint64_t stamp[8] = {0}, sent[8] = {0}, all = 0;
        for (int i = 0; i < 3000; i++) {
            uint32_t s = 1 + (uint32_t)below(7);
            if (s == 7 && i % 50 != 0)
                continue; /* a thread with little to say */
            stamp[s] += below(3) == 0 ? below(20000) : below(70);
            writer_alloc(w, s, stamp[s], TAPE_OP_malloc, 0, sent[s]++, 0, NULL, 0);
            all++;
            if (below(60) == 0)
                writer_chunk(w, s, false);
        }
        for (uint32_t s = 1; s < 8; s++)
            below(2) == 0 ? writer_chunk(w, s, false) : writer_tail(w, s, false);
        writer_late(w, 1, false); /* so that the tape is whole without a tail */
        struct tape_file *tape = open_saved(w);
        struct order o = {0};
        struct replay *r = replay_new(tape);
        replay_observe(r, &(struct observer){.context = &o, .on_event = check_order});
        replay_run(r, UINT64_MAX);
        assert_int_equal(o.count, all);
        replay_free(r);
        tape_file_close(tape);
    }
}

/* ---- scaffolding -------------------------------------------------------------------------- */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_runs),
        cmocka_unit_test(streams_are_merged),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
