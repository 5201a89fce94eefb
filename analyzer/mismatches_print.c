/* SPDX-License-Identifier: MIT */
#include "mismatches_print.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "report_parts.h"
#include "tree.h"
#include "tree_print.h"
#include "units.h"

#define FRAMES 8

static bool begins(const char *text, const char *with) {
    return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

/* Whether the block came from an operator new that called malloc, and the operator delete fits it.
 */
static bool is_apparent(const struct mismatch *m, struct names *names) {
    uint32_t place = names_place(names, m->stack);
    if (tape_op_family(m->made) != TAPE_FAMILY_C || place == 0)
        return false;
    const struct name *n = names_get(names, names_of(names, place));
    return (begins(n->readable, "operator new(") && tape_op_family(m->gone) == TAPE_FAMILY_NEW) ||
           (begins(n->readable, "operator new[](") &&
            tape_op_family(m->gone) == TAPE_FAMILY_NEW_ARRAY);
}

static int by_blocks(const void *a, const void *b) {
    const struct mismatch *m = a, *n = b;
    if (m->blocks != n->blocks)
        return m->blocks < n->blocks ? 1 : -1;
    return m->first < n->first ? -1 : m->first > n->first;
}

struct mismatch *mismatches_list(const struct mismatches *all, struct names *names, size_t *count) {
    struct mismatch *list = xcalloc(all->count + 1, sizeof *list);
    *count = 0;
    for (size_t i = 0; i < all->count; i++)
        if (!is_apparent(&all->list[i], names))
            list[(*count)++] = all->list[i];
    qsort(list, *count, sizeof *list, by_blocks);
    return list;
}

const char *mismatch_released_by(const struct mismatch *m) {
    return m->gone == TAPE_OP_REALLOC_FROM ? "realloc" : tape_op_name(m->gone);
}

void mismatches_print(FILE *out, const struct mismatches *all, struct names *names,
                      const struct screen *screen, size_t limit) {
    size_t count;
    struct mismatch *list = mismatches_list(all, names, &count);
    if (count != 0)
        fprintf(out,
                "\n%sMismatched%s (given back by another kind of function than they came from)\n",
                screen_bold(screen), screen_plain(screen));
    for (size_t i = 0; i < count && i < limit; i++) {
        const struct mismatch *m = &list[i];
        char blocks[UNITS_ROOM], bytes[UNITS_ROOM], time[UNITS_ROOM];
        fprintf(out, "  %s block%s of %s by %s, released by %s, the first at %s, allocated at\n",
                units_count(blocks, m->blocks), m->blocks == 1 ? "" : "s",
                units_bytes(bytes, m->bytes), tape_op_name(m->made), mismatch_released_by(m),
                units_duration(time, m->first));
        uint32_t path[FRAMES], length = 0, place = tree_innermost(names, m->stack);
        for (; place != 0 && length < FRAMES; place = tree_outer(names, place))
            path[length++] = names_of(names, place);
        fprintf(out, "      ");
        report_stack(out, names, path, length, place != 0, 6, screen);
    }
    if (count > limit)
        fprintf(out, "  %zu more\n", count - limit);
    free(list);
}

struct json_object *mismatches_json(const struct mismatches *all, struct names *names) {
    size_t count;
    struct mismatch *list = mismatches_list(all, names, &count);
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        const struct mismatch *m = &list[i];
        struct json_object *o = json_object_new_object(), *stack = json_object_new_array();
        json_put_text(o, "allocated_by", tape_op_name(m->made));
        json_put_text(o, "released_by", mismatch_released_by(m));
        json_put(o, "blocks", m->blocks);
        json_put(o, "bytes", m->bytes);
        json_put(o, "first_ns", m->first);
        for (uint32_t place = names_place(names, m->stack); place != 0;
             place = names_caller(names, place))
            json_object_array_add(stack, tree_json_name(names_get(names, names_of(names, place))));
        json_object_object_add(o, "stack", stack);
        json_object_array_add(array, o);
    }
    free(list);
    return array;
}
