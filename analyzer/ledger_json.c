/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_put.h"
#include "ledger_names.h"
#include "ledger_print.h"
#include "tree.h"
#include "tree_print.h"

struct json_object *ledger_row_json(const struct ledger_row *r) {
    struct json_object *o = json_object_new_object();
    json_put(o, "time_ns", r->time);
    json_put(o, "resident", r->resident);
    json_put(o, "swapped", r->swapped);
    json_put(o, "heap_live", ledger_live(r));
    json_put(o, "heap_slack", ledger_slack(r));
    json_put(o, "heap_untouched", ledger_untouched(r));
    for (int c = 0; c < LEDGER_CLASSES; c++)
        json_put(o, ledger_class_info[c].name, r->bytes[c]);
    double whole = (double)r->resident;
    json_object_object_add(o, "explained",
                           json_object_new_double(
                               r->resident != 0
                                   ? (whole - (double)r->bytes[LEDGER_RESIDUAL]) / whole
                                   : 1));
    return o;
}

static struct json_object *site_json(struct names *names, const struct ledger_site *s) {
    struct json_object *o = json_object_new_object(), *stack = json_object_new_array();
    json_put(o, "resident", s->resident);
    json_put(o, "size", s->size);
    json_put(o, "ranges", s->ranges);
    json_put_text(o, "mapper", ledger_mapper(names, s));
    for (uint32_t place = names_place(names, s->stack); place != 0;
         place = names_caller(names, place))
        json_object_array_add(stack, tree_json_name(names_get(names, names_of(names, place))));
    json_object_object_add(o, "stack", stack);
    return o;
}

static struct json_object *mappers_json(const struct ledger *l, struct names *names) {
    struct ledger_mapper_sum sum[LEDGER_MAPPERS];
    size_t count = ledger_mappers(names, l, sum);
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        struct json_object *o = json_object_new_object();
        json_put_text(o, "name", sum[i].name);
        json_put(o, "resident", sum[i].resident);
        json_put(o, "size", sum[i].size);
        json_put(o, "ranges", sum[i].ranges);
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *mappings_json(const struct ledger *l) {
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < l->mapping_count; i++) {
        const struct ledger_mapping *m = &l->mappings[i];
        if (m->resident == 0)
            continue;
        struct json_object *o = json_object_new_object();
        json_put(o, "start", m->start);
        json_put(o, "end", m->end);
        json_put(o, "resident", m->resident);
        json_put_text(o, "class", ledger_class_info[m->class].name);
        json_put_text(o, "name", m->name);
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *calls_json(const struct mappings_counts *c) {
    struct json_object *o = json_object_new_object();
    json_put(o, "calls", c->calls);
    json_put(o, "failed", c->failed);
    json_put(o, "bytes", c->mapped_bytes);
    json_put(o, "live", c->live_bytes);
    json_put(o, "peak", c->peak_bytes);
    json_put(o, "peak_time_ns", c->peak_time);
    json_put(o, "allocator", c->allocator_bytes);
    return o;
}

struct json_object *ledger_json(const struct tape_process *p, const struct ledger *l,
                                struct names *names, bool rows) {
    struct json_object *o = json_object_new_object(), *unhooked = json_object_new_array();
    json_put_text(o, "allocator", ledger_allocator(p));
    json_put_text(o, "bypassed", p->bypassed);
    for (size_t i = 0; p->unhooked[i] != NULL; i++)
        json_object_array_add(unhooked, json_text(p->unhooked[i]));
    json_object_object_add(o, "unhooked", unhooked);
    json_put(o, "samples", l->samples);
    json_put_text(o, "why_none", ledger_why_none(p, l));
    if (l->peak_rss != 0)
        json_put(o, "peak_rss", l->peak_rss);
    json_object_object_add(o, "mapped", calls_json(&l->counts));
    if (l->samples == 0)
        return o;
    json_object_object_add(o, "peak", ledger_row_json(&l->peak));
    json_object_object_add(o, "mappers", mappers_json(l, names));
    struct json_object *direct = json_object_new_array();
    for (size_t i = 0; i < l->site_count && (rows || i < 20); i++)
        json_object_array_add(direct, site_json(names, &l->sites[i]));
    json_object_object_add(o, "direct", direct);
    if (!rows)
        return o;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < l->row_count; i++)
        json_object_array_add(list, ledger_row_json(&l->rows[i]));
    json_object_object_add(o, "rows", list);
    json_object_object_add(o, "mappings", mappings_json(l));
    return o;
}
