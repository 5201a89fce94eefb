/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "check_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "diag.h"
#include "json_put.h"
#include "tree_print.h"

static struct json_object *amount(uint64_t bytes, uint64_t blocks, uint64_t places) {
    struct json_object *o = json_object_new_object();
    json_put(o, "bytes", bytes);
    json_put(o, "blocks", blocks);
    json_put(o, "places", places);
    return o;
}

static struct json_object *suppression_json(const struct suppression *s) {
    struct json_object *o = amount(s->bytes, s->blocks, s->sites);
    json_object_object_add(o, "name", json_text(s->name));
    if (!s->built_in) {
        json_object_object_add(o, "file", json_text(s->file));
        json_put(o, "line", s->line);
    }
    json_object_object_add(o, "built_in", json_object_new_boolean(s->built_in));
    return o;
}

/* In which tests the blocks were allocated, and how many in none. */
static void put_shares(struct json_object *o, const struct check *c,
                       const struct check_finding *f) {
    struct json_object *tests = json_object_new_array();
    uint64_t bytes = f->bytes, blocks = f->blocks;
    for (uint32_t i = 0; i < f->share_count; i++) {
        const struct check_share *s = &f->share[i];
        struct json_object *share = json_amounts(s->bytes, s->blocks);
        json_put_text(share, "name", c->test[s->test].name);
        json_object_array_add(tests, share);
        bytes -= s->bytes;
        blocks -= s->blocks;
    }
    json_object_object_add(o, "tests", tests);
    json_object_object_add(o, "outside_of_tests", json_amounts(bytes, blocks));
}

/* `how`, `seen`: of suppressions, as for check_generated(). */
static struct json_object *finding_json(const struct check *c, const struct check_finding *f,
                                        int how, struct generated_entries *seen) {
    struct json_object *o = json_object_new_object(), *stack = json_object_new_array();
    json_put_text(o, "kind", leak_kind_info[f->kind].name);
    json_put(o, "bytes", f->bytes);
    json_put(o, "blocks", f->blocks);
    if (f->kind == LEAK_DEFINITE) {
        json_put(o, "indirect_bytes", f->indirect_bytes);
        json_put(o, "indirect_blocks", f->indirect_blocks);
    }
    json_put(o, "processes", f->processes);
    json_object_object_add(o, "function", json_object_new_string(f->op));
    for (uint32_t i = 0; i < f->length; i++)
        json_object_array_add(stack,
                              tree_json_name(names_get(joined_names(c->joined), f->path[i])));
    json_object_object_add(o, "stack", stack);
    char *entry = check_generated(c, f, how, seen);
    if (entry != NULL)
        json_object_object_add(o, "suppression", json_object_new_string(entry)); /* printable */
    free(entry);
    if (c->test_count != 0)
        put_shares(o, c, f);
    return o;
}

static struct json_object *test_json(const struct check_test *t) {
    struct json_object *o = amount(t->bytes, t->blocks, t->places);
    json_put_text(o, "name", t->name);
    json_put(o, "runs", t->runs);
    json_put(o, "duration_ns", t->ns);
    return o;
}

static struct json_object *budget_json(const struct budget *b) {
    struct json_object *o = json_object_new_object(), *sites = json_object_new_array();
    json_put_text(o, "budget", budget_info[b->kind].option);
    json_put_text(o, "pattern", b->pattern);
    json_put(o, "limit", b->limit);
    json_put(o, "value", b->value);
    json_put_bool(o, "broken", b->broken);
    if (b->pid != 0)
        json_put(o, "pid", b->pid);
    for (size_t i = 0; i < b->site_count; i++) {
        struct json_object *site = json_object_new_object(), *stack = json_object_new_array();
        json_put(site, "value", b->site[i].value);
        for (size_t k = 0; k < b->site[i].stack.count; k++) {
            char *label = check_frame_label(&b->site[i].stack.frame[k]);
            json_object_array_add(stack, json_text(label));
            free(label);
        }
        json_object_object_add(site, "stack", stack);
        json_object_array_add(sites, site);
    }
    json_object_object_add(o, "sites", sites);
    return o;
}

static void put_signal(struct json_object *o, int signal) {
    char *name = check_signal_name(signal);
    json_put_text(o, "signal", name);
    free(name);
}

static struct json_object *process_json(const struct check_process *p) {
    static const char *const end[] = {[CHECK_CLOSED] = "ended",
                                      [CHECK_REPLACED] = "replaced by exec",
                                      [CHECK_KILLED] = "killed by a signal",
                                      [CHECK_UNSEEN] = "unseen",
                                      [CHECK_RUNNING] = "still running",
                                      [CHECK_UNREADABLE] = "unreadable",
                                      [CHECK_OWN] = "heaptape itself, not checked"};
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "tape", json_text(p->tape));
    if (p->program != NULL)
        json_object_object_add(o, "program", json_text(p->program));
    json_put(o, "pid", p->pid);
    json_put(o, "ppid", p->ppid);
    json_object_object_add(o, "end", json_object_new_string(end[p->end]));
    if (p->end == CHECK_KILLED)
        put_signal(o, p->signal);
    json_put(o, "events", p->events);
    json_put(o, "allocations", p->allocations);
    json_put(o, "lost", p->lost);
    json_put(o, "damaged_chunks", p->damaged_chunks);
    json_put(o, "damaged_bytes", p->damaged_bytes);
    json_put(o, "truncated_stacks", p->truncated);
    if (p->unclassified != NULL)
        json_object_object_add(o, "no_leak_kinds", json_text(p->unclassified));
    json_put_bool(o, "image_in_place", p->in_place);
    return o;
}

