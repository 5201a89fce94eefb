/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leak_why_parts.h"
#include "units.h"

/* "new_node (list.c:7)": where a stack asks for memory. */
static const char *place_of(struct why *w, uint32_t stack) {
    const struct name *n = why_place(w, stack);
    return n == NULL ? "an unknown place" : n->label;
}

static void print_block(FILE *out, struct why *w, uint32_t block) {
    const struct leak_block *b = &w->survey->graph.block[block];
    char size[UNITS_ROOM];
    fprintf(out, "%s byte%s", units_count(size, b->size), b->size == 1 ? "" : "s");
    if (!survey_has(b->tag)) {
        fputs(b->tag == SURVEY_INHERITED ? " of the parent process's"
                                         : " that a realloc() was about to make a block",
              out);
        return;
    }
    const struct block *made = &w->survey->block[b->tag].block;
    fprintf(out, " by %s at %s", tape_op_name(made->op), place_of(w, made->stack));
}

static void print_static(FILE *out, struct why *w, uint64_t address) {
    struct why_static s = why_static_at(w, address);
    if (s.module == NULL) {
        fprintf(out, "static data at 0x%" PRIx64, address);
        return;
    }
    const char *base = names_base(s.module->path);
    char *module = names_printable(base, strlen(base));
    if (s.variable == NULL) {
        fprintf(out, "static data of %s: %s+0x%" PRIx64, module, module, s.offset);
    } else {
        char *name = names_printable(s.variable, strlen(s.variable));
        fprintf(out, s.offset == 0 ? "static data of %s: %s" : "static data of %s: %s+%" PRIu64,
                module, name, s.offset);
        free(name);
    }
    free(module);
}

static void print_thread(FILE *out, struct why *w, uint64_t tid) {
    const char *name = why_thread_name(w, tid);
    if (tid == 0)
        fputs("a thread", out);
    else
        fprintf(out, "thread %" PRIu64, tid);
    if (name != NULL) {
        char *text = names_printable(name, strlen(name));
        fprintf(out, " (%s)", text);
        free(text);
    }
}

static void print_root(FILE *out, struct why *w, const struct leak_step *s) {
    const struct tape_image_region *r = &w->survey->image->region[s->region].is;
    switch (r->kind) {
    case TAPE_REGION_MODULE:
        print_static(out, w, s->address);
        break;
    case TAPE_REGION_STACK:
        fputs("stack of ", out);
        print_thread(out, w, r->tid);
        break;
    case TAPE_REGION_REGISTERS:
        fputs("register of ", out);
        print_thread(out, w, r->tid);
        break;
    default:
        fprintf(out, "memory of its own at 0x%" PRIx64, s->address);
    }
}

static void print_way(FILE *out, struct why *w, const struct leak_step *step, uint32_t length) {
    const struct leak_block *block = w->survey->graph.block;
    fputs("    ", out);
    print_root(out, w, &step[0]);
    for (uint32_t i = 0; i < length; i++) {
        const struct leak_step *s = &step[i];
        fputs("\n      ", out);
        if (s->from != BLOCK_NONE)
            fprintf(out, "its byte %" PRIu64 " ", s->address - block[s->from].address);
        fputs("points to ", out);
        if (s->value != block[s->to].address)
            fprintf(out, "byte %" PRIu64 " of ", s->value - block[s->to].address);
        print_block(out, w, s->to);
    }
    fputc('\n', out);
}

void why_print_group(FILE *out, struct why *w, const struct why_group *g) {
    char size[UNITS_ROOM], blocks[UNITS_ROOM];
    fprintf(out, "%s byte%s in %s block%s %s, at %s (stack #%" PRIu32 ")\n",
            units_count(size, g->bytes), g->bytes == 1 ? "" : "s", units_count(blocks, g->blocks),
            g->blocks == 1 ? "" : "s", leak_kind_info[g->kind].phrase, place_of(w, g->stack),
            g->stack);
    struct leak_step *step;
    uint32_t length = leak_paths_to(w->paths, g->block, &step);
    if (length != 0) {
        print_way(out, w, step, length);
        free(step);
    } else if (g->kind == LEAK_INDIRECT) {
        fputs("    only lost blocks point to it\n", out);
    } else if (w->survey->graph.block[g->block].rooted &&
               w->survey->block[w->survey->graph.block[g->block].tag].block.resizing) {
        fputs("    a thread was in realloc() with it, so it counts as reachable\n", out);
    } else if (w->survey->graph.block[g->block].rooted) {
        fputs("    of a pool in static data or on a stack: what points there is not recorded\n",
              out);
    } else if (g->kind == LEAK_IGNORED) {
        fputs("    kept on purpose: heaptape_ignore() was called for it, or for what leads to it\n",
              out);
    } else {
        fputs("    nothing points to it\n", out);
    }
    fputc('\n', out);
}
