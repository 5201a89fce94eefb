/* SPDX-License-Identifier: MIT */
#include "growth.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Blocks of a site; below 0 when some from before the first mark were freed. */
struct amount {
    int64_t blocks, bytes;
};

struct live_amount {
    struct amount now;
    uint64_t step; /* in which it last changed */
};

/* A site that changed, and what it had before. */
struct change {
    uint32_t stack;
    struct amount before;
};

struct changes {
    struct change *change;
    size_t count, room;
};

/* A site as one loop sees it: the least and the most in stretches of 2^shift rounds, and what it
 * had at the end of the last of `rounds`. */
struct history {
    uint32_t stack;
    unsigned shift;
    uint64_t rounds, grew;
    struct amount last;
    struct stretch {
        struct amount floor;
        int64_t top; /* blocks */
    } part[GROWTH_PARTS];
};

struct loop {
    struct growth_loop is;
    char *name;
    struct changes changes; /* since its last round, each site once */
    struct mine {
        uint64_t seen;    /* number of the round in whose changes it was last */
        uint32_t history; /* + 1; 0: none yet */
    } * mine;             /* by stack */
    uint32_t room;
    struct history *history;
    uint32_t history_count, history_room;
};

struct growth {
    struct live_amount *live; /* by stack */
    uint32_t room;
    uint64_t step; /* changes with every round of any loop */
    struct changes changes;
    struct loop loop[GROWTH_LOOPS];
    uint32_t loops, last; /* last: the loop of the newest round */
    uint64_t others;
};

struct growth *growth_new(void) {
    struct growth *g = xcalloc(1, sizeof *g);
    g->step = 1;
    return g;
}

void growth_free(struct growth *g) {
    if (g == NULL)
        return;
    for (uint32_t i = 0; i < g->loops; i++) {
        struct loop *l = &g->loop[i];
        free(l->name);
        free(l->changes.change);
        free(l->mine);
        free(l->history);
        free(l->is.site);
    }
    free(g->live);
    free(g->changes.change);
    free(g);
}

/* ---- changes ------------------------------------------------------------------------------- */

static void add_change(struct changes *c, const struct change *one) {
    if (c->count == c->room) {
        c->room = c->room != 0 ? 2 * c->room : 64;
        c->change = xrealloc(c->change, c->room * sizeof *c->change);
    }
    c->change[c->count++] = *one;
}

/* A table by stack with room for this one; zeroes where there was none. */
static void *table_for(void *table, uint32_t *room, uint32_t stack, size_t size) {
    if (stack < *room)
        return table;
    uint32_t old = *room;
    *room = stack < 512 ? 1024 : 2 * stack;
    table = xrealloc(table, *room * size);
    memset((char *)table + old * size, 0, (*room - old) * size);
    return table;
}

static inline void change(struct growth *g, uint32_t stack, int64_t blocks, int64_t bytes) {
    g->live = table_for(g->live, &g->room, stack, sizeof *g->live);
    struct live_amount *l = &g->live[stack];
    if (l->step != g->step) {
        l->step = g->step;
        add_change(&g->changes, &(struct change){stack, l->now});
    }
    l->now.blocks += blocks;
    l->now.bytes += bytes;
}

static void see_alloc(void *context, const struct block *b) {
    change(context, b->stack, 1, (int64_t)b->size);
}

static void see_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                     bool realloc) {
    (void)now;
    (void)thread;
    (void)realloc;
    change(context, b->stack, -1, -(int64_t)b->size);
}

/* Hands the changes since the last round of any loop to all of them. */
static void hand_out(struct growth *g) {
    for (size_t i = 0; i < g->changes.count; i++)
        for (uint32_t k = 0; k < g->loops; k++) {
            const struct change *one = &g->changes.change[i];
            struct loop *l = &g->loop[k];
            l->mine = table_for(l->mine, &l->room, one->stack, sizeof *l->mine);
            if (l->mine[one->stack].seen == l->is.rounds + 1)
                continue;
            l->mine[one->stack].seen = l->is.rounds + 1;
            add_change(&l->changes, one);
        }
    g->changes.count = 0;
    g->step++;
}

/* ---- rounds -------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void lower(struct amount *a, const struct amount *b) {
    a->blocks = least(a->blocks, b->blocks);
    a->bytes = least(a->bytes, b->bytes);
}

static void join(struct stretch *s, const struct stretch *t) {
    lower(&s->floor, &t->floor);
    s->top = s->top > t->top ? s->top : t->top;
}

/* Stretches that so many rounds take. */
static uint32_t parts_of(uint64_t rounds, unsigned shift) {
    return (uint32_t)((rounds + (UINT64_C(1) << shift) - 1) >> shift);
}

/* Joins stretches, two by two, until `rounds` of them have room. */
static void make_room(struct history *h, uint64_t rounds) {
    for (; parts_of(rounds, h->shift) > GROWTH_PARTS; h->shift++) {
        uint32_t parts = parts_of(h->rounds, h->shift);
        for (uint32_t i = 0; i < parts; i += 2) {
            struct stretch joined = h->part[i];
            if (i + 1 < parts)
                join(&joined, &h->part[i + 1]);
            h->part[i / 2] = joined;
        }
    }
}

/* The rounds up to this one ended with what the site had last. */
static void go_on(struct history *h, uint64_t rounds) {
    if (rounds <= h->rounds)
        return;
    make_room(h, rounds);
    const struct stretch same = {h->last, h->last.blocks};
    for (uint64_t i = h->rounds >> h->shift; i <= (rounds - 1) >> h->shift; i++)
        if (i << h->shift < h->rounds)
            join(&h->part[i], &same);
        else
            h->part[i] = same;
    h->rounds = rounds;
}

