/* SPDX-License-Identifier: MIT */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

const struct metric_info metric_info[METRIC_COUNT] = {
    [METRIC_PEAK_BYTES] = {"peak-bytes", "peak bytes", true},
    [METRIC_PEAK_BLOCKS] = {"peak-blocks", "peak blocks", false},
    [METRIC_TOTAL_BYTES] = {"total-bytes", "allocated bytes", true},
    [METRIC_TOTAL_BLOCKS] = {"total-blocks", "allocations", false},
    [METRIC_LIVE_BYTES] = {"live-bytes", "live bytes", true},
    [METRIC_LIVE_BLOCKS] = {"live-blocks", "live blocks", false},
    [METRIC_TEMPORARY] = {"temporary", "temporary", false},
};

/* Counters of one call stack. What it had at the newest peak is kept lazily: as long as `epoch` is
 * not that of the newest peak the stack has not changed since, and live is the value. */
struct counter {
    uint64_t live_bytes, live_blocks;
    uint64_t peak_bytes, peak_blocks, epoch;
    uint64_t total_bytes, total_blocks, temporary;
};

struct pass {
    struct profile *profile;
    struct counter *counter; /* by stack id */
    uint32_t room;
    uint64_t live_bytes, peak_bytes, epoch;
    uint64_t *newest; /* by thread: sequence of its newest allocation + 1 */
    uint32_t thread_room;
    const struct profile_range *range;
    size_t pool_room;
};

static struct counter *counter_of(struct pass *p, uint32_t stack) {
    if (stack >= p->room) {
        uint32_t room = p->room != 0 ? p->room : 1024;
        while (room <= stack)
            room *= 2;
        p->counter = xrealloc(p->counter, room * sizeof *p->counter);
        memset(p->counter + p->room, 0, (room - p->room) * sizeof *p->counter);
        p->room = room;
    }
    struct counter *c = &p->counter[stack];
    if (c->epoch != p->epoch) {
        c->peak_bytes = c->live_bytes;
        c->peak_blocks = c->live_blocks;
        c->epoch = p->epoch;
    }
    return c;
}

static uint64_t *newest_of(struct pass *p, uint32_t thread) {
    if (thread >= p->thread_room) {
        uint32_t room = thread + 16;
        p->newest = xrealloc(p->newest, room * sizeof *p->newest);
        memset(p->newest + p->thread_room, 0, (room - p->thread_room) * sizeof *p->newest);
        p->thread_room = room;
    }
    return &p->newest[thread];
}

static void count_alloc(void *context, const struct block *b) {
    struct pass *p = context;
    struct counter *c = counter_of(p, b->stack);
    c->live_bytes += b->size;
    c->live_blocks++;
    c->total_bytes += b->size;
    c->total_blocks++;
    *newest_of(p, b->thread) = b->sequence + 1;
    p->live_bytes += b->size;
    if (p->live_bytes > p->peak_bytes) {
        p->peak_bytes = p->live_bytes;
        p->epoch++;
    }
}

static void count_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                       bool realloc) {
    struct pass *p = context;
    (void)now;
    struct counter *c = counter_of(p, b->stack);
    c->live_bytes -= b->size;
    c->live_blocks--;
    if (thread != b->thread)
        thread_matrix_add(p->profile->threads, b->thread, thread, b->size);
    c->temporary += !realloc && thread == b->thread && *newest_of(p, thread) == b->sequence + 1;
    p->live_bytes -= b->size;
}

/* Who watches tests and loops comes with the first mark of the kind, and is told of it as well. */
static void begin_to_watch(struct profile *f, enum tape_mark kind) {
    struct observer watcher;
    if (kind == TAPE_MARK_ITERATION && f->growth == NULL)
        watcher = growth_observer(f->growth = growth_new());
    else if (kind != TAPE_MARK_ITERATION && f->tests == NULL)
        watcher = test_log_observer(f->tests = test_log_new(NULL), true);
    else
        return;
    replay_observe(f->replay, &watcher);
}

static void note_mark(void *context, const struct replay_mark *m) {
    struct profile *f = ((struct pass *)context)->profile;
    if (m->kind != TAPE_MARK_TEXT) {
        begin_to_watch(f, m->kind);
        return;
    }
    if ((f->mark_count & (f->mark_count - 1)) == 0)
        f->marks =
            xrealloc(f->marks, (f->mark_count != 0 ? 2 * f->mark_count : 1) * sizeof *f->marks);
    f->marks[f->mark_count++] = (struct profile_mark){xstrdup(m->text), m->now};
}

static void note_sample(void *context, uint64_t rss_bytes, uint64_t now) {
    struct pass *p = context;
    struct profile *f = p->profile;
    if ((f->sample_count & (f->sample_count - 1)) == 0)
        f->samples = xrealloc(f->samples, (f->sample_count != 0 ? 2 * f->sample_count : 1) *
                                              sizeof *f->samples);
    f->samples[f->sample_count++] =
        (struct profile_sample){.time = now, .rss_bytes = rss_bytes, .heap_bytes = p->live_bytes};
}

static void note_live(void *context, const struct block *b) {
    thread_matrix_add_live(((struct pass *)context)->profile->threads, b->thread, b->size);
}

