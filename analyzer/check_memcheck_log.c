/* SPDX-License-Identifier: MIT */
/*
 * Memcheck's text log: CTest counts its loss records. What is no leak stands in lines that nobody
 * counts; the exit status tells.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "check_format.h"
#include "check_parts.h"
#include "diag.h"
#include "units.h"

static const char *phrase(enum leak_kind kind) {
    return leak_kind_info[kind == LEAK_UNKNOWN ? LEAK_POSSIBLE : kind].phrase;
}

char *check_loss_record(const struct check_finding *f, uint64_t record, uint64_t records) {
    char bytes[UNITS_ROOM], blocks[UNITS_ROOM], own[UNITS_ROOM], lost[UNITS_ROOM], at[UNITS_ROOM],
        of[UNITS_ROOM];
    char *parts = f->indirect_bytes == 0
                      ? xstrdup("")
                      : xasprintf(" (%s direct, %s indirect)", units_count(own, f->bytes),
                                  units_count(lost, f->indirect_bytes));
    char *text = xasprintf("%s%s bytes in %s blocks are %s in loss record %s of %s",
                           units_count(bytes, f->bytes + f->indirect_bytes), parts,
                           units_count(blocks, f->blocks), phrase(f->kind), units_count(at, record),
                           units_count(of, records));
    free(parts);
    return text;
}

uint64_t check_loss_records(const struct check *c) {
    uint64_t records = c->uncounted_count;
    for (size_t i = 0; i < c->finding_count; i++)
        records += check_is_found(&c->finding[i]) && check_shows(c, c->finding[i].kind);
    return records;
}

static void print_stack(FILE *out, uint64_t pid, const struct check_stack *s) {
    for (size_t i = 0; i < s->count; i++) {
        char *label = check_frame_label(&s->frame[i]);
        fprintf(out, "==%" PRIu64 "==    %s 0x%" PRIX64 ": %s\n", pid, i == 0 ? "at" : "by",
                s->frame[i].address, label);
        free(label);
    }
}

static void print_budget(FILE *out, uint64_t pid, const struct budget *b) {
    for (size_t i = 0; i < b->site_count; i++) {
        char *amount = budget_amount(b, b->site[i].value);
        fprintf(out, "==%" PRIu64 "==  %s\n", pid, amount);
        free(amount);
        print_stack(out, pid, &b->site[i].stack);
    }
}

/* Of every kind, whether it is listed or not. */
static void print_summary(FILE *out, const struct check *c) {
    uint64_t bytes[LEAK_KINDS] = {0}, blocks[LEAK_KINDS] = {0};
    char a[UNITS_ROOM], b[UNITS_ROOM];
    for (int i = 0; i < LEAK_KINDS; i++) {
        bytes[i == LEAK_UNKNOWN ? LEAK_POSSIBLE : i] += c->total[i].bytes;
        blocks[i == LEAK_UNKNOWN ? LEAK_POSSIBLE : i] += c->total[i].blocks;
    }
    fprintf(out, "==%" PRIu64 "== LEAK SUMMARY:\n", c->pid);
    for (int kind = 0; kind < LEAK_UNKNOWN; kind++)
        fprintf(out, "==%" PRIu64 "==    %s: %s bytes in %s blocks\n", c->pid,
                leak_kind_info[kind].phrase, units_count(a, bytes[kind]),
                units_count(b, blocks[kind]));
    fprintf(out, "==%" PRIu64 "==         suppressed: %s bytes in %s blocks\n", c->pid,
            units_count(a, c->suppressed_bytes), units_count(b, c->suppressed_blocks));
}

/* What loss records are printed with. */
struct log {
    FILE *out;
    const struct check *check;
    const struct check_context *context;
    uint64_t number;
    struct generated_entries seen;
};

static void print_record(struct log *log, const struct check_finding *f,
                         const struct check_stack *stack) {
    FILE *out = log->out;
    const struct check *c = log->check;
    char *text = check_loss_record(f, ++log->number, check_loss_records(c));
    fprintf(out, "==%" PRIu64 "== %s\n", c->pid, text);
    print_stack(out, c->pid, stack);
    fprintf(out, "==%" PRIu64 "== \n", c->pid);
    free(text);
    check_print_generated(out, c, f, log->context->gen_suppressions, &log->seen);
}

static void print_uncounted(struct log *log) {
    const struct check *c = log->check;
    for (size_t i = 0; i < c->uncounted_count; i++) {
        const struct check_finding *f = &c->uncounted[i];
        struct check_stack s = check_stack_of(joined_names(c->joined), f->op, f->path, f->length);
        print_record(log, f, &s);
        check_stack_free(&s);
    }
}

void check_print_memcheck_log(FILE *out, const struct check *c,
                              const struct check_context *context) {
    bool unknown = false;
    struct log log = {.out = out, .check = c, .context = context};
    if (!context->brief)
        fprintf(out,
                "==%" PRIu64 "== heaptape " HEAPTAPE_VERSION
                " check, in the form of Memcheck\n==%" PRIu64 "== Command: %s\n==%" PRIu64 "== \n",
                c->pid, c->pid, c->program, c->pid);
    for (size_t i = 0; i < context->items->count; i++) {
        const struct check_item *item = &context->items->item[i];
        if (!item->failed || (item->finding != NULL && !check_shows(c, item->finding->kind)))
            continue;
        if (item->finding != NULL) {
            unknown |= item->finding->kind == LEAK_UNKNOWN;
            print_record(&log, item->finding, &item->stack);
            continue;
        }
        fprintf(out, "==%" PRIu64 "== heaptape: %s\n", c->pid, item->message);
        if (item->budget != NULL)
            print_budget(out, c->pid, item->budget);
        else if (item->placed)
            print_stack(out, c->pid, &item->stack);
        fprintf(out, "==%" PRIu64 "== \n", c->pid);
    }
    print_uncounted(&log);
    generated_entries_free(&log.seen);
    for (size_t i = 0; i < c->note_count && !context->brief; i++)
        fprintf(out, "==%" PRIu64 "== heaptape: note: %s\n", c->pid, c->note[i]);
    if (unknown)
        fprintf(out,
                "==%" PRIu64 "== possibly lost: not freed; whether anything still points to it is "
                "not known\n",
                c->pid);
    if (!context->brief)
        print_summary(out, c);
    if (context->kept != NULL)
        fprintf(out, "==%" PRIu64 "== heaptape: the recordings are in %s\n", c->pid, context->kept);
}
