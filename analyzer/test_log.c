/* SPDX-License-Identifier: MIT */
#include "test_log.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define DEPTH_MAX 1024 /* tests in one another; begins further in are only counted */

struct test {
    struct test_figures figures;
    uint32_t outer;
    const char *own; /* its name without those of the tests around it: the end of figures.name */
};

/* A test that runs. Its figures are those of its own blocks while tests lie in it, which add theirs
 * when they end; only the peak is kept for all of them at once. */
struct open_test {
    uint32_t test;
    uint64_t first; /* sequence of the first block that can be its own */
    uint64_t began;
    uint64_t allocations, bytes, live_bytes, live_blocks, ignored_bytes, ignored_blocks, peak;
};

/* From this block on, until the next such place, blocks belong to the test. */
struct place {
    uint64_t sequence;
    uint32_t test;
};

struct test_log {
    struct test *test;
    uint32_t count, room;
    uint32_t *table; /* open addressing: number + 1, 0 empty */
    uint32_t mask;
    struct open_test *open; /* the innermost last */
    uint32_t depth, depth_room, beyond;
    struct place *place;
    size_t place_count, place_room;
    uint32_t outer; /* of all */
};

/* ---- names --------------------------------------------------------------------------------- */

static uint64_t hash_of(uint32_t outer, const char *name) {
    uint64_t h = (outer + UINT64_C(0xcbf29ce484222325)) * UINT64_C(0x9e3779b97f4a7c15);
    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static uint32_t *slot_of(const struct test_log *l, uint32_t outer, const char *name) {
    uint32_t i = (uint32_t)hash_of(outer, name) & l->mask;
    while (l->table[i] != 0 && (l->test[l->table[i] - 1].outer != outer ||
                                strcmp(l->test[l->table[i] - 1].own, name) != 0))
        i = (i + 1) & l->mask;
    return &l->table[i];
}

static void grow(struct test_log *l) {
    l->room = l->room != 0 ? 2 * l->room : 16;
    l->test = xrealloc(l->test, l->room * sizeof *l->test);
    free(l->table);
    l->mask = 2 * l->room - 1;
    l->table = xcalloc(l->mask + 1UL, sizeof *l->table);
    for (uint32_t i = 0; i < l->count; i++)
        *slot_of(l, l->test[i].outer, l->test[i].own) = i + 1;
}

static uint32_t find_test(struct test_log *l, uint32_t outer, const char *name) {
    if (l->count == l->room)
        grow(l);
    uint32_t *slot = slot_of(l, outer, name);
    if (*slot == 0) {
        char *whole = outer == TEST_NONE ? xstrdup(name)
                                         : xasprintf("%s/%s", l->test[outer].figures.name, name);
        l->test[l->count] = (struct test){.figures = {.name = whole},
                                          .outer = outer,
                                          .own = whole + strlen(whole) - strlen(name)};
        *slot = ++l->count;
    }
    return *slot - 1;
}

/* ---- begins and ends ------------------------------------------------------------------------ */

struct test_log *test_log_new(const char *outer) {
    struct test_log *l = xcalloc(1, sizeof *l);
    l->outer = TEST_NONE;
    if (outer != NULL)
        l->outer = find_test(l, TEST_NONE, outer);
    return l;
}

void test_log_free(struct test_log *l) {
    if (l == NULL)
        return;
    for (uint32_t i = 0; i < l->count; i++)
        free((char *)l->test[i].figures.name);
    free(l->test);
    free(l->table);
    free(l->open);
    free(l->place);
    free(l);
}

uint32_t test_log_now(const struct test_log *l) {
    return l->depth != 0 ? l->open[l->depth - 1].test : l->outer;
}

bool test_log_runs(const struct test_log *l, uint32_t test) {
    bool found = test == l->outer && test != TEST_NONE;
    for (uint32_t i = 0; i < l->depth && !found; i++)
        found = l->open[i].test == test;
    return found;
}

/* What runs has changed. */
static void note_place(struct test_log *l, uint64_t sequence) {
    struct place now = {sequence, test_log_now(l)};
    if (l->place_count != 0 && l->place[l->place_count - 1].sequence == now.sequence)
        l->place_count--; /* nothing was allocated meanwhile */
    if (l->place_count == l->place_room) {
        l->place_room = l->place_room != 0 ? 2 * l->place_room : 16;
        l->place = xrealloc(l->place, l->place_room * sizeof *l->place);
    }
    l->place[l->place_count++] = now;
}

static void begin(struct test_log *l, const struct replay_mark *m) {
    if (l->depth == DEPTH_MAX) {
        l->beyond++;
        return;
    }
    if (l->depth == l->depth_room) {
        l->depth_room = l->depth_room != 0 ? 2 * l->depth_room : 16;
        l->open = xrealloc(l->open, l->depth_room * sizeof *l->open);
    }
    uint32_t test = find_test(l, test_log_now(l), m->text);
    l->test[test].figures.runs++;
    l->open[l->depth++] = (struct open_test){.test = test, .first = m->sequence, .began = m->now};
    note_place(l, m->sequence);
}

static void end_innermost(struct test_log *l, uint64_t now, bool ended) {
    const struct open_test *o = &l->open[--l->depth];
    struct test_figures *f = &l->test[o->test].figures;
    f->unended += !ended;
    f->ns += now - o->began;
    f->allocations += o->allocations;
    f->bytes += o->bytes;
    f->left_bytes += o->live_bytes - o->ignored_bytes;
    f->left_blocks += o->live_blocks - o->ignored_blocks;
    if (o->peak > f->peak_bytes)
        f->peak_bytes = o->peak;
    if (l->depth != 0) {
        struct open_test *outer = &l->open[l->depth - 1];
        outer->allocations += o->allocations;
        outer->bytes += o->bytes;
        outer->live_bytes += o->live_bytes;
        outer->live_blocks += o->live_blocks;
        outer->ignored_bytes += o->ignored_bytes;
        outer->ignored_blocks += o->ignored_blocks;
    }
}

static void end(struct test_log *l, const struct replay_mark *m) {
    const char *name = m->text;
    uint32_t depth = l->depth;
    if (l->beyond != 0 && *name == '\0') {
        l->beyond--;
        return;
    }
    while (*name != '\0' && depth != 0 && strcmp(l->test[l->open[depth - 1].test].own, name) != 0)
        depth--;
    if (depth == 0)
        return;
    l->beyond = 0;
    while (l->depth > depth)
        end_innermost(l, m->now, false);
    end_innermost(l, m->now, true);
    note_place(l, m->sequence);
}

void test_log_finish(struct test_log *l, uint64_t now) {
    while (l->depth != 0)
        end_innermost(l, now, false);
}

/* ---- what is told --------------------------------------------------------------------------- */

static void see_mark(void *context, const struct replay_mark *m) {
    if (m->kind == TAPE_MARK_TEST_BEGIN)
        begin(context, m);
    else if (m->kind == TAPE_MARK_TEST_END)
        end(context, m);
}

static void see_alloc(void *context, const struct block *b) {
    struct test_log *l = context;
    uint64_t live = 0;
    if (l->depth == 0)
        return;
    struct open_test *innermost = &l->open[l->depth - 1];
    innermost->allocations++;
    innermost->bytes += b->size;
    innermost->live_bytes += b->size;
    innermost->live_blocks++;
    for (uint32_t i = l->depth; i-- != 0;) {
        live += l->open[i].live_bytes;
        if (live > l->open[i].peak)
            l->open[i].peak = live;
    }
}

/* The innermost test that runs and in which the block was allocated; NULL: in none of them. */
static struct open_test *holder(struct test_log *l, const struct block *b) {
    uint32_t i = l->depth;
    while (i != 0 && b->sequence < l->open[i - 1].first)
        i--;
    return i != 0 ? &l->open[i - 1] : NULL;
}

static void see_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                     bool realloc) {
    struct open_test *o = holder(context, b);
    (void)now;
    (void)thread;
    (void)realloc;
    if (o == NULL)
        return;
    o->live_bytes -= b->size;
    o->live_blocks--;
    o->ignored_bytes -= b->ignored ? b->size : 0;
    o->ignored_blocks -= b->ignored;
}

static void see_ignore(void *context, const struct block *b) {
    struct open_test *o = b->op != TAPE_OP_POOL_ALLOC ? holder(context, b) : NULL;
    if (o == NULL)
        return;
    o->ignored_bytes += b->size;
    o->ignored_blocks++;
}

struct observer test_log_observer(struct test_log *l, bool figures) {
    if (!figures)
        return (struct observer){.context = l, .on_mark = see_mark};
    return (struct observer){.context = l,
                             .on_mark = see_mark,
                             .on_alloc = see_alloc,
                             .on_free = see_free,
                             .on_ignore = see_ignore};
}

/* ---- answers -------------------------------------------------------------------------------- */

uint32_t test_log_count(const struct test_log *l) {
    return l->count;
}

const struct test_figures *test_log_figures(const struct test_log *l, uint32_t test) {
    return &l->test[test].figures;
}

uint32_t test_log_of(const struct test_log *l, uint64_t sequence) {
    size_t low = 0, high = l->place_count; /* the first place behind the block */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->place[middle].sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low != 0 ? l->place[low - 1].test : l->outer;
}
