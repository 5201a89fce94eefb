/* SPDX-License-Identifier: MIT */
#include "code_map.h"

#include <glob.h>

#include "jit_map.h"
#include "replay.h"
#include "tape_chunks.h"
#include "tape_keep.h"

bool code_map_any(void) {
    glob_t found;
    bool any = glob("/tmp/perf-*.map", GLOB_NOSORT, NULL, &found) == 0;
    if (any)
        globfree(&found);
    return any;
}

/* The lines of the map for the recording's frames that lie in no module; NULL: none names one. */
static char *lines_of(struct tape_file *tape, struct jit_map *map, size_t *length) {
    struct replay *replay = replay_new(tape);
    replay_run(replay, UINT64_MAX);
    struct stacks *stacks = replay_stacks(replay);
    bool any = false;
    for (uint32_t i = 0, n = stacks_frame_count(stacks); i < n; i++) {
        const struct frame *f = stacks_frame(stacks, i);
        if (f->module == UINT32_MAX && f->address != 0)
            any |= jit_map_use(map, f->address - 1); /* inside the call instruction */
    }
    replay_free(replay);
    return any ? jit_map_text_of_used(map, length) : NULL;
}

static char *text_of(void *context, struct tape_file *tape, size_t *length) {
    struct jit_map *map = tape->process.code_map == NULL ? jit_map_of(&tape->process) : NULL;
    (void)context;
    if (map == NULL)
        return NULL;
    char *text = lines_of(tape, map, length);
    jit_map_free(map);
    return text;
}

char *code_map_keep(const char *path) {
    return tape_keep(path, &(struct tape_kept){.type = TAPE_CHUNK_CODE_MAP,
                                               .what = "names of code made at run time",
                                               .text = text_of});
}
