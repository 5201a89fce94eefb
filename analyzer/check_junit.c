/* SPDX-License-Identifier: MIT */
/*
 * JUnit XML: a test case for each item, and one for each test that the program marks, which fails
 * when something was lost that was allocated in it. Names stay the same from run to run, as
 * dashboards keep their history by name; the program's own failure is an error, all else a failure.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "check_format.h"
#include "diag.h"
#include "units.h"
#include "xml_text.h"

static void print_seconds(FILE *out, const char *name, uint64_t ns) {
    fprintf(out, " %s=\"%" PRIu64 ".%03u\"", name, ns / 1000000000,
            (unsigned)(ns / 1000000 % 1000));
}

static void print_counts(FILE *out, const struct check *c, const struct check_items *items) {
    size_t errors = 0, leaky = 0;
    for (size_t i = 0; i < items->count; i++)
        errors += items->item[i].failed && items->item[i].rule == RULE_PROGRAM;
    for (uint32_t i = 0; i < c->test_count; i++)
        leaky += c->test[i].places != 0;
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\"",
            items->count + c->test_count, items->failed - errors + leaky, errors);
}

static void print_stack(FILE *out, const struct check_item *item) {
    char *text = NULL;
    size_t length;
    FILE *lines = open_memstream(&text, &length);
    if (lines == NULL)
        return;
    check_item_print_stack(lines, item, "");
    fclose(lines);
    xml_lines(out, text);
    free(text);
}

static void print_case(FILE *out, const struct check_item *item) {
    const struct check_rule_info *rule = &check_rule_info[item->rule];
    fputs("    <testcase classname=\"heaptape.", out);
    fputs(rule->section, out);
    fputc('"', out);
    xml_attribute(out, "name", item->name);
    if (item->file != NULL) {
        xml_attribute(out, "file", item->file);
        fprintf(out, " line=\"%u\"", item->line);
    }
    fputs(" time=\"0.000\"", out);
    if (!item->failed) {
        fputs("/>\n", out);
        return;
    }
    const char *element = item->rule == RULE_PROGRAM ? "error" : "failure";
    fprintf(out, ">\n      <%s type=\"%s\"", element, rule->id);
    xml_attribute(out, "message", item->message);
    fputs(">", out);
    print_stack(out, item);
    fprintf(out, "</%s>\n    </testcase>\n", element);
}

/* ---- tests that the program marks ----------------------------------------------------------- */

/* Findings with blocks of each test. */
struct test_lists {
    size_t *first; /* by test: where its part of `item` begins; one more at the end */
    const struct check_item **item;
};

static struct test_lists list_by_test(const struct check *c, const struct check_items *items) {
    struct test_lists l = {.first = xcalloc(c->test_count + 2UL, sizeof *l.first)};
    for (uint32_t i = 0; i < c->test_count; i++)
        l.first[i + 1] = l.first[i] + c->test[i].places;
    l.item = xcalloc(l.first[c->test_count] + 1, sizeof *l.item);
    size_t *next = xcalloc(c->test_count + 1UL, sizeof *next);
    for (size_t i = 0; i < items->count; i++) {
        const struct check_finding *f = items->item[i].finding;
        for (uint32_t k = 0; f != NULL && k < f->share_count; k++) {
            uint32_t test = f->share[k].test;
            l.item[l.first[test] + next[test]++] = &items->item[i];
        }
    }
    free(next);
    return l;
}

static void print_leaks_of(FILE *out, const struct check_item *const *item, size_t count) {
    for (size_t i = 0; i < count; i++) {
        xml_lines(out, item[i]->message);
        fputc('\n', out);
        print_stack(out, item[i]);
    }
}

static void print_test(FILE *out, const struct check_test *t,
                       const struct check_item *const *item) {
    fputs("    <testcase classname=\"heaptape.tests\"", out);
    xml_attribute(out, "name", t->name);
    print_seconds(out, "time", t->ns);
    if (t->places == 0) {
        fputs("/>\n", out);
        return;
    }
    char bytes[UNITS_ROOM], blocks[UNITS_ROOM], places[UNITS_ROOM];
    fprintf(out,
            ">\n      <failure type=\"leak\" message=\"%s byte%s in %s block%s that the test "
            "allocated leaked, from %s place%s\">",
            units_count(bytes, t->bytes), t->bytes == 1 ? "" : "s", units_count(blocks, t->blocks),
            t->blocks == 1 ? "" : "s", units_count(places, t->places), t->places == 1 ? "" : "s");
    print_leaks_of(out, item, t->places);
    fputs("</failure>\n    </testcase>\n", out);
}

static void print_tests(FILE *out, const struct check *c, const struct check_items *items) {
    struct test_lists l = list_by_test(c, items);
    for (uint32_t i = 0; i < c->test_count; i++)
        print_test(out, &c->test[i], l.item + l.first[i]);
    free(l.first);
    free(l.item);
}

static void print_notes(FILE *out, const struct check *c) {
    if (c->note_count == 0)
        return;
    fputs("    <system-out>", out);
    for (size_t i = 0; i < c->note_count; i++) {
        fputs(i == 0 ? "" : "\n", out);
        xml_lines(out, c->note[i]);
    }
    fputs("</system-out>\n", out);
}

static void print_property(FILE *out, const char *name, uint64_t value) {
    fprintf(out, "      <property name=\"%s\" value=\"%" PRIu64 "\"/>\n", name, value);
}

void check_print_junit(FILE *out, const struct check *c, const struct check_context *context) {
    time_t started = (time_t)context->started;
    struct tm tm;
    char when[32] = "";
    if (gmtime_r(&started, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"heaptape\"", out);
    print_counts(out, c, context->items);
    print_seconds(out, "time", context->ran);
    fputs(">\n  <testsuite", out);
    xml_attribute(out, "name", c->program);
    print_counts(out, c, context->items);
    print_seconds(out, "time", context->ran);
    fprintf(out, " timestamp=\"%s\">\n    <properties>\n", when);
    print_property(out, "not_freed_bytes", c->found_bytes);
    print_property(out, "not_freed_blocks", c->found_blocks);
    print_property(out, "suppressed_bytes", c->suppressed_bytes);
    print_property(out, "suppressed_blocks", c->suppressed_blocks);
    fputs("    </properties>\n", out);
    for (size_t i = 0; i < context->items->count; i++)
        print_case(out, &context->items->item[i]);
    print_tests(out, c, context->items);
    print_notes(out, c);
    fputs("  </testsuite>\n</testsuites>\n", out);
}