static void fill_sites(struct pass *p) {
    struct profile *f = p->profile;
    uint32_t count = stacks_count(replay_stacks(f->replay));
    if (count > p->room)
        count = p->room;
    f->sites = xmalloc((count + 1) * sizeof *f->sites);
    for (uint32_t i = 0; i < count; i++) {
        const struct counter *c = &p->counter[i];
        if (c->total_blocks == 0)
            continue;
        bool changed = c->epoch == p->epoch;
        struct site *s = &f->sites[f->site_count++];
        *s = (struct site){.stack = i,
                           .value = {[METRIC_PEAK_BYTES] = changed ? c->peak_bytes : c->live_bytes,
                                     [METRIC_PEAK_BLOCKS] =
                                         changed ? c->peak_blocks : c->live_blocks,
                                     [METRIC_TOTAL_BYTES] = c->total_bytes,
                                     [METRIC_TOTAL_BLOCKS] = c->total_blocks,
                                     [METRIC_LIVE_BYTES] = c->live_bytes,
                                     [METRIC_LIVE_BLOCKS] = c->live_blocks,
                                     [METRIC_TEMPORARY] = c->temporary}};
        for (int m = 0; m < METRIC_COUNT; m++)
            f->total[m] += s->value[m];
    }
}

/* Of what lives at the end, the range may want only the blocks born in an interval, and no ignored
 * ones. */
static bool is_wanted(struct pass *p, const struct block *b) {
    const struct profile_range *range = p->range;
    if (range->between && (b->born <= range->from || b->born > range->to))
        return false;
    if (range->leaks && b->ignored && !b->filled) {
        p->profile->ignored_bytes += b->size;
        p->profile->ignored_blocks++;
    }
    return !range->leaks || (!b->ignored && !b->filled);
}

static void drop_unwanted(void *context, const struct block *b) {
    struct pass *p = context;
    if (is_wanted(p, b))
        return;
    struct counter *c = counter_of(p, b->stack); /* settles the peak's value first */
    c->live_bytes -= b->size;
    c->live_blocks--;
}

static void note_pool_live(void *context, const struct block *b) {
    struct pass *p = context;
    struct profile *f = p->profile;
    if (!is_wanted(p, b))
        return;
    if (f->pool_site_count == p->pool_room) {
        p->pool_room = p->pool_room != 0 ? 2 * p->pool_room : 256;
        f->pool_sites = xrealloc(f->pool_sites, p->pool_room * sizeof *f->pool_sites);
    }
    f->pool_sites[f->pool_site_count++] = (struct profile_pool_site){b->stack, b->size, 1};
}

static int by_stack(const void *a, const void *b) {
    const struct profile_pool_site *s = a, *t = b;
    return s->stack < t->stack ? -1 : s->stack > t->stack;
}

static void join_pool_sites(struct profile *f) {
    size_t kept = 0;
    if (f->pool_site_count != 0)
        qsort(f->pool_sites, f->pool_site_count, sizeof *f->pool_sites, by_stack);
    for (size_t i = 0; i < f->pool_site_count; i++) {
        const struct profile_pool_site one = f->pool_sites[i];
        if (kept == 0 || f->pool_sites[kept - 1].stack != one.stack) {
            f->pool_sites[kept++] = one;
            continue;
        }
        f->pool_sites[kept - 1].bytes += one.bytes;
        f->pool_sites[kept - 1].blocks++;
    }
    f->pool_site_count = kept;
}

static struct profile *run(struct tape_file *tape, const struct profile_range *range,
                           void (*prepare)(void *context, struct replay *), void *context) {
    struct pass p = {.range = range};
    struct profile *f = p.profile = xcalloc(1, sizeof *f);
    f->replay = replay_new(tape);
    f->threads = thread_matrix_new(f->replay);
    f->ledger = ledger_new(tape, f->replay);
    f->mismatches = mismatches_new();
    const struct observer mismatches = mismatches_observer(f->mismatches);
    replay_observe(f->replay, &mismatches);
    replay_observe(f->replay, &(struct observer){.context = &p,
                                                 .on_alloc = count_alloc,
                                                 .on_free = count_free,
                                                 .on_mark = note_mark,
                                                 .on_sample = note_sample,
                                                 .on_live = note_live,
                                                 .on_pool_live = note_pool_live});
    if (range->between || range->leaks)
        replay_observe(f->replay, &(struct observer){.context = &p, .on_live = drop_unwanted});
    if (prepare != NULL)
        prepare(context, f->replay);
    replay_run(f->replay, range->between ? range->to : range->until);
    ledger_finish(f->ledger);
    fill_sites(&p);
    join_pool_sites(f);
    if (f->tests != NULL)
        test_log_finish(f->tests, replay_counts(f->replay)->end_time);
    if (f->growth != NULL)
        growth_finish(f->growth);
    free(p.counter);
    free(p.newest);
    return f;
}

static const struct profile_range everything = {.until = UINT64_MAX};

struct profile *profile_run(struct tape_file *tape, const struct profile_range *range) {
    return run(tape, range != NULL ? range : &everything, NULL, NULL);
}

struct profile *profile_run_prepared(struct tape_file *tape,
                                     void (*prepare)(void *context, struct replay *),
                                     void *context) {
    return run(tape, &everything, prepare, context);
}

void profile_free(struct profile *f) {
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->mark_count; i++)
        free(f->marks[i].text);
    free(f->marks);
    free(f->samples);
    free(f->sites);
    free(f->pool_sites);
    test_log_free(f->tests);
    growth_free(f->growth);
    thread_matrix_free(f->threads);
    ledger_free(f->ledger);
    mismatches_free(f->mismatches);
    replay_free(f->replay);
    free(f);
}