static struct json_object *unrecorded_json(const struct check_unrecorded *u) {
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "program", json_text(u->path));
    json_object_object_add(o, "why", *u->why != '\0' ? json_text(u->why) : NULL);
    json_put(o, "times", u->times);
    return o;
}

void check_print_json(FILE *out, const struct check *c, const struct check_style *style,
                      int status) {
    struct json_object *o = json_object_new_object(), *findings = json_object_new_array(),
                       *used = json_object_new_array(), *unused = json_object_new_array(),
                       *processes = json_object_new_array(), *problems = json_object_new_array(),
                       *kinds = json_object_new_object(), *budgets = json_object_new_array(),
                       *notes = json_object_new_array(), *unrecorded = json_object_new_array();
    struct generated_entries seen = {0};
    int how = (int)style->gen_suppressions;
    json_object_object_add(o, "program", json_text(c->program));
    if (WIFSIGNALED(c->wait_status))
        json_put(o, "program_signal", (uint64_t)WTERMSIG(c->wait_status));
    else
        json_put(o, "program_status", (uint64_t)WEXITSTATUS(c->wait_status));
    json_put(o, "status", (uint64_t)status);
    json_object_object_add(o, "clean", json_object_new_boolean(check_clean(c)));
    json_object_object_add(o, "not_freed", amount(c->found_bytes, c->found_blocks, c->found));
    json_object_object_add(o, "suppressed",
                           amount(c->suppressed_bytes, c->suppressed_blocks, c->suppressed));
    for (int kind = 0; kind < LEAK_KINDS; kind++) {
        const struct check_total *t = &c->total[kind];
        struct json_object *total = amount(t->bytes, t->blocks, t->places);
        json_object_object_add(total, "counted",
                               json_object_new_boolean(check_counts(c, (enum leak_kind)kind)));
        json_object_object_add(kinds, leak_kind_info[kind].name, total);
    }
    json_object_object_add(o, "kinds", kinds);
    json_object_object_add(o, "allowed", amount(c->allowed_bytes, c->allowed_blocks, c->allowed));
    for (size_t i = 0; i < c->finding_count; i++)
        if (check_is_found(&c->finding[i]))
            json_object_array_add(findings, finding_json(c, &c->finding[i], how, &seen));
    json_object_object_add(o, "findings", findings);
    json_object_object_add(o, "ignored", json_amounts(c->ignored_bytes, c->ignored_blocks));
    struct json_object *tests = json_object_new_array();
    for (uint32_t i = 0; i < c->test_count; i++)
        json_object_array_add(tests, test_json(&c->test[i]));
    json_object_object_add(o, "tests", tests);
    if (c->fail_on_growth)
        json_object_object_add(o, "growth", check_growth_json(c));
    if (c->fail_on_mismatch)
        json_object_object_add(o, "mismatches", check_mismatches_json(c));
    if (c->uncounted_count != 0) {
        struct json_object *uncounted = json_object_new_array();
        for (size_t i = 0; i < c->uncounted_count; i++)
            json_object_array_add(uncounted, finding_json(c, &c->uncounted[i], how, &seen));
        json_object_object_add(o, "uncounted", uncounted);
    }
    for (size_t i = 0; i < c->budgets->count; i++)
        json_object_array_add(budgets, budget_json(&c->budgets->budget[i]));
    for (size_t i = 0; i < c->suppressions->count; i++) {
        const struct suppression *s = &c->suppressions->entry[i];
        if (s->sites != 0)
            json_object_array_add(used, suppression_json(s));
        else if (suppression_is_stale(s))
            json_object_array_add(unused, suppression_json(s));
    }
    json_object_object_add(o, "budgets", budgets);
    json_object_object_add(o, "used_suppressions", used);
    json_object_object_add(o, "unused_suppressions", unused);
    for (size_t i = 0; i < c->process_count; i++)
        json_object_array_add(processes, process_json(&c->process[i]));
    json_object_object_add(o, "processes", processes);
    for (size_t i = 0; i < c->problem_count; i++)
        json_object_array_add(problems, json_text(c->problem[i]));
    json_object_object_add(o, "problems", problems);
    for (size_t i = 0; i < c->unrecorded_count; i++)
        json_object_array_add(unrecorded, unrecorded_json(&c->unrecorded[i]));
    json_object_object_add(o, "unrecorded", unrecorded);
    for (size_t i = 0; i < c->note_count; i++)
        json_object_array_add(notes, json_text(c->note[i]));
    json_object_object_add(o, "notes", notes);
    if (style->kept != NULL)
        json_object_object_add(o, "recordings", json_text(style->kept));
    fprintf(out, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    generated_entries_free(&seen);
}
