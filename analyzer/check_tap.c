/* SPDX-License-Identifier: MIT */
/*
 * TAP version 13: a line for each item, with a YAML block for one that failed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_format.h"
#include "json_put.h"

/* A description: # would begin a directive. */
static void print_description(FILE *out, const char *text) {
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '#' || *p == '\\')
            fputc('\\', out);
        fputc(*p == '\n' ? ' ' : *p, out);
    }
}

/* A YAML scalar in double quotes: JSON's strings are YAML. */
static void print_scalar(FILE *out, const char *text) {
    struct json_object *o = json_text(text);
    fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE), out);
    json_object_put(o);
}

static void print_stack(FILE *out, const struct check_stack *s) {
    for (size_t i = 0; i < s->count; i++) {
        char *label = check_frame_label(&s->frame[i]);
        fputs("    - ", out);
        print_scalar(out, label);
        fputc('\n', out);
        free(label);
    }
}

static void print_block(FILE *out, const struct check_item *item) {
    fputs("  ---\n  message: ", out);
    print_scalar(out, item->message);
    fprintf(out, "\n  severity: fail\n  rule: %s\n", check_rule_info[item->rule].id);
    if (item->finding != NULL)
        fprintf(out, "  bytes: %" PRIu64 "\n  blocks: %" PRIu64 "\n", item->finding->bytes,
                item->finding->blocks);
    if (item->budget != NULL)
        fprintf(out, "  value: %" PRIu64 "\n  limit: %" PRIu64 "\n", item->budget->value,
                item->budget->limit);
    if (item->file != NULL) {
        fputs("  file: ", out);
        print_scalar(out, item->file);
        fprintf(out, "\n  line: %u\n", item->line);
    }
    if (item->stack.count != 0)
        fputs("  stack:\n", out);
    print_stack(out, &item->stack);
    fputs("  ...\n", out);
}

void check_print_tap(FILE *out, const struct check *c, const struct check_context *context) {
    const struct check_items *items = context->items;
    fprintf(out, "TAP version 13\n1..%zu\n", items->count);
    for (size_t i = 0; i < items->count; i++) {
        fprintf(out, "%s %zu - ", items->item[i].failed ? "not ok" : "ok", i + 1);
        print_description(out, items->item[i].name);
        fputc('\n', out);
        if (items->item[i].failed)
            print_block(out, &items->item[i]);
    }
    for (size_t i = 0; i < c->note_count; i++)
        fprintf(out, "# %s\n", c->note[i]);
}
