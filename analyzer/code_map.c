/* SPDX-License-Identifier: MIT */
#include "code_map.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "jit_map.h"
#include "replay.h"
#include "tape_append.h"
#include "tape_chunks.h"

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

/* errno says why not. */
static bool write_chunk(const struct tape_file *tape, const char *text, size_t length) {
    struct settle_segment segment = {0};
    struct stat was, now;
    int fd = open(tape->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool same = fd >= 0 && fstat(tape->fd, &was) == 0 && fstat(fd, &now) == 0 &&
                was.st_dev == now.st_dev && was.st_ino == now.st_ino;
    struct tape_end last = {0};
    if (same)
        last = tape_end_find(fd, (uint64_t)now.st_size);
    bool done = same && last.end != 0;
    if (same && last.end == 0)
        errno = EINVAL;
    if (done) {
        settle_segment_add_payload(&segment, TAPE_CHUNK_CODE_MAP, text, length);
        done = (last.end >= (uint64_t)now.st_size || tape_end_cut(fd, &last)) &&
               tape_append(fd, &segment, last.end);
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, was.st_mtim};
        int error = errno;
        futimens(fd, times); /* the last change is still the recorded process's */
        errno = error;
    }
    if (fd >= 0)
        close(fd);
    settle_segment_free(&segment);
    return done;
}

static char *keep(struct tape_file *tape) {
    if (tape->process.alive || tape->process.code_map != NULL || tape->tail_found ||
        tape->health.damaged_chunks != 0)
        return NULL;
    struct jit_map *map = jit_map_of(&tape->process);
    if (map == NULL)
        return NULL;
    char *problem = NULL;
    size_t length = 0;
    char *text = lines_of(tape, map, &length);
    bool may = text != NULL && length <= TAPE_CHUNK_MAX && tape->health.damaged_chunks == 0 &&
               flock(tape->fd, LOCK_EX | LOCK_NB) == 0 &&
               tape_lease(tape->fd) == TAPE_NOBODY_WRITES;
    if (may && !write_chunk(tape, text, length))
        problem = xasprintf("%s: names of code made at run time cannot be added: %s", tape->path,
                            strerror(errno));
    free(text);
    jit_map_free(map);
    return problem;
}

char *code_map_keep(const char *path) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, io, fsize;
    struct tape_file *tape = tape_file_open(path);
    if (tape == NULL)
        return NULL;
    sigaction(SIGIO, &ignore, &io);
    sigaction(SIGXFSZ, &ignore, &fsize);
    char *problem = keep(tape);
    sigaction(SIGXFSZ, &fsize, NULL);
    sigaction(SIGIO, &io, NULL);
    tape_file_close(tape);
    return problem;
}
