/* SPDX-License-Identifier: MIT */
/* Times as users write them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "profile.h"

/* What bears the name: a mark, a test, a loop. Each has a first instant and a last one. */
struct lookup {
    const char *text;
    struct test_log *tests; /* told before this is */
    uint32_t test;
    struct instants {
        bool found;
        uint64_t first, last;
    } mark, run, loop;
};

static void meet(struct instants *i, uint64_t now) {
    if (!i->found)
        i->first = now;
    i->found = true;
    i->last = now;
}

/* The first run of a test, by its own name or with those of the tests around it. */
static void match_test(struct lookup *l, const struct replay_mark *m) {
    uint32_t now = test_log_now(l->tests);
    if (m->kind == TAPE_MARK_TEST_BEGIN && !l->run.found &&
        (strcmp(m->text, l->text) == 0 ||
         (now != TEST_NONE && strcmp(test_log_figures(l->tests, now)->name, l->text) == 0))) {
        l->test = now;
        meet(&l->run, m->now);
        l->run.last = UINT64_MAX; /* the end of the recording, unless it ends before */
    } else if (l->run.found && l->run.last == UINT64_MAX && !test_log_runs(l->tests, l->test)) {
        l->run.last = m->now;
    }
}

static void match_mark(void *context, const struct replay_mark *m) {
    struct lookup *l = context;
    bool same = strcmp(m->text, l->text) == 0;
    if (m->kind == TAPE_MARK_TEXT && same && !l->mark.found)
        meet(&l->mark, m->now);
    else if (m->kind == TAPE_MARK_ITERATION && same)
        meet(&l->loop, m->now);
    else if (m->kind == TAPE_MARK_TEST_BEGIN || m->kind == TAPE_MARK_TEST_END)
        match_test(l, m);
}

static bool look_up(const struct lookup *l, enum profile_bound bound, uint64_t *ns) {
    const struct instants *i = l->mark.found ? &l->mark : l->run.found ? &l->run : &l->loop;
    if (i->found)
        *ns = bound == PROFILE_FROM ? i->first : i->last;
    return i->found;
}

/* ns per unit of a suffix; 0 when it is none. */
static double unit_of(const char *suffix) {
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"", 1e9},   {"s", 1e9}, {"ms", 1e6},   {"us", 1e3},
                 {"µs", 1e3}, {"ns", 1},  {"min", 60e9}, {"h", 3600e9}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(suffix, units[i].suffix) == 0)
            return units[i].ns;
    return 0;
}

bool profile_parse_time(struct tape_file *tape, const char *text, enum profile_bound bound,
                        uint64_t *ns, const char **error) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    bool number = end != text && errno == 0 && isfinite(value) && value >= 0;
    if (number && unit_of(end) != 0) {
        double t = value * unit_of(end);
        *ns = t < 1.8e19 ? (uint64_t)t : UINT64_MAX;
        return true;
    }
    if (strcmp(text, "end") == 0) {
        *ns = UINT64_MAX;
        return true;
    }
    struct lookup l = {.text = text, .tests = test_log_new(NULL)};
    struct observer tests = test_log_observer(l.tests, false);
    struct replay *r = replay_new(tape);
    replay_observe(r, &tests);
    replay_observe(r, &(struct observer){.context = &l, .on_mark = match_mark});
    replay_run(r, UINT64_MAX);
    struct replay_counts counts = *replay_counts(r);
    replay_free(r);
    test_log_free(l.tests);
    if (look_up(&l, bound, ns)) {
        return true;
    } else if (strcmp(text, "peak") == 0) {
        *ns = counts.peak_time;
    } else if (number && strcmp(end, "%") == 0 && value <= 100) {
        *ns = (uint64_t)((double)counts.end_time * value / 100);
    } else {
        *error = "not a time: give seconds, a number with ns, us, ms, s, min or h, a percentage of "
                 "the run, peak, end, or the name of a mark, a test or a loop";
        return false;
    }
    return true;
}
