/* SPDX-License-Identifier: MIT */
/*
 * Valgrind's XML, protocol 4 of tool memcheck, whatever valgrind itself writes today: readers (Qt
 * Creator, cargo-valgrind) take no other. Leaks are loss records. Every other item that failed is
 * an error of kind ClientCheck, which they know, too; each error has a stack, because some demand
 * one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_format.h"
#include "check_parts.h"
#include "diag.h"
#include "units.h"
#include "xml_text.h"

static void print_frame(FILE *out, const struct check_frame *f) {
    fprintf(out, "    <frame>\n      <ip>0x%" PRIX64 "</ip>\n", f->address);
    const char *names[] = {"obj", "fn"}, *texts[] = {f->module, f->function};
    for (int i = 0; i < 2; i++)
        if (texts[i] != NULL) {
            fputs("      ", out);
            xml_element(out, names[i], texts[i]);
            fputc('\n', out);
        }
    if (f->line != 0) {
        const char *base = names_base(f->file);
        if (base > f->file + 1) {
            char *directory = xasprintf("%.*s", (int)(base - f->file - 1), f->file);
            fputs("      ", out);
            xml_element(out, "dir", directory);
            fputc('\n', out);
            free(directory);
        }
        fputs("      ", out);
        xml_element(out, "file", base);
        fprintf(out, "\n      <line>%u</line>\n", f->line);
    }
    fputs("    </frame>\n", out);
}

static void print_stack(FILE *out, const struct check_stack *s) {
    fputs("  <stack>\n", out);
    for (size_t i = 0; i < s->count; i++)
        print_frame(out, &s->frame[i]);
    if (s->count == 0)
        fputs("    <frame>\n      <ip>0x0</ip>\n    </frame>\n", out);
    fputs("  </stack>\n", out);
}

static void print_leak(FILE *out, const struct check_finding *f, size_t record, uint64_t records) {
    char *text = check_loss_record(f, record, records);
    fprintf(out, "  <kind>%s</kind>\n  <xwhat>\n    ", leak_kind_info[f->kind].xml);
    xml_element(out, "text", text);
    fprintf(out,
            "\n    <leakedbytes>%" PRIu64 "</leakedbytes>\n    <leakedblocks>%" PRIu64
            "</leakedblocks>\n  </xwhat>\n",
            f->bytes + f->indirect_bytes, f->blocks);
    free(text);
}

static void print_budget(FILE *out, const struct budget *b) {
    for (size_t i = 0; i < b->site_count; i++) {
        if (i != 0) {
            char *amount = budget_amount(b, b->site[i].value);
            fputs("  ", out);
            xml_element(out, "auxwhat", amount);
            fputc('\n', out);
            free(amount);
        }
        print_stack(out, &b->site[i].stack);
    }
}

/* An entry's frames, a line each. "..." has no element: the text behind it has it. */
static void print_suppressed_frames(FILE *out, const char *entry) {
    for (const char *line = entry; *line != '\0'; line += strcspn(line, "\n") + 1) {
        const char *text = line + strspn(line, " "), *colon = text + strcspn(text, ":\n");
        bool is_frame = strncmp(text, "fun:", 4) == 0 || strncmp(text, "obj:", 4) == 0;
        if (!is_frame)
            continue;
        char *name = xasprintf("%.*s", (int)(colon - text), text);
        char *value = xasprintf("%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
        fputs("    <sframe> ", out);
        xml_element(out, name, value);
        fputs(" </sframe>\n", out);
        free(name);
        free(value);
    }
}

static void print_raw(FILE *out, const char *text) {
    const char *end;
    fputs("    <rawtext>\n<![CDATA[\n", out);
    for (; (end = strstr(text, "]]>")) != NULL; text = end + 2)
        fprintf(out, "%.*s]]]]><![CDATA[", (int)(end - text), text);
    fprintf(out, "%s]]>\n    </rawtext>\n", text);
}

static void print_suppression(FILE *out, const struct check *c, const struct check_finding *f,
                              struct generated_entries *seen, int how) {
    char *entry = check_generated(c, f, how, seen);
    if (entry == NULL)
        return;
    char *name = strchr(entry, '\n') + 1;
    char *kind = strchr(name, '\n') + 1, *rest = strchr(kind, '\n') + 1;
    name = xasprintf("%.*s", (int)(kind - name - 4), name + 3);
    fputs("  <suppression>\n    ", out);
    xml_element(out, "sname", name);
    fputs("\n    <skind>Memcheck:Leak</skind>\n", out);
    if (f->kind != LEAK_UNKNOWN)
        fprintf(out, "    <skaux>match-leak-kinds: %s</skaux>\n", leak_kind_info[f->kind].name);
    print_suppressed_frames(out, rest);
    print_raw(out, entry);
    fputs("  </suppression>\n", out);
    free(name);
    free(entry);
}

static void begin_error(FILE *out, size_t number) {
    fprintf(out, "<error>\n  <unique>0x%zx</unique>\n  <tid>1</tid>\n", number);
}

/* What errors are printed with. */
struct errors {
    FILE *out;
    const struct check *check;
    const struct check_context *context;
    size_t number;
    struct generated_entries seen;
};

static void print_loss(struct errors *e, const struct check_finding *f, const struct check_stack *s,
                       uint64_t record) {
    print_leak(e->out, f, record, check_loss_records(e->check));
    print_stack(e->out, s);
    print_suppression(e->out, e->check, f, &e->seen, e->context->gen_suppressions);
}

static void print_error(struct errors *e, const struct check_item *item) {
    FILE *out = e->out;
    size_t number = e->number++;
    begin_error(out, number);
    if (item->finding != NULL) {
        print_loss(e, item->finding, &item->stack, number + 1);
    } else {
        fputs("  <kind>ClientCheck</kind>\n  ", out);
        xml_element(out, "what", item->message);
        fputc('\n', out);
        if (item->budget != NULL && item->budget->site_count != 0)
            print_budget(out, item->budget);
        else
            print_stack(out, &item->stack);
    }
    fputs("</error>\n\n", out);
}

/* Shown, though it makes nothing fail. */
static void print_uncounted(struct errors *e) {
    const struct check *c = e->check;
    uint64_t record = check_loss_records(c) - c->uncounted_count;
    for (size_t i = 0; i < c->uncounted_count; i++) {
        const struct check_finding *f = &c->uncounted[i];
        struct check_stack s = check_stack_of(joined_names(c->joined), f->op, f->path, f->length);
        begin_error(e->out, e->number++);
        print_loss(e, f, &s, ++record);
        fputs("</error>\n\n", e->out);
        check_stack_free(&s);
    }
}

static void print_vector(FILE *out, const char *name, char **from, char **end) {
    fprintf(out, "  <%s>\n", name);
    const char *element = "exe";
    if (end != NULL && strcmp(*from, "check") == 0) { /* the word behind our own name */
        fputs("    <exe>heaptape</exe>\n", out);
        element = "arg";
    }
    for (char **word = from; word != end && *word != NULL; word++, element = "arg") {
        fputs("    ", out);
        xml_element(out, element, *word);
        fputc('\n', out);
    }
    fprintf(out, "  </%s>\n", name);
}

/* "00:00:00:00.021 ": days, hours, minutes, seconds since the start */
static void print_state(FILE *out, const char *state, uint64_t ns) {
    uint64_t ms = ns / 1000000, s = ms / 1000, m = s / 60, h = m / 60;
    fprintf(out,
            "<status>\n  <state>%s</state>\n  <time>%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64
            ":%02" PRIu64 ".%03" PRIu64 " </time>\n</status>\n\n",
            state, h / 24, h % 24, m % 60, s % 60, ms % 1000);
}

static void print_suppressions(FILE *out, const struct suppressions *all) {
    fputs("<suppcounts>\n", out);
    for (size_t i = 0; i < all->count; i++) {
        const struct suppression *s = &all->entry[i];
        if (s->sites == 0)
            continue;
        fprintf(out, "  <pair>\n    <count>%" PRIu64 "</count>\n    ", s->sites);
        xml_element(out, "name", s->name);
        fputs("\n  </pair>\n", out);
    }
    fputs("</suppcounts>\n\n", out);
}

/* The protocol has no place for notes. A comment may not hold two dashes in a row, nor end with
 * one. */
static void print_notes(FILE *out, const struct check *c) {
    for (size_t i = 0; i < c->note_count; i++) {
        fputs("<!-- ", out);
        for (const char *p = c->note[i]; *p != '\0'; p++)
            fputc(*p == '-' && (p[1] == '-' || p[1] == '\0') ? '_' : *p, out);
        fputs(" -->\n\n", out);
    }
}

void check_print_xml(FILE *out, const struct check *c, const struct check_context *context) {
    fputs("<?xml version=\"1.0\"?>\n\n<valgrindoutput>\n\n"
          "<protocolversion>4</protocolversion>\n<protocoltool>memcheck</protocoltool>\n\n"
          "<preamble>\n  <line>heaptape " HEAPTAPE_VERSION
          " check, in the form of Memcheck</line>\n</preamble>\n\n",
          out);
    fprintf(out,
            "<pid>%" PRIu64 "</pid>\n<ppid>%" PRIu64 "</ppid>\n<tool>memcheck</tool>\n\n<args>\n",
            c->pid, (uint64_t)getpid());
    print_vector(out, "vargv", context->command, context->program);
    print_vector(out, "argv", context->program, NULL);
    fputs("</args>\n\n", out);
    print_state(out, "RUNNING", 0);
    print_state(out, "FINISHED", context->ran);
    struct errors errors = {.out = out, .check = c, .context = context};
    for (size_t i = 0; i < context->items->count; i++) {
        const struct check_item *item = &context->items->item[i];
        if (item->failed && item->rule != RULE_PROGRAM &&
            (item->finding == NULL || check_shows(c, item->finding->kind)))
            print_error(&errors, item);
    }
    print_uncounted(&errors);
    generated_entries_free(&errors.seen);
    print_notes(out, c);
    fputs("<errorcounts>\n</errorcounts>\n\n", out);
    print_suppressions(out, c->suppressions);
    fputs("</valgrindoutput>\n", out);
}
