/* SPDX-License-Identifier: MIT */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "merge.h"
#include "replay_parts.h"

#define WORTH_FETCHING 4096 /* blocks; a smaller map lies in the cache */

/* TELL for what comes with every block: only those that want it are asked. */
static inline void tell_alloc(struct replay *r, const struct block *b) {
    for (unsigned i = 0; i < r->alloc_count; i++)
        r->allocs[i]->on_alloc(r->allocs[i]->context, b);
}

static inline void tell_free(struct replay *r, const struct block *b, uint32_t thread,
                             bool realloc) {
    for (unsigned i = 0; i < r->free_count; i++)
        r->frees[i]->on_free(r->frees[i]->context, b, r->now, thread, realloc);
}

struct replay *replay_new(struct tape_file *tape) {
    struct replay *r = xcalloc(1, sizeof *r);
    r->tape = tape;
    r->stacks = stacks_new();
    r->clock = tape_file_clock(tape);
    r->stamp = r->next_stop = UINT64_MAX;
    inversions_init(&r->inversions, r->clock->grain);
    live_init(&r->live);
    r->mappings = mappings_new();
    return r;
}

void replay_free(struct replay *r) {
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->thread_count; i++)
        free(r->thread[i].name);
    free(r->thread);
    free(r->thread_table);
    free(r->stream);
    live_free(&r->live);
    live_free(&r->inherited);
    pools_free(&r->pools);
    mappings_free(r->mappings);
    stacks_free(r->stacks);
    free(r);
}

void replay_observe(struct replay *r, const struct observer *o) {
    if (r->observer_count == OBSERVERS_MAX)
        abort();
    struct observer *own = &r->observer[r->observer_count++];
    *own = *o;
    if (o->on_alloc != NULL)
        r->allocs[r->alloc_count++] = own;
    if (o->on_free != NULL)
        r->frees[r->free_count++] = own;
    r->watched |= o->on_event != NULL;
}

const struct replay_counts *replay_counts(const struct replay *r) {
    return &r->counts;
}

struct stacks *replay_stacks(struct replay *r) {
    return r->stacks;
}

uint64_t replay_resizing(const struct replay *r, uint64_t tid) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < r->stream_count; i++) {
        const struct stream_state *s = &r->stream[i];
        if ((s->in_flight || s->inherited) && r->thread[s->thread].known.tid == tid &&
            s->block.size > most)
            most = s->block.size;
    }
    return most;
}

uint32_t replay_thread_count(const struct replay *r) {
    return r->thread_count;
}

const struct replay_thread *replay_thread(const struct replay *r, uint32_t index) {
    return &r->thread[index].known;
}

struct mappings *replay_mappings(const struct replay *r) {
    return r->mappings;
}

bool replay_each_live(const struct replay *r, bool (*each)(void *context, const struct block *b),
                      void *context) {
    for (uint32_t i = 0; i < r->live.used; i++) {
        const struct block *b = live_pool_at(&r->live, i);
        if (b != NULL && !each(context, b))
            return false;
    }
    for (size_t i = 0; r->inherited.count != 0 && i <= r->inherited.mask; i++) {
        const struct block *b = live_at(&r->inherited, i);
        if (b != NULL && !each(context, b))
            return false;
    }
    for (uint32_t i = 0; i < r->stream_count; i++)
        if (r->stream[i].in_flight && !each(context, &r->stream[i].block))
            return false;
    return true;
}

/* ---- threads ------------------------------------------------------------------------------- */

