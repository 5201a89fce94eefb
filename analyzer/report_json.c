/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "completeness.h"
#include "diag.h"
#include "json_put.h"
#include "ledger_print.h"
#include "mismatches_print.h"
#include "report_parts.h"
#include "tree_print.h"

static void put_list(struct json_object *o, const char *key, const char **list) {
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        json_object_array_add(array, json_text(list[i]));
    json_object_object_add(o, key, array);
}

static struct json_object *process_json(const struct tape_process *p) {
    struct json_object *o = json_object_new_object();
    put_list(o, "argv", p->argv);
    json_put_text(o, "exe", p->exe);
    json_put_text(o, "cwd", p->cwd);
    json_put(o, "pid", p->pid);
    json_put(o, "ppid", p->ppid);
    json_put_text(o, "host", p->host);
    json_put_text(o, "kernel", p->kernel);
    json_put_text(o, "arch", p->arch);
    put_list(o, "environment", p->env);
    json_put_text(o, "recorder", p->recorder);
    json_put_text(o, "unwinder", p->unwinder);
    json_put_text(o, "parent", p->parent);
    json_put(o, "started_ns", p->start_real);
    json_put_text(o, "ended", report_ending(p));
    return o;
}

void report_calls_json(struct json_object *o, const struct replay_counts *c) {
    json_put(o, "allocations", c->allocations);
    json_put(o, "allocated_bytes", c->allocated_bytes);
    json_put(o, "frees", c->frees);
    json_put(o, "reallocs", c->reallocs);
    json_put(o, "failed", c->failed);
    json_put(o, "temporary", c->temporary);
}

static struct json_object *heap_json(const struct replay_counts *c) {
    struct json_object *o = json_object_new_object();
    json_put(o, "duration_ns", c->end_time);
    report_calls_json(o, c);
    struct json_object *peak = json_object_new_object();
    json_put(peak, "bytes", c->peak_bytes);
    json_put(peak, "blocks", c->peak_blocks);
    json_put(peak, "time_ns", c->peak_time);
    json_object_object_add(o, "peak", peak);
    json_object_object_add(o, "not_freed", json_amounts(c->live_bytes, c->live_blocks));
    if (c->inherited_known)
        json_object_object_add(o, "inherited", report_inherited_json(c));
    return o;
}

struct json_object *report_pools_json(const struct replay_counts *counts, bool joined) {
    const struct pool_counts *c = &counts->pools;
    struct json_object *o = json_object_new_object();
    json_put(o, "allocations", c->allocations);
    json_put(o, "allocated_bytes", c->allocated_bytes);
    json_put(o, "frees", c->frees);
    json_put(o, "unmatched_frees", c->unmatched);
    json_put(o, "dropped", c->dropped);
    if (!joined)
        json_object_object_add(o, "peak", json_amounts(c->peak_bytes, c->peak_blocks));
    json_object_object_add(o, "not_freed", json_amounts(c->live_bytes, c->live_blocks));
    return o;
}

struct json_object *report_inherited_json(const struct replay_counts *c) {
    struct json_object *o = json_object_new_object();
    json_put(o, "bytes", c->inherited_bytes);
    json_put(o, "blocks", c->inherited_blocks);
    json_put(o, "freed_bytes", c->inherited_freed_bytes);
    json_put(o, "freed_blocks", c->inherited_freed_blocks);
    json_put(o, "left_bytes", c->inherited_bytes - c->inherited_freed_bytes);
    json_put(o, "left_blocks", c->inherited_blocks - c->inherited_freed_blocks);
    return o;
}

static void put_samples(struct json_object *o, const struct profile *p) {
    struct json_object *rss = json_object_new_object(), *samples = json_object_new_array();
    const struct profile_sample *top = NULL;
    for (size_t i = 0; i < p->sample_count; i++) {
        const struct profile_sample *s = &p->samples[i];
        if (top == NULL || s->rss_bytes > top->rss_bytes)
            top = s;
        struct json_object *sample = json_object_new_object();
        json_put(sample, "time_ns", s->time);
        json_put(sample, "heap_bytes", s->heap_bytes);
        json_put(sample, "rss_bytes", s->rss_bytes);
        json_object_array_add(samples, sample);
    }
    json_put(rss, "samples", p->sample_count);
    if (top != NULL) {
        json_put(rss, "peak_bytes", top->rss_bytes);
        json_put(rss, "peak_time_ns", top->time);
    }
    json_object_object_add(o, "rss", rss);
    json_object_object_add(o, "samples", samples);
}

