/* SPDX-License-Identifier: MIT */
/*
 * JUnit XML: a test case for each item. Names stay the same from run to run, as dashboards keep
 * their history by name; the program's own failure is an error, all else a failure.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "check_format.h"
#include "xml_text.h"

static void print_seconds(FILE *out, const char *name, uint64_t ns) {
    fprintf(out, " %s=\"%" PRIu64 ".%03u\"", name, ns / 1000000000,
            (unsigned)(ns / 1000000 % 1000));
}

static void print_counts(FILE *out, const struct check_items *items) {
    size_t errors = 0;
    for (size_t i = 0; i < items->count; i++)
        errors += items->item[i].failed && items->item[i].rule == RULE_PROGRAM;
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\"", items->count,
            items->failed - errors, errors);
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
    print_counts(out, context->items);
    print_seconds(out, "time", context->ran);
    fputs(">\n  <testsuite", out);
    xml_attribute(out, "name", c->program);
    print_counts(out, context->items);
    print_seconds(out, "time", context->ran);
    fprintf(out, " timestamp=\"%s\">\n    <properties>\n", when);
    print_property(out, "not_freed_bytes", c->found_bytes);
    print_property(out, "not_freed_blocks", c->found_blocks);
    print_property(out, "suppressed_bytes", c->suppressed_bytes);
    print_property(out, "suppressed_blocks", c->suppressed_blocks);
    fputs("    </properties>\n", out);
    for (size_t i = 0; i < context->items->count; i++)
        print_case(out, &context->items->item[i]);
    fputs("  </testsuite>\n</testsuites>\n", out);
}
