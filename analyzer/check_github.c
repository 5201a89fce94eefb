/* SPDX-License-Identifier: MIT */
/*
 * GitHub's workflow commands, which make annotations of lines in a step's output. It shows ten of a
 * kind in a step: the largest are printed, and how many there are.
 */
#include "check_format.h"

#include <stdlib.h>
#include <string.h>

#define ANNOTATIONS_MAX 10

static void print_escaped(FILE *out, const char *text, const char *special) {
    for (const char *p = text; *p != '\0'; p++)
        if (strchr(special, *p) != NULL)
            fprintf(out, "%%%02X", (unsigned char)*p);
        else
            fputc(*p, out);
}

static void print_annotation(FILE *out, const struct check_item *item) {
    const struct check_rule_info *rule = &check_rule_info[item->rule];
    const char *level = strcmp(rule->level, "note") == 0 ? "notice" : rule->level;
    fprintf(out, "::%s ", level);
    if (item->file != NULL) {
        fputs("file=", out);
        print_escaped(out, item->file, "%\r\n:,");
        fprintf(out, ",line=%u,", item->line);
    }
    fputs("title=", out);
    print_escaped(out, rule->title, "%\r\n:,");
    fputs("::", out);
    print_escaped(out, item->message, "%\r\n");
    for (size_t i = 0; i < item->stack.count; i++) {
        char *label = check_frame_label(&item->stack.frame[i]);
        fputs(i == 0 ? "%0Aat " : "%0Aby ", out);
        print_escaped(out, label, "%\r\n");
        free(label);
    }
    fputc('\n', out);
}

void check_print_github(FILE *out, const struct check *c, const struct check_context *context) {
    const struct check_items *items = context->items;
    size_t leaks = 0, left_out = 0;
    for (size_t i = 0; i < items->count; i++) /* budgets and problems first: they are few */
        if (items->item[i].failed && items->item[i].finding == NULL)
            print_annotation(out, &items->item[i]);
    for (size_t i = 0; i < items->count; i++)
        if (items->item[i].failed && items->item[i].finding != NULL) {
            if (leaks++ < ANNOTATIONS_MAX)
                print_annotation(out, &items->item[i]);
            else
                left_out++;
        }
    for (size_t i = 0; i < c->note_count && i < ANNOTATIONS_MAX; i++) {
        fputs("::notice title=heaptape::", out);
        print_escaped(out, c->note[i], "%\r\n");
        fputc('\n', out);
    }
    if (left_out != 0)
        fprintf(out, "::notice title=heaptape::%zu more places of %llu, see the log\n", left_out,
                (unsigned long long)c->found);
}
