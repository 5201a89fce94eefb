/* SPDX-License-Identifier: MIT */
/* Sums over processes, beside what is added up here at every instant. */
#include "ledger_family.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define PROCESSES 40
#define ROWS      30

static uint64_t next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static struct ledger_row row(uint64_t time, uint64_t heap, uint64_t files, uint64_t live) {
    return (struct ledger_row){.time = time,
                               .resident = heap + files,
                               .live = live,
                               .bytes = {[LEDGER_HEAP] = heap, [LEDGER_FILES] = files}};
}

struct scene {
    struct ledger ledger[PROCESSES];
    struct ledger_row rows[PROCESSES][ROWS];
    struct family_member member[PROCESSES];
    struct family family;
    struct ledger_family *sums;
};

static void fill(struct scene *s) {
    uint64_t seed = 1;
    s->family = (struct family){.member = s->member, .count = PROCESSES};
    s->sums = ledger_family_new();
    for (uint32_t i = 0; i < PROCESSES; i++) {
        struct ledger *l = &s->ledger[i];
        uint64_t time = next(&seed) % 100;
        l->rows = s->rows[i];
        l->row_count = i % 7 == 3 ? 0 : 1 + next(&seed) % ROWS;
        for (size_t k = 0; k < l->row_count; k++) {
            s->rows[i][k] = row(time, next(&seed) % 1000, next(&seed) % 100, next(&seed) % 2000);
            time += 1 + next(&seed) % 50;
            if (s->rows[i][k].resident > l->peak.resident)
                l->peak = s->rows[i][k];
        }
        if (l->row_count != 0 && i % 5 == 0) { /* thinned out: the greatest is no row any more */
            l->peak = row(time, 3000, 0, 10);
            time += 5;
        }
        l->samples = l->row_count;
        s->member[i] = (struct family_member){.start = 1000 + next(&seed) % 2000, .alive = i == 1};
        s->member[i].counts.end_time = time + next(&seed) % 20;
        ledger_family_add(s->sums, i, l);
    }
    ledger_family_finish(s->sums, &s->family);
}

/* What the process has at an instant since 1970, or nothing. */
static const struct ledger_row *at(const struct scene *s, uint32_t i, uint64_t time) {
    const struct ledger *l = &s->ledger[i];
    const struct ledger_row *found = NULL;
    if (time < s->member[i].start ||
        (!s->member[i].alive && time > s->member[i].start + s->member[i].counts.end_time))
        return NULL;
    uint64_t since = time - s->member[i].start;
    for (size_t k = 0; k < l->row_count && l->rows[k].time <= since; k++)
        found = &l->rows[k];
    if (l->samples != 0 && l->peak.time <= since && (found == NULL || found->time < l->peak.time))
        found = &l->peak;
    return found;
}

static void test_sums(void **state) {
    (void)state;
    struct scene *s = calloc(1, sizeof *s);
    fill(s);
    uint64_t first = UINT64_MAX, greatest = 0, most_at = 0;
    for (uint32_t i = 0; i < PROCESSES; i++)
        first = s->member[i].start < first ? s->member[i].start : first;
    size_t next_row = 0;
    struct ledger_row said = {0};
    for (uint64_t time = first; time < first + 6000; time++) {
        struct ledger_row sum = {0};
        for (uint32_t i = 0; i < PROCESSES; i++) {
            const struct ledger_row *r = at(s, i, time);
            if (r == NULL)
                continue;
            sum.resident += r->resident;
            sum.bytes[LEDGER_HEAP] += r->bytes[LEDGER_HEAP];
            sum.live += r->live < r->bytes[LEDGER_HEAP] ? r->live : r->bytes[LEDGER_HEAP];
        }
        if (next_row < s->sums->row_count && s->sums->rows[next_row].time == time - first)
            said = s->sums->rows[next_row++];
        assert_int_equal(said.resident, sum.resident);
        assert_int_equal(said.live, sum.live);
        assert_int_equal(said.bytes[LEDGER_HEAP], sum.bytes[LEDGER_HEAP]);
        if (sum.resident > greatest) {
            greatest = sum.resident;
            most_at = time;
        }
    }
    assert_int_equal(next_row, s->sums->row_count);
    assert_int_equal(s->sums->peak.resident, greatest);
    assert_int_equal(s->sums->peak.time, most_at - first);
    uint64_t then = 0;
    uint32_t alive = 0;
    for (uint32_t i = 0; i < PROCESSES; i++) {
        const struct ledger_row *r = at(s, i, most_at);
        assert_int_equal(s->sums->member[i].then, r != NULL ? r->resident : 0);
        then += s->sums->member[i].then;
        alive += r != NULL;
    }
    assert_int_equal(then, greatest);
    assert_int_equal(alive, s->sums->alive);
    ledger_family_free(s->sums);
    free(s);
}

static void test_nothing(void **state) {
    (void)state;
    struct family_member member[2] = {{.start = 5}, {.start = 3}};
    struct family family = {.member = member, .count = 2};
    struct ledger none = {0};
    struct ledger_family *f = ledger_family_new();
    ledger_family_add(f, 0, &none);
    ledger_family_add(f, 1, &none);
    ledger_family_finish(f, &family);
    assert_int_equal(f->samples + f->row_count + f->peak.resident + f->alive, 0);
    ledger_family_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
