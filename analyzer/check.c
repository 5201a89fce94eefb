/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "call_target.h"
#include "diag.h"

/* ---- findings ----------------------------------------------------------------------------- */

/* Paths without symbolic links, by name number; a module has many names. */
struct real_paths {
    char **path;
    bool *known;
};

/* Valgrind has no clone3: threads begin in clone there. */
static const char *outermost_as_valgrind(const struct name *n) {
    return n->linkage != NULL && strcmp(n->linkage, "clone3") == 0 ? "clone" : n->linkage;
}

static struct supp_frame frame_of(const struct name *n, uint32_t number, struct real_paths *real) {
    if (!real->known[number] && n->module != NULL)
        real->path[number] = realpath(n->module, NULL);
    real->known[number] = true;
    return (struct supp_frame){.function = n->readable,
                               .linkage = n->plain != NULL ? n->plain : outermost_as_valgrind(n),
                               .file = n->file,
                               .module = n->module,
                               .module_real = real->path[number],
                               .line = n->line};
}

/* What turns a finding into the frames that suppressions see. */
struct comparison {
    struct check *check;
    struct real_paths real;
    struct call_targets *targets;
};

/* The function by which frame `outer` entered another module, if the stack does not show it. */
static const char *entered(struct comparison *m, uint32_t outer, const struct name *inner) {
    struct stacks *stacks = names_stacks(joined_names(m->check->joined));
    const struct frame *f = stacks_frame(stacks, outer);
    if (f->module == UINT32_MAX)
        return NULL;
    const struct module *module = stacks_module(stacks, f->module);
    if (inner->module == NULL || strcmp(inner->module, module->path) == 0)
        return NULL;
    const char *name = call_targets_name(m->targets, module->path, module->build_id,
                                         module->build_id_len, f->address - module->bias);
    bool shown = name != NULL && inner->linkage != NULL && strcmp(inner->linkage, name) == 0;
    return shown ? NULL : name;
}

/* new[] mostly ends with a jump to new: then it belongs on the stack, and other tools show it. */
static struct supp_frame entered_frame(const char *name, const char *module) {
    bool array_new = strcmp(name, "_Znam") == 0;
    return (struct supp_frame){.function = array_new ? "operator new[](unsigned long)" : name,
                               .linkage = name,
                               .module = module,
                               .entered = !array_new};
}

/* Built-in entries of one name are shown as one. */
static struct suppression *first_of_name(struct suppressions *all, struct suppression *s) {
    struct suppression *first = all->entry;
    while (!first->built_in || strcmp(first->name, s->name) != 0)
        first++;
    return first;
}

static void compare(struct comparison *m, struct check_finding *f, uint32_t stack) {
    struct check *c = m->check;
    struct names *names = joined_names(c->joined);
    struct supp_frame *frame = xcalloc(2UL * f->length + 1, sizeof *frame);
    uint32_t first = 0;
    if (check_is_of_pool(f)) /* other tools see the program's own allocator innermost */
        check_stack_shown(names, f->path, f->length, &first);
    size_t count = !check_is_of_pool(f) || f->length == 0;
    frame[0] = (struct supp_frame){.function = f->op, .linkage = check_op_linkage(f->op)};
    uint32_t place = names_caller(names, names_place(names, stack));
    for (uint32_t i = 0; i < f->length; i++, place = names_caller(names, place)) {
        if (i < first)
            continue;
        const struct name *inner = i != first ? names_get(names, f->path[i - 1]) : NULL;
        const char *name = inner != NULL ? entered(m, names_frame(names, place), inner) : NULL;
        if (name != NULL)
            frame[count++] = entered_frame(name, inner->module);
        frame[count++] = frame_of(names_get(names, f->path[i]), f->path[i], &m->real);
    }
    struct suppression *s = suppressions_match(c->suppressions, frame, count, f->kind);
    free(frame);
    if (s != NULL && s->built_in)
        s = first_of_name(c->suppressions, s);
    f->suppressed_by = s;
    if (s != NULL) {
        s->sites++;
        s->bytes += f->bytes;
        s->blocks += f->blocks;
        c->suppressed++;
        c->suppressed_bytes += f->bytes;
        c->suppressed_blocks += f->blocks;
        return;
    }
    c->total[f->kind].places++;
    c->total[f->kind].bytes += f->bytes;
    c->total[f->kind].blocks += f->blocks;
    if (!check_counts(c, f->kind))
        return;
    c->found++;
    c->found_bytes += f->bytes;
    c->found_blocks += f->blocks;
}

