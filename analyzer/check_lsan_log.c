/* SPDX-License-Identifier: MIT */
/*
 * LeakSanitizer's text. Like it, nothing at all when all is well.
 */
#include <inttypes.h>

#include "check_format.h"

static void print_frames(FILE *out, const struct check_stack *s) {
    for (size_t i = 0; i < s->count; i++) {
        const struct check_frame *f = &s->frame[i];
        fprintf(out, "    #%zu 0x%" PRIx64, i, f->address);
        if (f->function != NULL)
            fprintf(out, " in %s", f->function);
        if (f->line != 0)
            fprintf(out, " %s:%u", f->file, f->line);
        else if (f->module != NULL)
            fprintf(out, " (%s+0x%" PRIx64 ")", f->module, f->address);
        fputc('\n', out);
    }
}

void check_print_lsan_log(FILE *out, const struct check *c, const struct check_context *context) {
    if (c->found != 0)
        fprintf(out,
                "\n=================================================================\n"
                "==%" PRIu64 "==ERROR: LeakSanitizer: detected memory leaks\n\n",
                c->pid);
    for (size_t i = 0; i < context->items->count; i++) {
        const struct check_item *item = &context->items->item[i];
        const struct check_finding *f = item->finding;
        if (!item->failed || f == NULL)
            continue;
        fprintf(out, "%s leak of %" PRIu64 " byte(s) in %" PRIu64 " object(s) allocated from:\n",
                f->kind == LEAK_INDIRECT ? "Indirect" : "Direct", f->bytes, f->blocks);
        print_frames(out, &item->stack);
        fputc('\n', out);
    }
    for (size_t i = 0; i < context->items->count; i++) {
        const struct check_item *item = &context->items->item[i];
        if (!item->failed || item->finding != NULL || item->rule == RULE_PROGRAM)
            continue;
        fprintf(out, "heaptape: %s\n", item->message);
        for (size_t k = 0; item->budget != NULL && k < item->budget->site_count; k++)
            print_frames(out, &item->budget->site[k].stack);
        fputc('\n', out);
    }
    for (size_t i = 0; i < c->note_count && !check_clean(c); i++)
        fprintf(out, "heaptape: note: %s\n", c->note[i]);
    if (c->found != 0)
        fprintf(out,
                "SUMMARY: LeakSanitizer: %" PRIu64 " byte(s) leaked in %" PRIu64
                " allocation(s).\n",
                c->found_bytes, c->found_blocks);
    if (context->kept != NULL)
        fprintf(out, "heaptape: the recordings are in %s\n", context->kept);
}
