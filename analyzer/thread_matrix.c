/* SPDX-License-Identifier: MIT */
#include "thread_matrix.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define GROUPS  (THREAD_GROUPS_OWN + THREAD_GROUPS_NAMES)
#define UNKNOWN GROUPS /* as the column of frees by nobody knows whom */

struct entry {
    uint32_t key; /* (of * (GROUPS + 1) + by) + 1; 0: an empty slot */
    struct thread_cell cell;
};

struct thread_matrix {
    const struct replay *replay;
    uint16_t *group; /* by thread: + 1; 0: not yet known */
    struct thread_cell *live;
    uint32_t thread_room;
    char *name[THREAD_GROUPS_NAMES]; /* of the groups behind the first ones */
    uint32_t names;
    struct entry *entry; /* open addressing */
    uint32_t count, mask;
};

struct thread_matrix *thread_matrix_new(const struct replay *replay) {
    struct thread_matrix *m = xcalloc(1, sizeof *m);
    m->replay = replay;
    m->mask = 63;
    m->entry = xcalloc(m->mask + 1, sizeof *m->entry);
    return m;
}

void thread_matrix_free(struct thread_matrix *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->names; i++)
        free(m->name[i]);
    free(m->group);
    free(m->live);
    free(m->entry);
    free(m);
}

/* ---- counting ----------------------------------------------------------------------------- */

static void make_room(struct thread_matrix *m, uint32_t thread) {
    uint32_t room = m->thread_room != 0 ? m->thread_room : 16;
    while (room <= thread)
        room *= 2;
    m->group = xrealloc(m->group, room * sizeof *m->group);
    m->live = xrealloc(m->live, room * sizeof *m->live);
    memset(m->group + m->thread_room, 0, (room - m->thread_room) * sizeof *m->group);
    memset(m->live + m->thread_room, 0, (room - m->thread_room) * sizeof *m->live);
    m->thread_room = room;
}

/* The last group takes every name that there is no group left for. */
static uint32_t group_of_name(struct thread_matrix *m, const char *name) {
    for (uint32_t i = 0; i < m->names; i++)
        if (strcmp(m->name[i], name) == 0)
            return i;
    if (m->names == THREAD_GROUPS_NAMES - 1)
        return THREAD_GROUPS_NAMES - 1;
    m->name[m->names] = xstrdup(name);
    return m->names++;
}

static uint32_t group_of(struct thread_matrix *m, uint32_t thread) {
    if (thread < THREAD_GROUPS_OWN)
        return thread;
    if (thread >= m->thread_room)
        make_room(m, thread);
    if (m->group[thread] == 0) {
        const char *name = replay_thread(m->replay, thread)->name;
        m->group[thread] =
            (uint16_t)(THREAD_GROUPS_OWN + group_of_name(m, name != NULL ? name : "") + 1);
    }
    return m->group[thread] - 1U;
}

static struct entry *find(const struct thread_matrix *m, uint32_t key) {
    uint32_t i = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & m->mask;
    while (m->entry[i].key != 0 && m->entry[i].key != key)
        i = (i + 1) & m->mask;
    return &m->entry[i];
}

static void grow(struct thread_matrix *m) {
    struct entry *old = m->entry;
    uint32_t n = m->mask + 1;
    m->mask = 2 * n - 1;
    m->entry = xcalloc(2 * (uint64_t)n, sizeof *m->entry);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].key != 0)
            *find(m, old[i].key) = old[i];
    free(old);
}

void thread_matrix_add(struct thread_matrix *m, uint32_t of, uint32_t by, uint64_t bytes) {
    if (of == by)
        return; /* follows from the other cells */
    uint32_t column = by != UINT32_MAX ? group_of(m, by) : UNKNOWN;
    uint32_t key = group_of(m, of) * (GROUPS + 1) + column + 1;
    struct entry *e = find(m, key);
    if (e->key == 0 && m->count >= m->mask / 2) {
        grow(m);
        e = find(m, key);
    }
    m->count += e->key == 0;
    e->key = key;
    e->cell.blocks++;
    e->cell.bytes += bytes;
}

void thread_matrix_add_live(struct thread_matrix *m, uint32_t of, uint64_t bytes) {
    if (of >= m->thread_room)
        make_room(m, of);
    m->live[of].blocks++;
    m->live[of].bytes += bytes;
}

