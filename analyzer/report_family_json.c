/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "report_family.h"
#include "report_parts.h"
#include "tree_print.h"

/* index: by member, its place in the array of processes. */
static struct json_object *member_json(const struct family *f, uint32_t at, const uint32_t *index) {
    static const char *const tie[] = {[FAMILY_ROOT] = "root",
                                      [FAMILY_FORK] = "fork",
                                      [FAMILY_EXEC] = "exec",
                                      [FAMILY_CHILD] = "child"};
    const struct family_member *m = &f->member[at];
    const struct replay_counts *c = &m->counts;
    uint32_t parent = family_selected_parent(f, at);
    struct json_object *o = json_object_new_object(),
                       *peak = json_amounts(c->peak_bytes, c->peak_blocks);
    json_put_text(o, "path", m->path);
    json_put(o, "bytes", m->bytes);
    json_put(o, "pid", m->pid);
    json_put(o, "ppid", m->ppid);
    json_object_object_add(o, "parent",
                           parent != FAMILY_NONE ? json_object_new_uint64(index[parent]) : NULL);
    json_put_text(o, "tie", tie[m->tie]);
    json_put_text(o, "exe", m->exe);
    json_put_text(o, "command", m->command);
    json_put_text(o, "ended", report_family_ending(m));
    json_put(o, "started_ns", m->start);
    json_put(o, "duration_ns", c->end_time);
    json_put(o, "allocations", c->allocations);
    json_put(o, "allocated_bytes", c->allocated_bytes);
    json_put(o, "frees", c->frees);
    json_put(peak, "time_ns", c->peak_time);
    json_object_object_add(o, "peak", peak);
    json_object_object_add(o, "not_freed", json_amounts(c->live_bytes, c->live_blocks));
    if (c->inherited_known)
        json_object_object_add(o, "inherited", report_inherited_json(c));
    json_put_bool(o, "reliable",
                  !m->failed && m->health.lost == 0 && m->health.damaged_chunks == 0);
    json_put_bool(o, "complete", family_member_whole(m));
    json_put(o, "events", m->health.events);
    json_put(o, "lost", m->health.lost);
    json_put(o, "damaged_chunks", m->health.damaged_chunks);
    json_put(o, "unmatched_frees", c->unmatched_frees);
    json_put_bool(o, "parent_missing", m->parent_missing);
    return o;
}

static struct json_object *heap_json(const struct report_family *r, const uint32_t *index) {
    const struct replay_counts *c = &r->total;
    struct json_object *o = json_object_new_object(), *largest = json_object_new_object();
    report_calls_json(o, c);
    json_object_object_add(o, "not_freed", json_amounts(c->live_bytes, c->live_blocks));
    json_put(largest, "bytes", r->family->member[r->largest].counts.peak_bytes);
    json_put(largest, "process", index[r->largest]);
    json_object_object_add(o, "largest_peak", largest);
    json_put(o, "sum_of_peaks_bytes", c->peak_bytes);
    json_put_bool(o, "reliable", r->doubtful == 0);
    return o;
}

/* name: objects by name, which all stacks share. */
static struct json_object *ranking_json(const struct report_family *r, unsigned which,
                                        struct json_object **name) {
    const struct ranking_info *info = &ranking_info[which];
    struct names *names = joined_names(r->joined);
    bool bytes = metric_info[info->ranked].bytes;
    struct json_object *array = json_object_new_array();
    const struct joined_site **sites;
    size_t count = report_family_rank(r, info, &sites);
    for (size_t i = 0; i < count && (r->limit == 0 || i < r->limit); i++) {
        struct json_object *site = json_object_new_object(), *stack = json_object_new_array();
        json_put(site, bytes ? "bytes" : "allocations", sites[i]->value[info->ranked]);
        json_put(site, bytes ? "blocks" : "temporary", sites[i]->value[info->second]);
        json_put(site, "processes", sites[i]->processes);
        uint32_t *path, length = joined_path(r->joined, sites[i], r->depth, true, &path);
        for (uint32_t k = 0; k < length; k++) {
            if (name[path[k]] == NULL)
                name[path[k]] = tree_json_name(names_get(names, path[k]));
            json_object_array_add(stack, json_object_get(name[path[k]]));
        }
        free(path);
        json_object_object_add(site, "stack", stack);
        if (sites[i]->cut)
            json_put_bool(site, "cut", true);
        json_object_array_add(array, site);
    }
    free(sites);
    return array;
}

static struct json_object *sites_json(const struct report_family *r) {
    struct json_object *o = json_object_new_object();
    uint32_t count = names_count(joined_names(r->joined)); /* all are known: sites are made */
    struct json_object **name = xcalloc((uint64_t)count + 1, sizeof *name);
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        json_object_object_add(o, ranking_info[i].name, ranking_json(r, i, name));
    for (uint32_t i = 0; i < count; i++)
        json_object_put(name[i]);
    free(name);
    return o;
}

struct json_object *report_family_completeness_json(const struct report_family *r) {
    struct json_object *o = json_object_new_object();
    completeness_put(o, &r->completeness, joined_names(r->joined));
    json_put_bool(o, "complete", report_family_status(r) == EXIT_FINE);
    unseen_put(o, &r->unseen, true);
    json_put(o, "unreadable", r->family->unreadable);
    json_put(o, "still_running", r->alive);
    json_put(o, "not_closed", r->unclosed);
    json_put(o, "parents_missing", r->parents_missing);
    return o;
}

/* Of each member its place in the array of processes. The caller frees. */
static uint32_t *number(const struct family *f) {
    uint32_t *index = xcalloc((uint64_t)f->count + 1, sizeof *index), next = 0;
    for (uint32_t i = 0; i < f->count; i++)
        index[i] = f->member[i].selected ? next++ : FAMILY_NONE;
    return index;
}

static struct json_object *processes_json(const struct family *f, const uint32_t *index) {
    struct json_object *processes = json_object_new_array();
    for (uint32_t i = 0; i < f->count; i++)
        if (f->member[i].selected)
            json_object_array_add(processes, member_json(f, i, index));
    return processes;
}

static void print_object(FILE *out, struct json_object *o) {
    fprintf(out, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

void report_family_print_json(FILE *out, const struct report_family *r) {
    struct json_object *o = json_object_new_object();
    uint32_t *index = number(r->family);
    json_put(o, "recordings", r->recordings);
    json_put(o, "processes_count", r->processes);
    json_object_object_add(o, "processes", processes_json(r->family, index));
    json_object_object_add(o, "heap", heap_json(r, index));
    json_object_object_add(o, "pools", report_pools_json(&r->total, true));
    json_object_object_add(o, "memory", ledger_family_json(r->memory, index, false));
    json_object_object_add(o, "sites", sites_json(r));
    json_object_object_add(o, "completeness", report_family_completeness_json(r));
    print_object(out, o);
    free(index);
}

void report_family_print_memory_json(FILE *out, const struct report_family *r) {
    struct json_object *o = json_object_new_object();
    uint32_t *index = number(r->family);
    json_object_object_add(o, "processes", processes_json(r->family, index));
    json_object_object_add(o, "memory", ledger_family_json(r->memory, index, true));
    json_object_object_add(o, "completeness", report_family_completeness_json(r));
    print_object(out, o);
    free(index);
}
