/* SPDX-License-Identifier: MIT */
/*
 * The recordings of a check, read. A forked child must be told what it has from its parent, because
 * that points to its own blocks, too: so the parent's replay halts at the fork, and the child is
 * read there.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "diag.h"
#include "leak_survey.h"

/* How many halted replays there may be: each keeps a tape open. Children further down wait. */
#define NESTED_MAX 64

struct reading {
    struct check *check;
    bool *done;                   /* by process */
    struct inherited **inherited; /* of those whose parent's replay has come to their fork */
    char **test;                  /* the test that ran there; NULL: none */
    unsigned nested;
};

/* One process being read, and the forks to halt at. */
struct pass {
    struct reading *reading;
    struct test_log *tests;
    size_t *child;
    uint64_t *stamp;
    size_t children;
};

/* ---- what was not freed in one recording -------------------------------------------------- */

/* Live blocks of one stack, function and kind. */
struct live_site {
    uint32_t stack;
    enum leak_kind kind;
    uint8_t op;
    uint32_t test; /* of the check, TEST_NONE: in none */
    uint64_t bytes, blocks, indirect_bytes, indirect_blocks;
};

static int by_stack(const void *a, const void *b) {
    const struct live_site *s = a, *t = b;
    if (s->stack != t->stack)
        return s->stack < t->stack ? -1 : 1;
    if (s->kind != t->kind)
        return s->kind < t->kind ? -1 : 1;
    return (int)s->op - (int)t->op;
}

static int by_stack_and_test(const void *a, const void *b) {
    const struct live_site *s = a, *t = b;
    int order = by_stack(a, b);
    return order != 0 ? order : s->test < t->test ? -1 : s->test > t->test;
}

static struct live_site *list_live(const struct leak_survey *survey, const struct test_log *tests,
                                   const uint32_t *number) {
    struct live_site *live = xcalloc(survey->count + 1UL, sizeof *live);
    for (uint32_t i = 0; i < survey->count; i++) {
        const struct survey_block *b = &survey->block[i];
        uint32_t test = number != NULL ? test_log_of(tests, b->block.sequence) : TEST_NONE;
        live[i] = (struct live_site){.stack = b->block.stack,
                                     .kind = b->kind,
                                     .op = b->block.op,
                                     .test = test != TEST_NONE ? number[test] : TEST_NONE,
                                     .bytes = b->block.size,
                                     .blocks = 1,
                                     .indirect_bytes = b->indirect_bytes,
                                     .indirect_blocks = b->indirect_blocks};
    }
    if (survey->count != 0)
        qsort(live, survey->count, sizeof *live, by_stack_and_test);
    return live;
}

/* What was allocated in tests, by site: `stack` is the joined stack of each. */
static void note_tests(struct check *c, const struct live_site *live, uint32_t count,
                       const uint32_t *stack) {
    size_t site = 0;
    for (uint32_t i = 0; i < count; i++) {
        site += i != 0 && by_stack(&live[i - 1], &live[i]) != 0;
        if (live[i].test != TEST_NONE)
            check_tests_note(c, stack[site], live[i].test, live[i].bytes, live[i].blocks);
    }
}

/*
 * Function and kind become the innermost frame of the stack, with a number for an address where no
 * code lies: so they tell sites apart, as they do for suppressions. A site's live blocks are those
 * themselves; its total counts what is lost through them besides.
 */