static struct history *history_of(struct loop *l, const struct change *c) {
    struct mine *mine = &l->mine[c->stack];
    if (mine->history == 0) {
        if (l->history_count == l->history_room) {
            l->history_room = l->history_room != 0 ? 2 * l->history_room : 64;
            l->history = xrealloc(l->history, l->history_room * sizeof *l->history);
        }
        l->history[l->history_count] = (struct history){.stack = c->stack, .last = c->before};
        mine->history = ++l->history_count;
    }
    return &l->history[mine->history - 1];
}

static void end_round(struct growth *g, struct loop *l) {
    l->is.rounds++;
    for (size_t i = 0; i < l->changes.count && l->is.rounds > 1; i++) {
        const struct change *c = &l->changes.change[i];
        struct history *h = history_of(l, c);
        go_on(h, l->is.rounds - 1);
        h->last = g->live[c->stack].now;
        h->grew += h->last.blocks > c->before.blocks;
        go_on(h, l->is.rounds);
    }
    l->changes.count = 0;
}

static struct loop *find_loop(struct growth *g, const char *name) {
    if (g->loops != 0 && strcmp(g->loop[g->last].name, name) == 0)
        return &g->loop[g->last];
    for (g->last = 0; g->last < g->loops; g->last++)
        if (strcmp(g->loop[g->last].name, name) == 0)
            return &g->loop[g->last];
    if (g->loops == GROWTH_LOOPS) {
        g->last = 0;
        return NULL;
    }
    struct loop *l = &g->loop[g->loops++];
    l->name = xstrdup(name);
    l->is.name = l->name;
    return l;
}

static void see_mark(void *context, const struct replay_mark *m) {
    struct growth *g = context;
    if (m->kind != TAPE_MARK_ITERATION)
        return;
    hand_out(g);
    struct loop *l = find_loop(g, m->text);
    if (l != NULL)
        end_round(g, l);
    else
        g->others++;
}

struct observer growth_observer(struct growth *g) {
    return (struct observer){.context = g,
                             .on_alloc = see_alloc,
                             .on_free = see_free,
                             .on_mark = see_mark};
}

/* ---- the verdict ---------------------------------------------------------------------------- */

/* What rose in one of the three parts, and how many stretches it has. */
struct rise {
    int64_t blocks;
    uint32_t length;
};

static bool is_steady(const struct rise rise[3]) {
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            if (rise[i].blocks < 1 ||
                2 * (rise[i].blocks + 1) * rise[k].length < rise[k].blocks * rise[i].length)
                return false;
    return true;
}

/* By how much the number fell at most, from one of these stretches to a later one. */
static int64_t deepest_fall(const struct history *h, uint32_t start, uint32_t end) {
    int64_t top = h->part[start].top, fall = 0;
    for (uint32_t i = start + 1; i <= end; i++) {
        if (top - h->part[i].floor.blocks > fall)
            fall = top - h->part[i].floor.blocks;
        top = top > h->part[i].top ? top : h->part[i].top;
    }
    return fall;
}

static void judge(struct growth_loop *l, struct history *h) {
    go_on(h, l->rounds);
    uint32_t parts = parts_of(h->rounds, h->shift), end = parts - 1, start = parts / 4;
    int64_t fall = deepest_fall(h, start, end);
    for (uint32_t i = end; i-- != 0;)
        lower(&h->part[i].floor, &h->part[i + 1].floor); /* from here on never less */
    uint32_t length = end - start;
    const uint32_t at[] = {start, start + length / 3, start + 2 * length / 3, end};
    struct rise rise[3];
    for (int i = 0; i < 3; i++)
        rise[i] = (struct rise){h->part[at[i + 1]].floor.blocks - h->part[at[i]].floor.blocks,
                                at[i + 1] - at[i]};
    int64_t blocks = h->part[end].floor.blocks - h->part[start].floor.blocks;
    int64_t bytes = h->part[end].floor.bytes - h->part[start].floor.bytes;
    l->measured = (uint64_t)length << h->shift;
    if (is_steady(rise) && blocks > fall)
        l->site[l->count++] = (struct growth_site){.stack = h->stack,
                                                   .blocks = (uint64_t)blocks,
                                                   .bytes = bytes > 0 ? (uint64_t)bytes : 0,
                                                   .grew = h->grew};
    else if (blocks > 0)
        l->unsteady++;
}

static int by_stack(const void *a, const void *b) {
    const struct growth_site *s = a, *t = b;
    return s->stack < t->stack ? -1 : s->stack > t->stack;
}

void growth_finish(struct growth *g) {
    for (uint32_t i = 0; i < g->loops; i++) {
        struct loop *l = &g->loop[i];
        l->is.site = xcalloc(l->history_count + 1UL, sizeof *l->is.site);
        for (uint32_t k = 0; k < l->history_count && l->is.rounds >= GROWTH_ROUNDS; k++)
            judge(&l->is, &l->history[k]);
        if (l->is.count != 0)
            qsort(l->is.site, l->is.count, sizeof *l->is.site, by_stack);
    }
}

uint32_t growth_loops(const struct growth *g) {
    return g->loops;
}

const struct growth_loop *growth_loop(const struct growth *g, uint32_t index) {
    return &g->loop[index].is;
}

uint64_t growth_others(const struct growth *g) {
    return g->others;
}
