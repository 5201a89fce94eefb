/* SPDX-License-Identifier: MIT */
/* The recordings of a family replayed, parents before their forks, children at them. */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "family.h"

/* How many halted replays of ancestors there may be: each keeps a tape open. Children further down
 * wait, with what they inherit, until these are over. */
#define NESTED_MAX 64

struct run {
    struct family *family;
    bool *needed; /* by member: selected, or a selected one inherits from it */
    struct inherited **inherited;
    void (*visit)(void *context, struct family_member *, struct tape_file *,
                  const struct profile *);
    void *context;
    unsigned nested;
};

/* One replay, and the forks to halt it at. */
struct pass {
    struct run *run;
    uint32_t at, *child; /* members, by the stamp of their fork */
    uint64_t *stamp;
    size_t children;
};

static void run_member(struct run *run, uint32_t at);

static void reach_fork(void *context, struct replay *replay, size_t index) {
    struct pass *p = context;
    struct run *run = p->run;
    uint32_t child = p->child[index];
    run->inherited[child] = replay_snapshot(replay);
    if (run->nested < NESTED_MAX)
        run_member(run, child);
}

static void prepare(void *context, struct replay *replay) {
    struct pass *p = context;
    struct inherited *inherited = p->run->inherited[p->at];
    if (inherited != NULL)
        replay_inherit(replay, inherited);
    inherited_free(inherited);
    p->run->inherited[p->at] = NULL;
    replay_stop_at(replay,
                   &(struct replay_stops){.stamp = p->stamp,
                                          .count = p->children,
                                          .last_ends = !p->run->family->member[p->at].selected,
                                          .reached = reach_fork,
                                          .context = p});
}

static int compare_forks(const void *pa, const void *pb, void *context) {
    const uint32_t *a = pa, *b = pb;
    const struct family_member *m = context;
    if (m[*a].fork_stamp != m[*b].fork_stamp)
        return m[*a].fork_stamp < m[*b].fork_stamp ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

static void find_children(struct pass *p) {
    struct family *f = p->run->family;
    p->child = xcalloc(f->count, sizeof *p->child);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct family_member *m = &f->member[i];
        if (m->tie == FAMILY_FORK && m->parent == p->at && !m->parent_missing && !m->done &&
            p->run->needed[i])
            p->child[p->children++] = i;
    }
    qsort_r(p->child, p->children, sizeof *p->child, compare_forks, f->member);
    p->stamp = xcalloc(p->children + 1, sizeof *p->stamp);
    for (size_t i = 0; i < p->children; i++)
        p->stamp[i] = f->member[p->child[i]].fork_stamp;
}

static void keep_results(struct family_member *m, struct tape_file *tape,
                         const struct replay *replay) {
    m->counts = *replay_counts(replay);
    m->health = *tape_file_health(tape);
    if (m->health.first_damage != NULL)
        m->health.first_damage = xstrdup(m->health.first_damage);
    m->bytes = tape_file_bytes(tape);
    m->truncated = tape_file_process(tape)->truncated;
}

static void run_member(struct run *run, uint32_t at) {
    struct family_member *m = &run->family->member[at];
    struct pass pass = {.run = run, .at = at};
    m->done = true;
    struct tape_file *tape = tape_file_open(m->path);
    if (tape == NULL) {
        m->failed = true;
        run->family->unreadable++;
        return;
    }
    run->nested++;
    find_children(&pass);
    if (m->selected) {
        struct profile *profile = profile_run_prepared(tape, prepare, &pass);
        keep_results(m, tape, profile->replay);
        run->visit(run->context, m, tape, profile);
        profile_free(profile);
    } else {
        struct replay *replay = replay_new(tape);
        prepare(&pass, replay);
        replay_run(replay, UINT64_MAX);
        replay_free(replay);
    }
    run->nested--;
    free(pass.child);
    free(pass.stamp);
    tape_file_close(tape);
}

/* Whether the member inherits from its parent's tape. */
static bool inherits(const struct family_member *m) {
    return m->tie == FAMILY_FORK && !m->parent_missing;
}

void family_run(struct family *f,
                void (*visit)(void *context, struct family_member *, struct tape_file *,
                              const struct profile *profile),
                void *context) {
    struct run run = {.family = f, .visit = visit, .context = context};
    run.needed = xcalloc((uint64_t)f->count + 1, sizeof *run.needed);
    run.inherited = xcalloc((uint64_t)f->count + 1, sizeof *run.inherited);
    for (uint32_t i = 0; i < f->count; i++) {
        if (!f->member[i].selected)
            continue;
        uint32_t at = i;
        while (!run.needed[at]) {
            run.needed[at] = true;
            if (inherits(&f->member[at]))
                at = f->member[at].parent;
        }
    }
    /* First those that inherit nothing; they bring their children along. Whoever is left then
     * waits with an inheritance (forks nested too deeply), or its parent could not be read. */
    bool found = true;
    for (uint32_t i = 0; i < f->count; i++)
        if (run.needed[i] && !f->member[i].done && !inherits(&f->member[i]))
            run_member(&run, i);
    while (found) {
        found = false;
        for (uint32_t i = 0; i < f->count; i++) {
            if (run.needed[i] && !f->member[i].done && run.inherited[i] != NULL) {
                run_member(&run, i);
                found = true;
            }
        }
    }
    for (uint32_t i = 0; i < f->count; i++) {
        if (run.needed[i] && !f->member[i].done) {
            f->member[i].parent_missing = true;
            run_member(&run, i);
        }
    }
    free(run.needed);
    free(run.inherited);
}

bool family_member_whole(const struct family_member *m) {
    const struct tape_health *h = &m->health;
    return !m->failed && h->lost == 0 && h->damaged_chunks == 0 && h->damaged_bytes == 0;
}

int family_status(const struct family *f) {
    for (uint32_t i = 0; i < f->count; i++)
        if (f->member[i].selected && !family_member_whole(&f->member[i]))
            return EXIT_FINDING;
    return f->unreadable != 0 ? EXIT_FINDING : EXIT_FINE;
}
