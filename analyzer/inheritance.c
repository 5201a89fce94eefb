/* SPDX-License-Identifier: MIT */
#include "inheritance.h"

#include <stdlib.h>

#include "family_find.h"

#define GENERATIONS_MAX 64 /* a tape that is its own ancestor must not be followed for ever */

static void take_snapshot(void *context, struct replay *replay, size_t index) {
    struct inherited **found = context;
    (void)index;
    *found = replay_snapshot(replay);
}

static struct inherited *find(const struct tape_file *tape, unsigned generation) {
    const struct tape_process *p = tape_file_process(tape);
    if (p->parent_id == NULL || p->parent == NULL || generation == GENERATIONS_MAX)
        return NULL;
    char *path = family_find_beside(tape_file_path(tape), p->parent, p->parent_id);
    struct tape_file *parent = path != NULL ? tape_file_open(path) : NULL;
    free(path);
    if (parent == NULL)
        return NULL;
    struct inherited *found = NULL, *before = find(parent, generation + 1);
    if (before != NULL || tape_file_process(parent)->parent_id == NULL) {
        struct replay *replay = replay_new(parent);
        if (before != NULL)
            replay_inherit(replay, before);
        replay_stop_at(replay, &(struct replay_stops){.stamp = &p->fork_stamp,
                                                      .count = 1,
                                                      .last_ends = true,
                                                      .reached = take_snapshot,
                                                      .context = &found});
        replay_run(replay, UINT64_MAX);
        replay_free(replay);
    }
    inherited_free(before);
    tape_file_close(parent);
    return found;
}

struct inherited *inheritance_of(const struct tape_file *tape) {
    return find(tape, 0);
}