static void join_live(struct check *c, uint32_t process, const struct tape_process *recorded,
                      const struct leak_survey *survey, const struct test_log *tests,
                      const uint32_t *number) {
    struct stacks *stacks = replay_stacks(survey->replay);
    struct live_site *live = list_live(survey, tests, number);
    struct site *site = xcalloc(survey->count + 1UL, sizeof *site);
    size_t count = 0;
    for (uint32_t i = 0; i < survey->count; i++) {
        const struct live_site *l = &live[i];
        if (i == 0 || by_stack(l - 1, l) != 0) {
            uint32_t frame = stacks_intern_frame(stacks, check_frame(l->op, l->kind), 0);
            site[count++].stack = stacks_push(stacks, l->stack, frame);
        }
        uint64_t *value = site[count - 1].value;
        value[METRIC_LIVE_BYTES] += l->bytes;
        value[METRIC_LIVE_BLOCKS] += l->blocks;
        value[METRIC_TOTAL_BYTES] += l->bytes + l->indirect_bytes;
        value[METRIC_TOTAL_BLOCKS] += l->blocks + l->indirect_blocks;
    }
    uint32_t *stack = xcalloc(count + 1, sizeof *stack);
    const struct joined_from from = {.stacks = stacks, .process = recorded, .number = process};
    joined_add(c->joined, &from, site, count, stack);
    note_tests(c, live, survey->count, stack);
    free(stack);
    free(live);
    free(site);
}

/* Images of one process count as one: the number of the first image of this pid. */
static uint32_t process_number(const struct check *c, size_t image) {
    for (size_t i = 0; i < image; i++)
        if (c->process[i].pid == c->process[image].pid)
            return (uint32_t)i;
    return (uint32_t)image;
}

/* ---- processes, children at their forks --------------------------------------------------- */

static void read_process(struct reading *r, size_t at);

static void reach_fork(void *context, struct replay *replay, size_t index) {
    const struct pass *p = context;
    size_t child = p->child[index];
    p->reading->inherited[child] = replay_snapshot(replay);
    uint32_t test = test_log_now(p->tests);
    if (test != TEST_NONE)
        p->reading->test[child] = xstrdup(test_log_figures(p->tests, test)->name);
    if (p->reading->nested < NESTED_MAX)
        read_process(p->reading, child);
}

static bool is_child(const struct check_process *p, const struct check_process *parent) {
    return p != parent && p->forked && memcmp(p->parent_id, parent->id, sizeof p->parent_id) == 0;
}

