/* SPDX-License-Identifier: MIT */
#include "check_item.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "check_parts.h"
#include "diag.h"
#include "units.h"

#define LEAK(kind, title, level)                                                                   \
    {                                                                                              \
        "leak-" kind, title, "Memory was allocated here and not freed before the process ended.",  \
            level, "leaks"                                                                         \
    }

const struct check_rule_info check_rule_info[RULE_COUNT] = {
    [LEAK_DEFINITE] = LEAK("definite", "Memory that is lost", "error"),
    [LEAK_INDIRECT] = LEAK("indirect", "Memory that is lost through other memory", "note"),
    [LEAK_POSSIBLE] = LEAK("possible", "Memory that is possibly lost", "warning"),
    [LEAK_REACHABLE] = LEAK("reachable", "Memory that is still reachable", "note"),
    [LEAK_UNKNOWN] = LEAK("unknown", "Memory that was not freed", "error"),
    [RULE_PEAK] = {"budget-peak", "Peak of the heap over its budget",
                   "A process had more on its heap at one time than its budget allows.", "error",
                   "budgets"},
    [RULE_ALLOCS] = {"budget-allocs", "Allocations over their budget",
                     "More allocations were made than their budget allows.", "error", "budgets"},
    [RULE_LEAKED] = {"budget-leaked", "Memory not freed over its budget",
                     "More memory was not freed than its budget allows.", "error", "budgets"},
    [RULE_RECORDINGS] = {"recordings", "Incomplete recording",
                         "A recording is not complete, so the answer is not reliable.", "error",
                         "check"},
    [RULE_STALE] = {"stale-suppression", "Suppression that matches nothing",
                    "An entry in a file of suppressions matched nothing.", "error", "check"},
    [RULE_PROGRAM] = {"program", "Program that failed",
                      "The program ended with a status that is not 0.", "error", "check"},
    [RULE_GROWTH] = {"growth", "Memory that grows with each round of a loop",
                     "More blocks that were allocated here live after each round.", "error",
                     "growth"},
    [RULE_MISMATCH] = {"mismatch", "Memory given back by another kind of function",
                       "Blocks that were allocated here were given back by a function of another "
                       "kind, as new by free().",
                       "error", "mismatches"},
};

static struct check_item *add(struct check_items *items, unsigned rule, bool failed, char *name,
                              char *message) {
    items->item = xrealloc(items->item, (items->count + 1) * sizeof *items->item);
    struct check_item *item = &items->item[items->count++];
    *item = (struct check_item){.rule = rule, .failed = failed, .name = name, .message = message};
    items->failed += failed;
    return item;
}

/* ---- what stays the same over builds ------------------------------------------------------ */

static uint64_t hash(uint64_t h, const char *text) { /* FNV-1a, the end of the text included */
    do {
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++ != '\0');
    return h;
}

/* Functions and files' names, not lines, addresses or directories; the same with --no-demangle. */
static uint64_t fingerprint(const struct check_item *item) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    if (item->finding == NULL)
        h = hash(h, item->name);
    if (item->finding == NULL && !item->placed)
        return h;
    for (size_t i = 0; i < item->stack.count; i++) {
        const struct check_frame *f = &item->stack.frame[i];
        const char *function = f->readable != NULL ? f->readable : f->function;
        h = hash(h, function != NULL ? function : "");
        h = hash(h, names_base(f->file != NULL ? f->file : f->module != NULL ? f->module : ""));
    }
    return h;
}

static int by_fingerprint(const void *a, const void *b) {
    const struct check_item *i = *(struct check_item *const *)a,
                            *k = *(struct check_item *const *)b;
    if (i->fingerprint != k->fingerprint)
        return i->fingerprint < k->fingerprint ? -1 : 1;
    return i < k ? -1 : i > k;
}

static void number(struct check_items *items) {
    struct check_item **sorted = xcalloc(items->count, sizeof *sorted);
    for (size_t i = 0; i < items->count; i++) {
        sorted[i] = &items->item[i];
        sorted[i]->fingerprint = fingerprint(sorted[i]);
    }
    if (items->count != 0)
        qsort(sorted, items->count, sizeof *sorted, by_fingerprint);
    for (size_t i = 0; i < items->count; i++)
        sorted[i]->ordinal = i != 0 && sorted[i]->fingerprint == sorted[i - 1]->fingerprint
                                 ? sorted[i - 1]->ordinal + 1
                                 : 1;
    free(sorted);
}

