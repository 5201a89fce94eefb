/* SPDX-License-Identifier: MIT */
#include "inversions.h"

#include <string.h>

/* How long the other half is waited for, ticks. */
#define EARLY_TICKS 65536
#define OWED_TICKS  4096

void inversions_init(struct inversions *v, unsigned grain) {
    *v = (struct inversions){.owed_for = (OWED_TICKS >> grain) + 1,
                             .early_for = (EARLY_TICKS >> grain) + 1};
}

/* ---- owed --------------------------------------------------------------------------------- */

static void remove_owed(struct inversions *v, size_t i) {
    v->owed_count--;
    memmove(&v->owed[i], &v->owed[i + 1], (v->owed_count - i) * sizeof *v->owed);
}

unsigned inversions_owe(struct inversions *v, uint64_t address, uint32_t stream) {
    unsigned given_up = 0;
    if (v->owed_count == INVERSIONS_KEPT) {
        remove_owed(v, 0);
        given_up = 1;
    }
    v->owed[v->owed_count++] = (struct owed){address, v->key, stream};
    return given_up;
}

unsigned inversions_overdue(struct inversions *v, bool all) {
    unsigned overdue = 0;
    while (v->owed_count != 0 && (all || v->key - v->owed[0].key > v->owed_for)) {
        remove_owed(v, 0);
        overdue++;
    }
    return overdue;
}

bool inversions_settle(struct inversions *v, uint64_t address, uint32_t stream) {
    for (size_t i = 0; i < v->owed_count; i++) {
        if (v->owed[i].address == address && v->owed[i].stream != stream) {
            remove_owed(v, i);
            return true;
        }
    }
    return false;
}

/* ---- early -------------------------------------------------------------------------------- */

static void remove_early(struct inversions *v, size_t i) {
    v->early_count--;
    memmove(&v->early[i], &v->early[i + 1], (v->early_count - i) * sizeof *v->early);
}

/* Whether another stream has freed the address just before. If its free was early, it ended the
 * block that was this stream's to free, and its own block is yet to come. */
static bool just_freed(const struct inversions *v, uint64_t address, uint32_t stream) {
    for (uint32_t i = 0; i < INVERSIONS_KEPT; i++)
        if (v->recent[i].address == address && v->recent[i].stream != stream &&
            v->key - v->recent[i].key <= v->early_for)
            return true;
    return false;
}

void inversions_note(struct inversions *v, uint64_t address, uint32_t stream, uint32_t thread,
                     bool from) {
    while (v->early_count != 0 &&
           (v->early_count == INVERSIONS_KEPT || v->key - v->early[0].key > v->early_for))
        remove_early(v, 0);
    v->early[v->early_count++] = (struct early){.address = address,
                                                .key = v->key,
                                                .stream = stream,
                                                .thread = thread,
                                                .from = from,
                                                .any = just_freed(v, address, stream)};
}

bool inversions_take(struct inversions *v, uint64_t address, uint32_t stream, struct early *found) {
    for (size_t i = 0; i < v->early_count; i++) {
        const struct early *e = &v->early[i];
        if (e->address == address && (e->stream != stream || e->any) &&
            v->key - e->key <= v->early_for) {
            *found = *e;
            remove_early(v, i);
            return true;
        }
    }
    return false;
}