static int compare_forks(const void *pa, const void *pb, void *context) {
    const size_t *a = pa, *b = pb;
    const struct check_process *p = context;
    if (p[*a].fork_stamp != p[*b].fork_stamp)
        return p[*a].fork_stamp < p[*b].fork_stamp ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

static void find_children(struct pass *pass, size_t at) {
    const struct reading *r = pass->reading;
    struct check *c = r->check;
    pass->child = xcalloc(c->process_count, sizeof *pass->child);
    for (size_t i = 0; i < c->process_count && !c->unclassified; i++)
        if (is_child(&c->process[i], &c->process[at]) && check_is_read(&c->process[i]) &&
            !r->done[i])
            pass->child[pass->children++] = i;
    qsort_r(pass->child, pass->children, sizeof *pass->child, compare_forks, c->process);
    pass->stamp = xcalloc(pass->children + 1, sizeof *pass->stamp);
    for (size_t i = 0; i < pass->children; i++)
        pass->stamp[i] = c->process[pass->child[i]].fork_stamp;
}

/* Counts the events of one recording; what it did not free goes into the list, unless there is no
 * saying yet what it will free. */
static void read_tape(struct reading *r, size_t at, struct tape_file *tape) {
    struct check *c = r->check;
    struct check_process *p = &c->process[at];
    struct pass pass = {.reading = r, .tests = test_log_new(r->test[at])};
    struct growth *growth = growth_new();
    struct mismatches *mismatches = mismatches_new();
    struct observer observer[3] = {test_log_observer(pass.tests, false)};
    size_t observers = 1;
    if (c->fail_on_growth)
        observer[observers++] = growth_observer(growth);
    if (c->fail_on_mismatch)
        observer[observers++] = mismatches_observer(mismatches);
    find_children(&pass, at);
    const struct image_choice at_exit = {.by = IMAGE_EXIT};
    const struct replay_stops stops = {.stamp = pass.stamp,
                                       .count = pass.children,
                                       .reached = reach_fork,
                                       .context = &pass};
    bool ended = p->end == CHECK_CLOSED ||
                 (c->unclassified && (p->end == CHECK_KILLED || p->end == CHECK_UNSEEN));
    struct leak_survey *survey =
        leak_survey_new(tape,
                        &(struct survey_plan){.image = c->unclassified || !ended ? NULL : &at_exit,
                                              .heuristics = c->heuristics,
                                              .inherited = r->inherited[at],
                                              .stops = &stops,
                                              .observer = observer,
                                              .observers = observers});
    const struct tape_health *health = tape_file_health(tape);
    p->events = health->events;
    p->lost = health->lost;
    p->damaged_chunks = health->damaged_chunks;
    p->damaged_bytes = health->damaged_bytes;
    p->in_place = survey->image != NULL && !survey->image->frozen;
    p->truncated = tape_file_process(tape)->truncated;
    p->allocations = replay_counts(survey->replay)->allocations;
    if (c->fail_on_growth)
        check_growth_take(c, replay_stacks(survey->replay), growth);
    growth_free(growth);
    check_mismatches_take(c, tape_file_process(tape), process_number(c, at),
                          replay_stacks(survey->replay), mismatches);
    mismatches_free(mismatches);
    test_log_finish(pass.tests, replay_counts(survey->replay)->end_time);
    uint32_t *number = check_tests_take(c, pass.tests);
    if (ended) {
        c->ignored_bytes += survey->ignored_bytes;
        c->ignored_blocks += survey->ignored_count;
    }
    if (ended && survey->count != 0) {
        join_live(c, process_number(c, at), tape_file_process(tape), survey, pass.tests, number);
        p->unclassified = survey->reason;
        survey->reason = NULL;
    }
    leak_survey_free(survey);
    test_log_free(pass.tests);
    free(number);
    free(pass.child);
    free(pass.stamp);
}

static void read_process(struct reading *r, size_t at) {
    r->done[at] = true;
    struct tape_file *tape = tape_file_open(r->check->process[at].tape);
    if (tape != NULL) {
        r->nested++;
        read_tape(r, at, tape);
        r->nested--;
        tape_file_close(tape);
    } else { /* was there a moment ago */
        r->check->process[at].end = CHECK_UNREADABLE;
    }
    inherited_free(r->inherited[at]);
    free(r->test[at]);
    r->inherited[at] = NULL;
    r->test[at] = NULL;
}

/* Whether its parent is read, and it with that. */
static bool waits_for_parent(const struct check *c, const struct check_process *p) {
    bool found = false;
    for (size_t i = 0; i < c->process_count && !c->unclassified && !found; i++)
        found = is_child(p, &c->process[i]) && check_is_read(&c->process[i]);
    return found;
}

void check_read(struct check *c) {
    struct reading r = {.check = c};
    r.done = xcalloc(c->process_count + 1, sizeof *r.done);
    r.inherited = xcalloc(c->process_count + 1, sizeof *r.inherited);
    r.test = xcalloc(c->process_count + 1, sizeof *r.test);
    for (size_t i = 0; i < c->process_count; i++)
        if (!check_is_read(&c->process[i]))
            r.done[i] = true;
    for (size_t i = 0; i < c->process_count; i++)
        if (!r.done[i] && !waits_for_parent(c, &c->process[i]))
            read_process(&r, i);
    /* Left are those whose forks were nested too deeply, and children of such as could not be
     * read, which are not told what they inherited. */
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < c->process_count; i++)
            if (!r.done[i] && r.inherited[i] != NULL) {
                read_process(&r, i);
                found = true;
            }
    }
    for (size_t i = 0; i < c->process_count; i++)
        if (!r.done[i])
            read_process(&r, i);
    free(r.done);
    free(r.inherited);
    free(r.test);
}
