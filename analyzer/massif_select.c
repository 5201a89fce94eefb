/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "massif.h"

void massif_selection_init(struct massif_selection *s, uint32_t room) {
    *s = (struct massif_selection){.room = room};
    s->snapshot = xmalloc(room * sizeof *s->snapshot);
}

void massif_selection_free(struct massif_selection *s) {
    free(s->snapshot);
}

/* The snapshot, neither first nor last, whose neighbours are closest to each other. */
static uint32_t least_important(const struct massif_selection *s) {
    uint32_t least = 1;
    uint64_t span = UINT64_MAX;
    for (uint32_t i = 1; i + 1 < s->count; i++) {
        uint64_t between = s->snapshot[i + 1].clock - s->snapshot[i - 1].clock;
        if (between < span) {
            span = between;
            least = i;
        }
    }
    return least;
}

static void cull(struct massif_selection *s) {
    for (uint32_t n = s->room / 2; n != 0; n--) {
        uint32_t i = least_important(s);
        memmove(&s->snapshot[i], &s->snapshot[i + 1], (s->count - i - 1) * sizeof *s->snapshot);
        s->count--;
    }
    s->interval = UINT64_MAX;
    for (uint32_t i = 1; i < s->count; i++) {
        uint64_t distance = s->snapshot[i].clock - s->snapshot[i - 1].clock;
        if (distance < s->interval)
            s->interval = distance;
    }
}

void massif_selection_offer(struct massif_selection *s, const struct massif_snapshot *now) {
    if (now->clock < s->earliest)
        return;
    s->snapshot[s->count++] = *now;
    if (s->count == s->room)
        cull(s);
    s->earliest = now->clock + s->interval;
}
