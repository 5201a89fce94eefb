/* SPDX-License-Identifier: MIT */
/*
 * massif.out, as valgrind 3.19 writes it and its readers take it:
 *
 *  - ms_print cuts lines at '#', which is legal in names ({lambda()#1}): an apostrophe stands there
 *  - ms_print finds the peak by comparing snapshot numbers with positions: numbers count from 0
 *  - massif-visualizer knows the folded line only in its plural: a lone child is never folded
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "massif.h"
#include "report.h"

static void write_node(FILE *out, unsigned depth, uint32_t children, uint64_t bytes,
                       const char *label) {
    fprintf(out, "%*sn%u: %" PRIu64 " ", (int)depth, "", children, bytes);
    for (const char *c = label; *c != '\0'; c++)
        fputc(*c == '#' ? '\'' : *c, out);
    fputc('\n', out);
}

static void write_folded(FILE *out, unsigned depth, const struct tree_node *n, double threshold) {
    fprintf(out, "%*sn0: %" PRIu64 " in %u places, all below massif's threshold (%.2f%%)\n",
            (int)depth, "", n->below_bytes, n->below, threshold);
}

static void write_tree(FILE *out, const struct massif *m, const struct tree *t, uint32_t at) {
    const struct tree_node *n = &t->node[at];
    bool placeless = at == 0 && m->options.pages && n->own_bytes != 0;
    uint32_t children = n->count + (n->below != 0) + placeless;
    if (at == 0) {
        write_node(out, 0, children, n->bytes, massif_root_label(&m->options));
    } else {
        char *label = massif_label(names_get(m->names, n->name), n->address);
        write_node(out, n->level, children, n->bytes, label);
        free(label);
    }
    bool folded = n->below == 0;
    for (uint32_t i = 0; i < n->count; i++) {
        if (!folded && t->node[n->first + i].bytes < n->below_bytes) {
            write_folded(out, n->level + 1, n, m->options.threshold);
            folded = true;
        }
        write_tree(out, m, t, n->first + i); /* at most MASSIF_DEPTH_MAX deep */
    }
    if (!folded)
        write_folded(out, n->level + 1, n, m->options.threshold);
    if (placeless)
        write_node(out, 1, 0, n->own_bytes, MASSIF_PLACELESS);
}

void massif_write(FILE *out, const struct massif *m, const struct tape_process *process) {
    char *arguments = massif_arguments(&m->options), *command = report_command_line(process);
    fprintf(out, "desc: %s (recorded by heaptape%s%s)\ncmd: %s\ntime_unit: %s\n", arguments,
            m->doubt != NULL ? "; " : "", m->doubt != NULL ? m->doubt : "", command,
            m->options.unit == MASSIF_MS ? "ms" : "B");
    free(arguments);
    free(command);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct massif_snapshot *s = &m->snapshot[i];
        fprintf(out,
                "#-----------\nsnapshot=%u\n#-----------\ntime=%" PRIu64 "\nmem_heap_B=%" PRIu64
                "\nmem_heap_extra_B=%" PRIu64 "\nmem_stacks_B=0\nheap_tree=%s\n",
                i, massif_time(m, s), s->heap, s->extra,
                s->peak       ? "peak"
                : s->detailed ? "detailed"
                              : "empty");
        if (s->detailed)
            write_tree(out, m, s->tree, 0);
    }
}