/* Stacks that read the same but for their lines are told apart by a number. */
static void name_leaks(struct check_items *items) {
    for (size_t i = 0; i < items->count; i++) {
        struct check_item *item = &items->item[i];
        const struct check_stack *s = &item->stack;
        if (item->finding == NULL && !item->placed)
            continue;
        const struct check_frame *at = s->place < s->count ? &s->frame[s->place]
                                       : s->count != 0
                                           ? &s->frame[item->rule != RULE_GROWTH && s->count > 1]
                                           : NULL;
        const char *function = at != NULL && at->function != NULL ? at->function : "???";
        const char *file = at == NULL           ? "unknown place"
                           : at->file != NULL   ? names_base(at->file)
                           : at->module != NULL ? names_base(at->module)
                                                : "unknown place";
        char ordinal[16] = "";
        if (item->ordinal > 1)
            snprintf(ordinal, sizeof ordinal, ":%u", item->ordinal);
        char *whole = xasprintf("%s: %s (%s) [%08" PRIx32 "%s]",
                                item->placed ? item->name : "not freed", function, file,
                                (uint32_t)(item->fingerprint ^ item->fingerprint >> 32), ordinal);
        free(item->name);
        item->name = whole;
    }
}

/* ---- the items ---------------------------------------------------------------------------- */

static void point_at_stack(struct check_item *item) {
    const struct check_stack *s = &item->stack;
    if (s->place < s->count) {
        item->file = s->frame[s->place].path;
        item->line = s->frame[s->place].line;
    }
}

static char *leak_message(const struct check *c, const struct check_finding *f,
                          const struct check_stack *s) {
    char bytes[UNITS_ROOM], blocks[UNITS_ROOM], indirect[80] = "", lost[UNITS_ROOM];
    char *label = s->place < s->count ? check_frame_label(&s->frame[s->place])
                  : s->count > 1      ? check_frame_label(&s->frame[1])
                                      : xstrdup("an unknown place");
    if (f->indirect_bytes != 0)
        snprintf(indirect, sizeof indirect, ", and %s more through them",
                 units_count(lost, f->indirect_bytes));
    char *text = xasprintf("%s byte%s in %s block%s %s%s: %s at %s", units_count(bytes, f->bytes),
                           f->bytes == 1 ? "" : "s", units_count(blocks, f->blocks),
                           f->blocks == 1 ? "" : "s", leak_kind_info[f->kind].phrase, indirect,
                           f->op, label);
    char *tests = check_tests_phrase(c, f);
    if (tests != NULL) {
        char *longer = xasprintf("%s, %s", text, tests);
        free(text);
        free(tests);
        text = longer;
    }
    free(label);
    return text;
}

static void add_leaks(struct check_items *items, const struct check *c) {
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct check_finding *f = &c->finding[i];
        if (!check_is_found(f))
            continue;
        struct check_stack s = check_stack_of(joined_names(c->joined), f->op, f->path, f->length);
        struct check_item *item = add(items, f->kind, true, NULL, leak_message(c, f, &s));
        item->finding = f;
        item->stack = s;
        point_at_stack(item);
    }
    if (c->found == 0)
        add(items, LEAK_UNKNOWN, false, xstrdup("not freed: nothing"),
            xstrdup(!check_all_freed(c) ? "no leaks of the kinds that count"
                    : c->suppressed + c->allowed != 0
                        ? "every block was freed, is suppressed or allowed by a budget"
                    : c->ignored_blocks != 0 ? "every block was freed or is ignored"
                                             : "every block was freed"));
}

static void add_budgets(struct check_items *items, const struct check *c) {
    static const unsigned rule[] = {RULE_PEAK, RULE_ALLOCS, RULE_LEAKED};
    for (size_t i = 0; i < c->budgets->count; i++) {
        const struct budget *b = &c->budgets->budget[i];
        char *name = budget_name(b), *sentence = budget_sentence(b);
        struct check_item *item =
            add(items, rule[b->kind], b->broken, xasprintf("budget: %s", name),
                xasprintf("budget: %s", sentence));
        free(name);
        free(sentence);
        item->budget = b;
        if (b->site_count != 0) {
            item->stack = b->site[0].stack; /* borrowed */
            point_at_stack(item);
        }
    }
}

static void add_growth(struct check_items *items, const struct check *c) {
    for (size_t i = 0; i < c->growth_count; i++) {
        const struct check_growth *g = &c->growth[i];
        char *label =
            g->stack.count != 0
                ? check_frame_label(
                      &g->stack.frame[g->stack.place < g->stack.count ? g->stack.place : 0])
                : xstrdup("an unknown place");
        struct check_item *item = add(items, RULE_GROWTH, true, xasprintf("grows with %s", g->loop),
                                      xasprintf("%s: %s, at %s", g->loop, g->sentence, label));
        free(label);
        item->placed = true;
        item->stack = g->stack; /* borrowed */
        point_at_stack(item);
    }
    if (c->growth_count == 0)
        add(items, RULE_GROWTH, false, xstrdup("growth: nothing"),
            xstrdup(c->loops != 0 ? "no call site grows with the rounds of a loop"
                                  : "no loop was marked"));
}

