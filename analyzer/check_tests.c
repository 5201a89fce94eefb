/* SPDX-License-Identifier: MIT */
/*
 * The tests that the programs of a check marked, by name over all processes, and in which of them
 * the blocks of a finding were allocated.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "diag.h"

#define TESTS_NAMED 3 /* in a phrase */

/* Test names to numbers: open addressing, number + 1, 0 empty. */
static uint32_t *slot_of(const struct check *c, const char *name) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = name; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    uint32_t i = (uint32_t)(h ^ h >> 32) & c->test_mask;
    while (c->test_table[i] != 0 && strcmp(c->test[c->test_table[i] - 1].name, name) != 0)
        i = (i + 1) & c->test_mask;
    return &c->test_table[i];
}

static uint32_t number_of(struct check *c, const char *name) {
    if (c->test_table == NULL || c->test_count > c->test_mask / 2) {
        c->test_mask = c->test_table != NULL ? 2 * c->test_mask + 1 : 63;
        free(c->test_table);
        c->test_table = xcalloc(c->test_mask + 1UL, sizeof *c->test_table);
        c->test = xrealloc(c->test, (c->test_mask + 1UL) * sizeof *c->test);
        for (uint32_t i = 0; i < c->test_count; i++)
            *slot_of(c, c->test[i].name) = i + 1;
    }
    uint32_t *slot = slot_of(c, name);
    if (*slot == 0) {
        c->test[c->test_count] = (struct check_test){.name = xstrdup(name)};
        *slot = ++c->test_count;
    }
    return *slot - 1;
}

uint32_t *check_tests_take(struct check *c, const struct test_log *log) {
    uint32_t count = test_log_count(log), *number = NULL;
    if (count != 0)
        number = xmalloc(count * sizeof *number);
    for (uint32_t i = 0; i < count; i++) {
        const struct test_figures *f = test_log_figures(log, i);
        number[i] = number_of(c, f->name);
        c->test[number[i]].runs += f->runs;
        c->test[number[i]].ns += f->ns;
    }
    return number;
}

void check_tests_note(struct check *c, uint32_t stack, uint32_t test, uint64_t bytes,
                      uint64_t blocks) {
    if ((c->share_count & (c->share_count - 1)) == 0)
        c->share =
            xrealloc(c->share, (c->share_count != 0 ? 2 * c->share_count : 1) * sizeof *c->share);
    c->share[c->share_count++] =
        (struct check_share){.site = stack, .test = test, .bytes = bytes, .blocks = blocks};
}

static int by_site(const void *a, const void *b) {
    const struct check_share *s = a, *t = b;
    if (s->site != t->site)
        return s->site < t->site ? -1 : 1;
    return s->test < t->test ? -1 : s->test > t->test;
}

void check_tests_assign(struct check *c) {
    size_t kept = 0;
    for (size_t i = 0; i < c->share_count; i++)
        c->share[i].site = joined_site_of(c->joined, c->share[i].site);
    if (c->share_count != 0)
        qsort(c->share, c->share_count, sizeof *c->share, by_site);
    for (size_t i = 0; i < c->share_count; i++) {
        struct check_share one = c->share[i];
        if (kept != 0 && by_site(&c->share[kept - 1], &one) == 0) {
            c->share[kept - 1].bytes += one.bytes;
            c->share[kept - 1].blocks += one.blocks;
            continue;
        }
        struct check_finding *f = &c->finding[one.site];
        c->share[kept++] = one;
        if (f->share_count++ == 0)
            f->share = &c->share[kept - 1];
    }
    c->share_count = kept;
}

void check_tests_sum(struct check *c) {
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct check_finding *f = &c->finding[i];
        for (uint32_t k = 0; k < f->share_count && check_is_found(f); k++) {
            struct check_test *t = &c->test[f->share[k].test];
            t->places++;
            t->bytes += f->share[k].bytes;
            t->blocks += f->share[k].blocks;
        }
    }
}

char *check_tests_phrase(const struct check *c, const struct check_finding *f) {
    uint64_t within = 0;
    if (c->test_count == 0)
        return NULL;
    if (f->share_count == 0)
        return xstrdup("outside of tests");
    char *text = xstrdup(f->share_count == 1 ? "in test" : "in tests");
    for (uint32_t i = 0; i < f->share_count; i++) {
        within += f->share[i].blocks;
        if (i >= TESTS_NAMED)
            continue;
        const char *own = c->test[f->share[i].test].name;
        char *name = names_printable(own, strlen(own));
        char *longer = xasprintf("%s%s %s", text, i != 0 ? "," : "", name);
        free(name);
        free(text);
        text = longer;
    }
    char more[32] = "";
    if (f->share_count > TESTS_NAMED)
        snprintf(more, sizeof more, " and %" PRIu32 " more", f->share_count - TESTS_NAMED);
    char *whole =
        xasprintf("%s%s%s", text, more, within < f->blocks ? ", and outside of tests" : "");
    free(text);
    return whole;
}

void check_tests_free(struct check *c) {
    for (uint32_t i = 0; i < c->test_count; i++)
        free(c->test[i].name);
    free(c->test);
    free(c->test_table);
    free(c->share);
}