static void put_marks(struct json_object *o, const struct profile *p) {
    struct json_object *marks = json_object_new_array();
    for (size_t i = 0; i < p->mark_count; i++) {
        struct json_object *mark = json_object_new_object();
        json_put(mark, "time_ns", p->marks[i].time);
        json_put_text(mark, "text", p->marks[i].text);
        json_object_array_add(marks, mark);
    }
    json_object_object_add(o, "marks", marks);
}

/* One object for each name, which all stacks share: there may be millions of frames. */
struct shared_names {
    struct json_object **object; /* by name; NULL: not yet made */
    uint32_t count;
};

static struct json_object *share_name(struct shared_names *s, const struct names *names,
                                      uint32_t name) {
    if (s->object[name] == NULL)
        s->object[name] = tree_json_name(names_get(names, name));
    return json_object_get(s->object[name]);
}

static struct json_object *ranking_json(const struct report *r, unsigned which,
                                        struct shared_names *shared) {
    const struct ranking *ranking = r->ranking[which];
    bool bytes = metric_info[ranking_info[which].ranked].bytes;
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; i < ranking->count; i++) {
        const struct ranked_site *s = &ranking->site[i];
        struct json_object *site = json_object_new_object(), *stack = json_object_new_array();
        json_put(site, bytes ? "bytes" : "allocations", s->ranked);
        json_put(site, bytes ? "blocks" : "temporary", s->second);
        uint32_t *path, length = ranking_path(ranking, s, &path);
        for (uint32_t k = 0; k < length; k++)
            json_object_array_add(stack, share_name(shared, r->names, path[k]));
        free(path);
        json_object_object_add(site, "stack", stack);
        if (ranking->tree->node[s->node].cut)
            json_object_object_add(site, "cut", json_object_new_boolean(true));
        json_object_array_add(array, site);
    }
    return array;
}

void report_print_json(FILE *out, const struct report *r) {
    const struct replay_counts *counts = replay_counts(r->profile->replay);
    struct json_object *o = json_object_new_object(), *recording = json_object_new_object();
    json_put_text(recording, "path", tape_file_path(r->tape));
    json_put(recording, "bytes", tape_file_bytes(r->tape));
    json_object_object_add(o, "recording", recording);
    json_object_object_add(o, "process", process_json(tape_file_process(r->tape)));
    struct json_object *heap = heap_json(counts);
    char *doubt = completeness_doubt(tape_file_health(r->tape));
    json_object_object_add(heap, "reliable", json_object_new_boolean(doubt == NULL));
    free(doubt);
    json_object_object_add(o, "heap", heap);
    put_samples(o, r->profile);
    json_object_object_add(o, "memory",
                           ledger_json(tape_file_process(r->tape), r->profile->ledger, r->names,
                                       false));
    json_object_object_add(o, "mismatches", mismatches_json(r->profile->mismatches, r->names));
    report_threads_json(o, r->profile);
    put_marks(o, r->profile);
    json_object_object_add(o, "pools", report_pools_json(counts, false));
    report_tests_json(o, r);
    struct json_object *sites = json_object_new_object();
    struct shared_names shared = {.count = names_count(r->names)};
    shared.object = xcalloc(shared.count, sizeof *shared.object);
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        json_object_object_add(sites, ranking_info[i].name, ranking_json(r, i, &shared));
    for (uint32_t i = 0; i < shared.count; i++)
        json_object_put(shared.object[i]);
    free(shared.object);
    json_object_object_add(o, "sites", sites);
    json_object_object_add(o, "completeness", completeness_json(r->tape, counts, r->names));
    fprintf(out, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
