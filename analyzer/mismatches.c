/* SPDX-License-Identifier: MIT */
#include "mismatches.h"

#include <stdlib.h>

#include "diag.h"

/* Places are few: they are looked through, the newest first, since they come in rows. */
static void on_mismatch(void *context, const struct block *b, uint8_t op, uint64_t now,
                        uint32_t thread) {
    struct mismatches *m = context;
    (void)thread;
    size_t i = m->count;
    while (i > 0 && (m->list[i - 1].stack != b->stack || m->list[i - 1].made != b->op ||
                     m->list[i - 1].gone != op))
        i--;
    if (i == 0) {
        if (m->count == m->room) {
            m->room = m->room != 0 ? 2 * m->room : 16;
            m->list = xrealloc(m->list, m->room * sizeof *m->list);
        }
        m->list[m->count++] =
            (struct mismatch){.stack = b->stack, .made = b->op, .gone = op, .first = now};
        i = m->count;
    }
    m->list[i - 1].blocks++;
    m->list[i - 1].bytes += b->size;
}

struct mismatches *mismatches_new(void) {
    return xcalloc(1, sizeof(struct mismatches));
}

struct observer mismatches_observer(struct mismatches *m) {
    return (struct observer){.context = m, .on_mismatch = on_mismatch};
}

void mismatches_free(struct mismatches *m) {
    if (m != NULL)
        free(m->list);
    free(m);
}