struct thread_cell thread_matrix_live(const struct thread_matrix *m, uint32_t thread) {
    return thread < m->thread_room ? m->live[thread] : (struct thread_cell){0};
}

/* ---- the table ---------------------------------------------------------------------------- */

static void add_cell(struct thread_cell *to, struct thread_cell from) {
    to->blocks += from.blocks;
    to->bytes += from.bytes;
}

static void subtract_cell(struct thread_cell *from, struct thread_cell what) {
    from->blocks -= what.blocks < from->blocks ? what.blocks : from->blocks;
    from->bytes -= what.bytes < from->bytes ? what.bytes : from->bytes;
}

/* A group while it is being summed up. */
struct group {
    uint32_t index, threads;
    uint64_t tid, calls;
    const char *name;
    struct thread_cell allocated, live;
};

static int compare_groups(const void *pa, const void *pb) {
    const struct group *a = pa, *b = pb;
    if (a->calls != b->calls)
        return a->calls < b->calls ? 1 : -1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct group *sum_groups(struct thread_matrix *m) {
    struct group *g = xcalloc(GROUPS, sizeof *g);
    for (uint32_t i = 0, n = replay_thread_count(m->replay); i < n; i++) {
        const struct replay_thread *t = replay_thread(m->replay, i);
        if (t->allocations == 0 && t->frees == 0)
            continue;
        uint32_t index = group_of(m, i);
        struct group *to = &g[index];
        to->threads++;
        to->tid = t->tid;
        to->name = index == GROUPS - 1 ? NULL : t->name != NULL ? t->name : "";
        to->calls += t->allocations + t->frees;
        add_cell(&to->allocated, (struct thread_cell){t->allocations, t->allocated_bytes});
        add_cell(&to->live, thread_matrix_live(m, i));
    }
    for (uint32_t i = 0; i < GROUPS; i++)
        g[i].index = i;
    return g;
}

struct thread_table *thread_matrix_table(const struct thread_matrix *matrix, uint32_t largest) {
    struct thread_matrix *m = (struct thread_matrix *)matrix; /* groups are found when needed */
    struct group *g = sum_groups(m);
    qsort(g, GROUPS, sizeof *g, compare_groups);
    struct thread_table *t = xcalloc(1, sizeof *t);
    uint32_t groups = 0, *row_of = xcalloc(GROUPS, sizeof *row_of);
    while (groups < GROUPS && g[groups].threads != 0)
        groups++;
    t->count = groups > largest ? largest + 1 : groups;
    t->row = xcalloc((uint64_t)t->count + 1, sizeof *t->row);
    for (uint32_t i = 0; i < groups; i++) {
        uint32_t at = i < largest ? i : largest;
        struct thread_row *row = &t->row[at];
        row_of[g[i].index] = at;
        row->name = row->threads == 0 || (row->name != NULL && g[i].name != NULL &&
                                          strcmp(row->name, g[i].name) == 0)
                        ? g[i].name
                        : NULL;
        row->threads += g[i].threads;
        row->tid = g[i].tid;
        row->calls += g[i].calls;
        add_cell(&row->live, g[i].live);
        if (row->freed == NULL)
            row->freed = xcalloc(t->count, sizeof *row->freed);
        add_cell(&row->freed[at], g[i].allocated); /* what follows is taken from it */
        subtract_cell(&row->freed[at], g[i].live);
    }
    for (uint32_t i = 0; i <= m->mask; i++) {
        if (m->entry[i].key == 0)
            continue;
        uint32_t key = m->entry[i].key - 1, of = row_of[key / (GROUPS + 1)];
        uint32_t column = key % (GROUPS + 1);
        t->crossed |= column != UNKNOWN;
        t->unknown |= column == UNKNOWN;
        if (column != UNKNOWN && row_of[column] == of)
            continue;
        subtract_cell(&t->row[of].freed[of], m->entry[i].cell);
        add_cell(column == UNKNOWN ? &t->row[of].unknown : &t->row[of].freed[row_of[column]],
                 m->entry[i].cell);
    }
    free(row_of);
    free(g);
    return t;
}

void thread_table_free(struct thread_table *t) {
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        free(t->row[i].freed);
    free(t->row);
    free(t);
}
