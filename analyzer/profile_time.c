/* SPDX-License-Identifier: MIT */
/* Times as users write them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

struct lookup {
    const char *text;
    uint64_t found;
    bool is_mark;
};

static void match_mark(void *context, const struct replay_mark *m) {
    struct lookup *l = context;
    if (!l->is_mark && strcmp(m->text, l->text) == 0) {
        l->is_mark = true;
        l->found = m->now;
    }
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

bool profile_parse_time(struct tape_file *tape, const char *text, uint64_t *ns,
                        const char **error) {
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
    struct lookup l = {.text = text};
    struct replay *r = replay_new(tape);
    replay_observe(r, &(struct observer){.context = &l, .on_mark = match_mark});
    replay_run(r, UINT64_MAX);
    struct replay_counts counts = *replay_counts(r);
    replay_free(r);
    if (l.is_mark) {
        *ns = l.found;
    } else if (strcmp(text, "peak") == 0) {
        *ns = counts.peak_time;
    } else if (number && strcmp(end, "%") == 0 && value <= 100) {
        *ns = (uint64_t)((double)counts.end_time * value / 100);
    } else {
        *error = "not a time: give seconds, a number with ns, us, ms, s, min or h, a percentage of "
                 "the run, peak, end, or the name of a mark";
        return false;
    }
    return true;
}
