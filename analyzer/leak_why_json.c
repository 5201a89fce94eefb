/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "json_put.h"
#include "leak_why_parts.h"
#include "tree_print.h"

static struct json_object *place_json(struct why *w, uint32_t stack) {
    const struct name *n = why_place(w, stack);
    return n != NULL ? tree_json_name(n) : NULL;
}

/* A block, and where in it the way goes on or comes in. */
static struct json_object *block_json(struct why *w, uint32_t block) {
    const struct leak_block *b = &w->survey->graph.block[block];
    struct json_object *o = json_object_new_object();
    json_put(o, "bytes", b->size);
    json_put_bool(o, "inherited", b->tag == SURVEY_INHERITED);
    json_put_bool(o, "moving", b->tag == SURVEY_MOVING);
    if (!survey_has(b->tag))
        return o;
    const struct block *made = &w->survey->block[b->tag].block;
    json_put_text(o, "allocated_by", tape_op_name(made->op));
    json_put(o, "stack", made->stack);
    json_object_object_add(o, "place", place_json(w, made->stack));
    return o;
}

static struct json_object *root_json(struct why *w, const struct leak_step *s) {
    static const char *const name[] = {[TAPE_REGION_MODULE] = "static",
                                       [TAPE_REGION_STACK] = "stack",
                                       [TAPE_REGION_REGISTERS] = "register"};
    const struct tape_image_region *r = &w->survey->image->region[s->region].is;
    bool known = r->kind < sizeof name / sizeof *name && name[r->kind] != NULL;
    struct json_object *o = json_object_new_object();
    json_put_text(o, "kind", known ? name[r->kind] : "memory");
    if (r->kind != TAPE_REGION_REGISTERS)
        json_put(o, "address", s->address);
    if (r->kind == TAPE_REGION_MODULE) {
        struct why_static at = why_static_at(w, s->address);
        if (at.module != NULL)
            json_put_text(o, "module", at.module->path);
        json_put_text(o, "variable", at.variable);
        json_put(o, "offset", at.offset);
    }
    if (r->kind == TAPE_REGION_STACK || r->kind == TAPE_REGION_REGISTERS) {
        if (r->tid != 0)
            json_put(o, "thread", r->tid);
        json_put_text(o, "thread_name", why_thread_name(w, r->tid));
    }
    return o;
}

static struct json_object *way_json(struct why *w, const struct leak_step *step, uint32_t length) {
    const struct leak_block *block = w->survey->graph.block;
    struct json_object *way = json_object_new_array();
    for (uint32_t i = 0; i < length; i++) {
        const struct leak_step *s = &step[i];
        struct json_object *o = block_json(w, s->to);
        if (s->from != BLOCK_NONE)
            json_put(o, "from_byte", s->address - block[s->from].address);
        json_put(o, "to_byte", s->value - block[s->to].address);
        json_object_array_add(way, o);
    }
    return way;
}

struct json_object *why_json_group(struct why *w, const struct why_group *g) {
    struct json_object *o = json_object_new_object();
    struct leak_step *step;
    uint32_t length = leak_paths_to(w->paths, g->block, &step);
    json_put_text(o, "kind", leak_kind_info[g->kind].name);
    json_put(o, "bytes", g->bytes);
    json_put(o, "blocks", g->blocks);
    json_put(o, "stack", g->stack);
    json_object_object_add(o, "place", place_json(w, g->stack));
    json_object_object_add(o, "root", length != 0 ? root_json(w, &step[0]) : NULL);
    json_object_object_add(o, "way", way_json(w, step, length));
    if (length != 0)
        free(step);
    return o;
}