static int largest_first(const void *a, const void *b) {
    const struct check_finding *f = a, *g = b;
    uint64_t bytes = f->bytes + f->indirect_bytes, others = g->bytes + g->indirect_bytes;
    if (bytes != others)
        return bytes > others ? -1 : 1;
    if (f->kind != g->kind)
        return f->kind < g->kind ? -1 : 1;
    if (f->blocks != g->blocks)
        return f->blocks > g->blocks ? -1 : 1;
    return 0;
}

/* What does not count is no finding: it is in the totals alone, unless it is to be shown. */
static void set_uncounted_apart(struct check *c) {
    size_t kept = 0;
    c->uncounted = xcalloc(c->finding_count, sizeof *c->uncounted);
    for (size_t i = 0; i < c->finding_count; i++) {
        struct check_finding f = c->finding[i];
        if (check_counts(c, f.kind))
            c->finding[kept++] = f;
        else if (check_shows(c, f.kind) && check_is_found(&f))
            c->uncounted[c->uncounted_count++] = f;
        else
            free(f.path);
    }
    c->finding_count = kept;
}

static void list_findings(struct check *c) {
    size_t count;
    struct joined_site *site = joined_sites(c->joined, c->resolution, false, &count);
    struct names *names = joined_names(c->joined);
    c->finding = xcalloc(count, sizeof *c->finding);
    c->finding_count = count;
    for (size_t i = 0; i < count; i++) {
        struct check_finding *f = &c->finding[i];
        uint32_t length = joined_path(c->joined, &site[i], 0, false, &f->path);
        uint64_t said = names_get(names, f->path[0])->offset + 1;
        f->kind = (enum leak_kind)((said - 1) >> 8);
        f->op = tape_op_name((said - 1) & 0xff);
        f->length = length - 1;
        memmove(f->path, f->path + 1, f->length * sizeof *f->path);
        f->processes = site[i].processes;
        f->bytes = site[i].value[METRIC_LIVE_BYTES];
        f->blocks = site[i].value[METRIC_LIVE_BLOCKS];
        f->indirect_bytes = site[i].value[METRIC_TOTAL_BYTES] - f->bytes;
        f->indirect_blocks = site[i].value[METRIC_TOTAL_BLOCKS] - f->blocks;
    }
    struct comparison m = {.check = c, .targets = call_targets_new()};
    m.real.path = xcalloc(names_count(names), sizeof *m.real.path);
    m.real.known = xcalloc(names_count(names), sizeof *m.real.known);
    check_tests_assign(c);
    for (size_t i = 0; i < count; i++)
        compare(&m, &c->finding[i], site[i].stack);
    for (uint32_t i = 0; i < names_count(names); i++)
        free(m.real.path[i]);
    free(m.real.path);
    free(m.real.known);
    call_targets_free(m.targets);
    free(site);
    set_uncounted_apart(c);
    if (c->finding_count != 0)
        qsort(c->finding, c->finding_count, sizeof *c->finding, largest_first);
    if (c->uncounted_count != 0)
        qsort(c->uncounted, c->uncounted_count, sizeof *c->uncounted, largest_first);
}

void check_gather(struct check *c, char *const *tapes, size_t count) {
    check_list_processes(c, tapes, count);
    check_take_process_log(c);
    c->joined = joined_new();
    names_fold(joined_names(c->joined), c->folding);
    if (c->calls_apart)
        names_tell_calls_apart(joined_names(c->joined));
    check_read(c);
    check_judge_processes(c);
    list_findings(c);
    check_judge_classes(c);
    for (size_t i = 0; i < c->suppressions->count; i++)
        c->stale += suppression_is_stale(&c->suppressions->entry[i]);
    budgets_judge(c);
    check_tests_sum(c);
}

bool check_clean(const struct check *c) {
    return c->found == 0 && c->problem_count == 0 && c->budgets->broken == 0 &&
           c->growth_count == 0 && c->mismatch_count == 0 && (!c->fail_on_stale || c->stale == 0);
}

void check_free(struct check *c) {
    for (size_t i = 0; i < c->process_count; i++) {
        free(c->process[i].tape);
        free(c->process[i].program);
        free(c->process[i].unclassified);
    }
    for (size_t i = 0; i < c->finding_count; i++)
        free(c->finding[i].path);
    for (size_t i = 0; i < c->uncounted_count; i++)
        free(c->uncounted[i].path);
    for (size_t i = 0; i < c->problem_count; i++)
        free(c->problem[i]);
    for (size_t i = 0; i < c->note_count; i++)
        free(c->note[i]);
    free(c->uncounted);
    free(c->process);
    free(c->finding);
    free(c->problem);
    free(c->note);
    check_unrecorded_free(c);
    unseen_free(&c->unseen);
    unseen_free(&c->unseen_first);
    check_tests_free(c);
    check_growth_free(c);
    check_mismatches_free(c);
    joined_free(c->joined);
}
