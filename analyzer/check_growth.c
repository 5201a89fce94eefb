/* SPDX-License-Identifier: MIT */
/*
 * --fail-on-growth: the call sites of all processes that grow with the rounds of a loop. The same
 * one in several processes is one finding, with the figures of the process where it grew most.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check_parts.h"
#include "diag.h"
#include "growing.h"
#include "json_put.h"

/* What its rate is compared by. */
static double pace(const struct check_growth *g) {
    return (double)g->bytes / (double)g->measured;
}

static void add(struct check *c, struct check_growth *one) {
    for (size_t i = 0; i < c->growth_count; i++) {
        struct check_growth *old = &c->growth[i];
        if (strcmp(old->loop, one->loop) != 0 || !check_stack_same(&old->stack, &one->stack))
            continue;
        struct check_growth kept = pace(one) > pace(old) ? *one : *old,
                            gone = pace(one) > pace(old) ? *old : *one;
        kept.processes = old->processes + 1;
        *old = kept;
        free(gone.loop);
        free(gone.sentence);
        check_stack_free(&gone.stack);
        return;
    }
    c->growth = xrealloc(c->growth, (c->growth_count + 1) * sizeof *c->growth);
    c->growth[c->growth_count++] = *one;
}

void check_growth_take(struct check *c, struct stacks *stacks, struct growth *g) {
    struct names *names = NULL;
    growth_finish(g);
    for (uint32_t i = 0; i < growth_loops(g); i++) {
        const struct growth_loop *l = growth_loop(g, i);
        c->loops++;
        if (l->count == 0)
            continue;
        if (names == NULL) {
            names = names_new(stacks);
            names_fold(names, c->folding);
        }
        uint32_t count;
        struct growing *all = growing_list(names, l, 0, &count);
        for (uint32_t k = 0; k < count; k++) {
            const struct growing *s = &all[k];
            add(c,
                &(struct check_growth){.loop = names_printable(l->name, strlen(l->name)),
                                       .rounds = l->rounds,
                                       .measured = l->measured,
                                       .blocks = s->blocks,
                                       .bytes = s->bytes,
                                       .grew = s->grew,
                                       .processes = 1,
                                       .sentence =
                                           growing_sentence(s->blocks, s->bytes, s->grew, l),
                                       .stack = check_stack_of(names, NULL, s->path, s->length)});
        }
        growing_free(all, count);
    }
    names_free(names);
}

void check_growth_free(struct check *c) {
    for (size_t i = 0; i < c->growth_count; i++) {
        free(c->growth[i].loop);
        free(c->growth[i].sentence);
        check_stack_free(&c->growth[i].stack);
    }
    free(c->growth);
}

void check_print_growth(FILE *out, const struct check *c, const struct screen *screen,
                        uint32_t limit) {
    if (c->growth_count == 0)
        return;
    fputs("Growing with each round\n\n", out);
    for (size_t i = 0; i < c->growth_count && (limit == 0 || i < limit); i++) {
        const struct check_growth *g = &c->growth[i];
        fprintf(out, "%s%s%s: %s", screen_bold(screen), g->loop, screen_plain(screen), g->sentence);
        if (g->processes > 1)
            fprintf(out, ", in %" PRIu32 " processes", g->processes);
        fputc('\n', out);
        for (size_t k = 0; k < g->stack.count; k++) {
            char *label = check_frame_label(&g->stack.frame[k]);
            fprintf(out, "    %s%s\n", k == 0 ? "at " : screen->utf8 ? "\u2190 " : "<- ", label);
            free(label);
        }
        fputc('\n', out);
    }
    if (limit != 0 && c->growth_count > limit)
        fprintf(out, "%zu more (-n 0 shows all)\n\n", c->growth_count - limit);
}

struct json_object *check_stack_json(const struct check_stack *s) {
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < s->count; i++) {
        char *label = check_frame_label(&s->frame[i]);
        json_object_array_add(list, json_text(label));
        free(label);
    }
    return list;
}

struct json_object *check_growth_json(const struct check *c) {
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < c->growth_count; i++) {
        const struct check_growth *g = &c->growth[i];
        struct json_object *o = json_object_new_object();
        json_put_text(o, "loop", g->loop);
        json_put(o, "rounds", g->rounds);
        json_put(o, "measured_rounds", g->measured);
        json_put(o, "blocks", g->blocks);
        json_put(o, "bytes", g->bytes);
        json_put(o, "rounds_with_growth", g->grew);
        json_put(o, "processes", g->processes);
        json_object_object_add(o, "stack", check_stack_json(&g->stack));
        json_object_array_add(list, o);
    }
    return list;
}