static uint32_t *thread_slot(const struct replay *r, uint64_t tid) {
    uint32_t i = (uint32_t)(tid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & r->thread_mask;
    while (r->thread_table[i] != 0 && r->thread[r->thread_table[i] - 1].known.tid != tid)
        i = (i + 1) & r->thread_mask;
    return &r->thread_table[i];
}

static void grow_threads(struct replay *r) {
    r->thread_room = r->thread_room != 0 ? r->thread_room * 2 : 16;
    r->thread = xrealloc(r->thread, r->thread_room * sizeof *r->thread);
    free(r->thread_table);
    r->thread_mask = 2 * r->thread_room - 1;
    r->thread_table = xcalloc(r->thread_mask + 1, sizeof *r->thread_table);
    for (uint32_t i = 0; i < r->thread_count; i++)
        *thread_slot(r, r->thread[i].known.tid) = i + 1;
}

static uint32_t find_thread(struct replay *r, uint64_t tid, const void *name, size_t length) {
    if (r->thread_count == r->thread_room)
        grow_threads(r);
    uint32_t *slot = thread_slot(r, tid);
    if (*slot == 0) {
        r->thread[r->thread_count] = (struct thread_state){.known = {.tid = tid}};
        *slot = ++r->thread_count;
    }
    struct thread_state *t = &r->thread[*slot - 1];
    if (t->name == NULL || strlen(t->name) != length || memcmp(t->name, name, length) != 0) {
        free(t->name);
        t->name = xmalloc(length + 1);
        memcpy(t->name, name, length);
        t->name[length] = 0;
    }
    t->known.name = t->name;
    return *slot - 1;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* thread: UINT32_MAX when the free itself has not been met yet. */
static void end_block(struct replay *r, const struct block *b, uint32_t thread, bool realloc) {
    r->counts.frees++;
    r->counts.live_bytes -= b->size;
    r->counts.live_blocks--;
    if (thread != UINT32_MAX)
        r->thread[thread].known.frees++;
    if (!realloc && thread == b->thread && r->thread[thread].newest == b->sequence + 1)
        r->counts.temporary++;
    tell_free(r, b, thread, realloc);
    if (!realloc && replay_has_pools(r))
        replay_drop_pools(r, b->address, b->size);
}

/* Frees that did not come: what looked like an inversion was a loss. */
static void give_up(struct replay *r, unsigned owed) {
    r->counts.inversions -= owed;
    r->counts.overlaps += owed;
}

/* The block's free, or resize, was met before it. */
static void settle_early(struct replay *r, const struct block *b, const struct early *e) {
    struct stream_state *s = &r->stream[e->stream];
    r->counts.unmatched_frees--;
    r->counts.inversions++;
    if (e->from && s->unmatched && s->thread == e->thread) {
        s->unmatched = false;
        s->in_flight = true;
        s->block = *b;
        s->block.chain = 0; /* of the map's place, which it has no more */
    } else {
        end_block(r, b, e->thread, false);
    }
}

/* A block that was in flight is live again as it was. Should its address have a new owner, its own
 * end was lost. */
static void put_back(struct replay *r, struct stream_state *s) {
    bool is_new;
    s->in_flight = false;
    struct block *b = live_add(&r->live, s->block.address, &is_new);
    if (is_new) {
        *b = s->block;
        return;
    }
    r->counts.overlaps++;
    end_block(r, &s->block, UINT32_MAX, false);
}

/* The address is given to a new block: whoever had it has given it back, though that may not have
 * been met yet. */
static void vacate(struct replay *r, const struct block *old, uint32_t stream) {
    struct block ended = *old;
    r->counts.inversions++;
    give_up(r, inversions_owe(&r->inversions, ended.address, stream));
    end_block(r, &ended, UINT32_MAX, false);
}

static void add_block(struct replay *r, const struct tape_event *e, uint32_t stack,
                      uint32_t stream) {
    struct replay_counts *c = &r->counts;
    struct early early;
    struct block single, *b = &single;
    bool gone = r->inversions.early_count != 0 &&
                inversions_take(&r->inversions, e->address, stream, &early);
    if (!gone) { /* otherwise the address may have its next owner already */
        bool is_new;
        b = live_add(&r->live, e->address, &is_new);
        if (!is_new)
            vacate(r, b, stream);
        if (r->inherited.count != 0)
            replay_vacate_inherited(r, e->address);
    }
    uint32_t thread = r->stream[stream].thread;
    *b = (struct block){.address = e->address,
                        .size = e->size,
                        .born = r->now,
                        .sequence = r->sequence++,
                        .stack = stack,
                        .thread = thread,
                        .op = e->op,
                        .align_log2 = e->align_log2};
    c->allocations++;
    c->allocated_bytes += e->size;
    c->live_bytes += e->size;
    c->live_blocks++;
    struct thread_state *t = &r->thread[thread];
    t->known.allocations++;
    t->known.allocated_bytes += e->size;
    t->newest = r->sequence;
    if (c->live_bytes > c->peak_bytes) {
        c->peak_bytes = c->live_bytes;
        c->peak_blocks = c->live_blocks;
        c->peak_time = r->now;
    }
    tell_alloc(r, b);
    if (gone)
        settle_early(r, b, &early);
}

/* A call that allocates: its block, its failure, or the end of a resize. */
static void take_result(struct replay *r, uint32_t stream, const struct tape_event *e,
                        uint32_t stack) {
    struct stream_state *s = &r->stream[stream];
    bool resize = tape_op_class(e->op) == TAPE_CLASS_REALLOC;
    bool had_block = resize && s->in_flight, announced = had_block || (resize && s->unmatched);
    if (replay_has_pools(r) && e->address != 0)
        replay_give_out(r, had_block || (resize && s->inherited) ? &s->block : NULL, e->address,
                        e->size);
    if (resize && s->inherited)
        replay_settle_inherited(r, s, e->address != 0 || e->size == 0);
    if (e->address != 0) {
        if (had_block)
            end_block(r, &s->block, s->thread, true);
        r->counts.reallocs += announced;
        add_block(r, e, stack, stream);
    } else if (announced && e->size == 0) {
        if (had_block)
            end_block(r, &s->block, s->thread, false);
    } else {
        if (had_block)
            put_back(r, s);
        r->counts.failed++;
        TELL(r, on_failed, e->op, e->size, stack, r->now);
    }
    if (resize)
        s->in_flight = s->unmatched = false;
}

static void take_release(struct replay *r, uint32_t stream, uint64_t address, unsigned op) {
    struct stream_state *s = &r->stream[stream];
    const bool from = op == TAPE_OP_REALLOC_FROM;
    if (from && s->in_flight)
        put_back(r, s); /* a resize without a result: it was left by longjmp */
    if (from && s->inherited)
        replay_settle_inherited(r, s, false);
    if (r->inversions.owed_count != 0 && inversions_settle(&r->inversions, address, stream)) {
        r->thread[s->thread].known.frees++;
        s->unmatched |= from;
        return;
    }
    const struct block *b = live_take(&r->live, address);
    if (b == NULL) {
        if (r->inherited.count != 0 && replay_release_inherited(r, s, address, from))
            return;
        r->counts.unmatched_frees++;
        s->unmatched |= from;
        if (r->stream_count > 1)
            inversions_note(&r->inversions, address, stream, s->thread, from);
        return;
    }
    if (r->stream_count > 1)
        inversions_recent(&r->inversions, address, stream);
    if (tape_op_family(b->op) != tape_op_family(op))
        TELL(r, on_mismatch, b, (uint8_t)op, r->now, s->thread);
    if (from) {
        s->in_flight = true;
        s->block = *b;
        s->block.chain = 0; /* of the map's place, which it has no more */
    } else {
        end_block(r, b, s->thread, false);
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

static void tell_mark(struct replay *r, const struct tape_event *e, uint32_t thread) {
    char *text = xmalloc(e->size + 1);
    memcpy(text, e->blob, e->size);
    text[e->size] = 0;
    bool known = e->address <= TAPE_MARK_ITERATION;
    const struct replay_mark mark = {.kind = known ? (enum tape_mark)e->address : TAPE_MARK_TEXT,
                                     .text = text,
                                     .now = r->now,
                                     .sequence = r->sequence,
                                     .thread = thread};
    TELL(r, on_mark, &mark);
    free(text);
}

/* Events about none of the heap's blocks: of the interface that programs call (IGNORE and above),
 * and of the address space. */
static void take_other(struct replay *r, const struct tape_event *e, uint32_t stack,
                       uint32_t thread) {
    if (e->op == TAPE_OP_IGNORE)
        replay_ignore(r, e->address);
    else if (e->op == TAPE_OP_POOL_ALLOC)
        replay_pool_alloc(r, e, stack, thread);
    else if (e->op == TAPE_OP_POOL_FREE)
        replay_pool_free(r, e->address);
    else if (tape_op_is_mapping(e->op))
        mappings_take(r->mappings, e, r->now, thread, stack);
    else if (e->op == TAPE_OP_MEMORY)
        TELL(r, on_memory, e, r->now);
}

static void take_thread(struct replay *r, struct stream_state *s, const struct tape_event *e) {
    if (s->in_flight)
        put_back(r, s); /* the thread before ended inside a resize */
    if (s->inherited)
        replay_settle_inherited(r, s, false);
    s->unmatched = false;
    s->thread = find_thread(r, e->address, e->blob, e->size);
}

/* Event i of the run. */
static inline void take_event(struct replay *r, const struct merge_run *run, uint32_t i) {
    const struct tape_record *record = &run->record[i];
    struct stream_state *s = &r->stream[run->index];
    struct tape_event e = {.stamp = record->stamp,
                           .address = tape_record_address(record),
                           .size = record->size,
                           .op = (uint8_t)tape_record_op(record)};
    enum tape_class class = tape_op_class(e.op);
    uint32_t stack = run->stack[i];
    bool release = class == TAPE_CLASS_FREE || class == TAPE_CLASS_FROM;
    if (class == TAPE_CLASS_BLOB) {
        e.blob = (const uint8_t *)(run->frame + stack);
        if (e.op == TAPE_OP_THREAD)
            take_thread(r, s, &e);
    } else if (class != TAPE_CLASS_SAMPLE && s->thread == UINT32_MAX) {
        s->thread = find_thread(r, 0, "?", 1); /* its announcement is lost */
    }
    if (class != TAPE_CLASS_ALLOC && class != TAPE_CLASS_REALLOC)
        stack = 0;
    else if (tape_op_has_align(e.op))
        e.align_log2 = (uint8_t)(record->pop_align >> TAPE_POP_BITS);
    r->counts.events++;
    if (r->watched)
        TELL(r, on_event, &e, r->now, run->stream, s->thread, stack);
    if (e.op >= TAPE_OP_IGNORE)
        take_other(r, &e, stack, s->thread);
    else if (release)
        take_release(r, run->index, e.address, e.op);
    else if (class == TAPE_CLASS_ALLOC || class == TAPE_CLASS_REALLOC)
        take_result(r, run->index, &e, stack);
    else if (class == TAPE_CLASS_SAMPLE)
        TELL(r, on_sample, e.address, r->now);
    else if (e.op == TAPE_OP_MARK)
        tell_mark(r, &e, s->thread);
}

/* Events that have just been decoded: what their addresses lead to in the map is fetched for all of
 * them at once, first the slots, then the blocks. */
static void prefetch(const struct replay *r, const struct merge_run *run) {
    if (r->live.used < WORTH_FETCHING)
        return;
    for (uint32_t i = 0; i < run->ahead; i++)
        live_prefetch(&r->live, tape_record_address(&run->record[i]));
    for (uint32_t i = 0; i < run->ahead; i++)
        live_prefetch_block(&r->live, tape_record_address(&run->record[i]));
}

/* Stops at what lies before `stamp`; false when the run is over. */
static bool reach_stops(struct replay *r, uint64_t stamp) {
    if (r->halted)
        return false;
    while (r->stops_done < r->stops.count && r->stops.stamp[r->stops_done] < stamp) {
        size_t at = r->stops_done++;
        r->stops.reached(r->stops.context, r, at);
    }
    bool more = r->stops_done < r->stops.count;
    r->next_stop = more ? r->stops.stamp[r->stops_done] : UINT64_MAX;
    return more || !r->stops.last_ends;
}

void replay_stop_at(struct replay *r, const struct replay_stops *stops) {
    r->stops = *stops;
    r->next_stop = stops->count != 0 ? stops->stamp[0] : UINT64_MAX;
}

void replay_halt(struct replay *r) {
    r->halted = true;
    r->next_stop = 0;
}

void replay_cut_at(struct replay *r, const struct replay_cut *cut, size_t count) {
    r->is_cut = true;
    r->cut = cut;
    r->cut_count = count;
}

/* How many events of the run lie before the cut. */
static uint32_t before_cut(struct replay *r, const struct merge_run *run) {
    struct stream_state *s = &r->stream[run->index];
    for (size_t i = 0; i < r->cut_count && !s->limit_known; i++)
        if (r->cut[i].stream == run->stream && r->cut[i].events > s->limit)
            s->limit = r->cut[i].events;
    s->limit_known = true;
    if (run->first >= s->limit)
        return 0;
    return s->limit - run->first < run->count ? (uint32_t)(s->limit - run->first) : run->count;
}

/* Takes the events of a run; false when one lies behind `until`, or behind the last stop. */
static bool take_run(struct replay *r, const struct merge *m, const struct merge_run *run,
                     uint64_t until) {
    uint32_t count = r->is_cut ? before_cut(r, run) : run->count;
    prefetch(r, run);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t stamp = run->record[i].stamp;
        if (stamp != r->stamp) {
            uint64_t now = clock_ns(r->clock, stamp);
            if (now > until)
                return false;
            if (stamp > r->next_stop && !reach_stops(r, stamp))
                return false;
            if (now > r->now)
                r->now = now;
            r->stamp = stamp;
            r->inversions.key = merge_key(m, stamp);
            if (r->inversions.owed_count != 0)
                give_up(r, inversions_overdue(&r->inversions, false));
        }
        take_event(r, run, i);
    }
    return true;
}

static void tell_live_block(struct replay *r, const struct block *b, bool resizing) {
    struct block copy = *b;
    copy.resizing = resizing;
    copy.filled = replay_has_pools(r) && pools_fill(&r->pools, b);
    if (b->op == TAPE_OP_POOL_ALLOC)
        TELL(r, on_pool_live, &copy);
    else
        TELL(r, on_live, &copy);
}

static void tell_live(struct replay *r) {
    for (size_t i = 0; i <= r->live.mask; i++) {
        const struct block *b = live_at(&r->live, i);
        if (b != NULL)
            tell_live_block(r, b, false);
    }
    for (uint32_t i = 0; i < r->stream_count; i++)
        if (r->stream[i].in_flight)
            tell_live_block(r, &r->stream[i].block, true);
    for (size_t i = 0; replay_has_pools(r) && i <= r->pools.live.mask; i++) {
        const struct block *b = live_at(&r->pools.live, i);
        if (b != NULL && !b->inherited)
            tell_live_block(r, b, false);
    }
}

void replay_run(struct replay *r, uint64_t until) {
    struct merge *m = merge_new(r->tape, r->stacks);
    struct merge_run run;
    r->stream_count = merge_stream_count(m);
    r->stream = xcalloc(r->stream_count + 1, sizeof *r->stream);
    for (uint32_t i = 0; i < r->stream_count; i++)
        r->stream[i].thread = UINT32_MAX;
    bool all = true;
    while (all && merge_next(m, &run))
        all = take_run(r, m, &run, until);
    merge_free(m);
    if (all && r->stops.count != 0)
        reach_stops(r, UINT64_MAX);
    if (all)
        give_up(r, inversions_overdue(&r->inversions, true));
    r->counts.end_time = r->now;
    const struct tape_process *p = tape_file_process(r->tape);
    if (all && p->closed && clock_ns(r->clock, p->end_stamp) > r->now)
        r->counts.end_time = clock_ns(r->clock, p->end_stamp);
    tell_live(r);
}
