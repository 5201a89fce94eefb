/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "check_parts.h"
#include "diag.h"
#include "screen.h"

#define FRAMES_SHOWN 8

static void print_site(FILE *out, const struct budget *b, const struct budget_site *site,
                       const char *arrow) {
    char *amount = budget_amount(b, site->value);
    fprintf(out, "  %s\n", amount);
    free(amount);
    for (size_t i = 0; i < site->stack.count && i < FRAMES_SHOWN; i++) {
        char *label = check_frame_label(&site->stack.frame[i]);
        fprintf(out, "    %s%s\n", i == 0 ? "at " : arrow, label);
        free(label);
    }
}

void check_print_budgets(FILE *out, const struct check *c) {
    struct screen screen = screen_of(out, false);
    for (size_t i = 0; i < c->budgets->count; i++) {
        const struct budget *b = &c->budgets->budget[i];
        if (!b->broken)
            continue;
        char *sentence = budget_sentence(b);
        fprintf(out, "%sBudget:%s %s\n", screen_bold(&screen), screen_plain(&screen), sentence);
        free(sentence);
        for (size_t k = 0; k < b->site_count; k++)
            print_site(out, b, &b->site[k], screen.utf8 ? "\u2190 " : "<- ");
        fputc('\n', out);
    }
}

void check_print_stale(FILE *out, const struct check *c) {
    if (c->stale == 0)
        return;
    fputs("Suppressions that match nothing\n\n", out);
    for (size_t i = 0; i < c->suppressions->count; i++) {
        const struct suppression *s = &c->suppressions->entry[i];
        if (!suppression_is_stale(s))
            continue;
        char *name = names_printable(s->name, strlen(s->name));
        fprintf(out, "  %s:%u %s\n", s->file, s->line, name);
        free(name);
    }
    fputc('\n', out);
}