static void add_mismatches(struct check_items *items, const struct check *c) {
    for (size_t i = 0; i < c->mismatch_count; i++) {
        const struct check_mismatch *m = &c->mismatch[i];
        const struct check_stack *s = &m->stack;
        char *sentence = check_mismatch_sentence(m);
        char *label = s->place < s->count ? check_frame_label(&s->frame[s->place])
                      : s->count > 1      ? check_frame_label(&s->frame[1])
                                          : xstrdup("an unknown place");
        struct check_item *item =
            add(items, RULE_MISMATCH, true, xasprintf("%s given back by %s", m->made, m->gone),
                xasprintf("%s, allocated at %s", sentence, label));
        free(sentence);
        free(label);
        item->placed = true;
        item->stack = *s; /* borrowed */
        point_at_stack(item);
    }
    if (c->mismatch_count == 0)
        add(items, RULE_MISMATCH, false, xstrdup("mismatches: none"),
            xstrdup("every block was given back by the kind of function that it came from"));
}

static void add_problems(struct check_items *items, const struct check *c) {
    for (size_t i = 0; i < c->problem_count; i++)
        add(items, RULE_RECORDINGS, true,
            i == 0 ? xstrdup("recordings: complete") : xasprintf("recordings: problem %zu", i + 1),
            names_printable(c->problem[i], strlen(c->problem[i])));
    if (c->problem_count == 0)
        add(items, RULE_RECORDINGS, false, xstrdup("recordings: complete"),
            xstrdup("all processes were recorded to their ends"));
}

static void add_stale(struct check_items *items, const struct check *c) {
    for (size_t i = 0; i < c->suppressions->count; i++) {
        const struct suppression *s = &c->suppressions->entry[i];
        if (!suppression_is_stale(s))
            continue;
        char *name = names_printable(s->name, strlen(s->name));
        struct check_item *item =
            add(items, RULE_STALE, true,
                xasprintf("suppression: %s (%s)", name, names_base(s->file)),
                xasprintf("the suppression %s (%s:%u) matched nothing", name, s->file, s->line));
        free(name);
        item->file = s->file;
        item->line = s->line;
    }
    if (c->stale == 0)
        add(items, RULE_STALE, false, xstrdup("suppressions: all used"),
            xstrdup("every suppression matched something"));
}

static void add_program(struct check_items *items, const struct check *c) {
    int s = c->wait_status;
    char *message = WIFSIGNALED(s) ? xasprintf("the program was killed by signal %d (%s)",
                                               WTERMSIG(s), sigabbrev_np(WTERMSIG(s)))
                                   : xasprintf("the program ended with status %d", WEXITSTATUS(s));
    add(items, RULE_PROGRAM, s != 0, xstrdup("program: ends with status 0"), message);
}

struct check_items *check_items_new(const struct check *c) {
    struct check_items *items = xcalloc(1, sizeof *items);
    add_leaks(items, c);
    add_budgets(items, c);
    add_problems(items, c);
    if (c->fail_on_stale)
        add_stale(items, c);
    if (c->fail_on_growth)
        add_growth(items, c);
    if (c->fail_on_mismatch)
        add_mismatches(items, c);
    add_program(items, c);
    number(items);
    name_leaks(items);
    return items;
}

void check_items_free(struct check_items *items) {
    if (items == NULL)
        return;
    for (size_t i = 0; i < items->count; i++) {
        free(items->item[i].name);
        free(items->item[i].message);
        if (items->item[i].finding != NULL)
            check_stack_free(&items->item[i].stack);
    }
    free(items->item);
    free(items);
}

void check_item_print_stack(FILE *out, const struct check_item *item, const char *prefix) {
    const struct budget *b = item->budget;
    size_t stacks = b != NULL ? b->site_count : 1;
    for (size_t i = 0; i < stacks; i++) {
        const struct check_stack *s = b != NULL ? &b->site[i].stack : &item->stack;
        if (b != NULL) {
            char *amount = budget_amount(b, b->site[i].value);
            fprintf(out, "%s%s:\n", prefix, amount);
            free(amount);
        }
        for (size_t k = 0; k < s->count; k++) {
            char *label = check_frame_label(&s->frame[k]);
            fprintf(out, "%s#%zu %s\n", prefix, k, label);
            free(label);
        }
    }
}
