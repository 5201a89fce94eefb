/* SPDX-License-Identifier: MIT */
/*
 * --fail-on-mismatch: places whose blocks were given back by another kind of function than they
 * came from. The same one in several processes is one finding.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check_parts.h"
#include "diag.h"
#include "json_put.h"
#include "mismatches_print.h"
#include "units.h"

static void add(struct check *c, struct check_mismatch *one) {
    for (size_t i = 0; i < c->mismatch_count; i++) {
        struct check_mismatch *old = &c->mismatch[i];
        if (old->made != one->made || old->gone != one->gone ||
            !check_stack_same(&old->stack, &one->stack))
            continue;
        old->blocks += one->blocks;
        old->bytes += one->bytes;
        if (old->process != one->process) /* they come process by process */
            old->processes++;
        old->process = one->process;
        check_stack_free(&one->stack);
        return;
    }
    c->mismatch = xrealloc(c->mismatch, (c->mismatch_count + 1) * sizeof *c->mismatch);
    c->mismatch[c->mismatch_count++] = *one;
}

/* The allocation function stands in front of its callers, as in leaks. */
static struct check_stack stack_of(struct names *names, const struct mismatch *m) {
    uint32_t *path = NULL, length = 0;
    for (uint32_t place = names_place(names, m->stack); place != 0;
         place = names_caller(names, place)) {
        if ((length & (length - 1)) == 0)
            path = xrealloc(path, (length != 0 ? 2 * length : 1) * sizeof *path);
        path[length++] = names_of(names, place);
    }
    struct check_stack s = check_stack_of(names, tape_op_name(m->made), path, length);
    free(path);
    return s;
}

void check_mismatches_take(struct check *c, const struct tape_process *process, size_t number,
                           struct stacks *stacks, const struct mismatches *m) {
    if (m->count == 0)
        return;
    struct names *names = names_of_recording(stacks, c->folding, process);
    size_t count;
    struct mismatch *list = mismatches_list(m, names, &count);
    for (size_t i = 0; i < count; i++)
        add(c, &(struct check_mismatch){.made = tape_op_name(list[i].made),
                                        .gone = mismatch_released_by(&list[i]),
                                        .blocks = list[i].blocks,
                                        .bytes = list[i].bytes,
                                        .processes = 1,
                                        .process = number,
                                        .stack = stack_of(names, &list[i])});
    free(list);
    names_free(names);
}

void check_mismatches_free(struct check *c) {
    for (size_t i = 0; i < c->mismatch_count; i++)
        check_stack_free(&c->mismatch[i].stack);
    free(c->mismatch);
}

char *check_mismatch_sentence(const struct check_mismatch *m) {
    char blocks[UNITS_ROOM], bytes[UNITS_ROOM];
    return xasprintf("%s block%s of %s byte%s by %s, given back by %s",
                     units_count(blocks, m->blocks), m->blocks == 1 ? "" : "s",
                     units_count(bytes, m->bytes), m->bytes == 1 ? "" : "s", m->made, m->gone);
}

void check_print_mismatches(FILE *out, const struct check *c, const struct screen *screen,
                            uint32_t limit) {
    if (c->mismatch_count == 0)
        return;
    fputs("Given back by another kind of function than they came from\n\n", out);
    for (size_t i = 0; i < c->mismatch_count && (limit == 0 || i < limit); i++) {
        const struct check_mismatch *m = &c->mismatch[i];
        char *sentence = check_mismatch_sentence(m);
        fprintf(out, "%s%s%s", screen_bold(screen), sentence, screen_plain(screen));
        free(sentence);
        if (m->processes > 1)
            fprintf(out, ", in %" PRIu32 " processes", m->processes);
        fputc('\n', out);
        for (size_t k = m->stack.count > 1; k < m->stack.count; k++) {
            char *label = check_frame_label(&m->stack.frame[k]);
            fprintf(out, "    %s%s\n", k <= 1 ? "at " : screen->utf8 ? "\u2190 " : "<- ", label);
            free(label);
        }
        fputc('\n', out);
    }
    if (limit != 0 && c->mismatch_count > limit)
        fprintf(out, "%zu more (-n 0 shows all)\n\n", c->mismatch_count - limit);
}

struct json_object *check_mismatches_json(const struct check *c) {
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < c->mismatch_count; i++) {
        const struct check_mismatch *m = &c->mismatch[i];
        struct json_object *o = json_object_new_object();
        json_put_text(o, "allocated_by", m->made);
        json_put_text(o, "released_by", m->gone);
        json_put(o, "blocks", m->blocks);
        json_put(o, "bytes", m->bytes);
        json_put(o, "processes", m->processes);
        json_object_object_add(o, "stack", check_stack_json(&m->stack));
        json_object_array_add(list, o);
    }
    return list;
}
