/* SPDX-License-Identifier: MIT */
#include "tape_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "tape_append.h"
#include "tape_chunks.h"

/* errno says why not. */
static bool write_chunk(const struct tape_file *tape, unsigned type, const char *text,
                        size_t length) {
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
        settle_segment_add_payload(&segment, type, text, length);
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

static char *keep(struct tape_file *tape, const struct tape_kept *k) {
    if (tape->process.alive || tape->tail_found || tape->health.damaged_chunks != 0)
        return NULL;
    char *problem = NULL;
    size_t length = 0;
    char *text = k->text(k->context, tape, &length);
    bool may = text != NULL && length <= TAPE_CHUNK_MAX && tape->health.damaged_chunks == 0 &&
               flock(tape->fd, LOCK_EX | LOCK_NB) == 0 &&
               tape_lease(tape->fd) == TAPE_NOBODY_WRITES;
    if (may && !write_chunk(tape, k->type, text, length))
        problem = xasprintf("%s: %s cannot be added: %s", tape->path, k->what, strerror(errno));
    free(text);
    return problem;
}

char *tape_keep(const char *path, const struct tape_kept *k) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, io, fsize;
    struct tape_file *tape = tape_file_open(path);
    if (tape == NULL)
        return NULL;
    sigaction(SIGIO, &ignore, &io);
    sigaction(SIGXFSZ, &ignore, &fsize);
    char *problem = keep(tape, k);
    sigaction(SIGXFSZ, &fsize, NULL);
    sigaction(SIGIO, &io, NULL);
    tape_file_close(tape);
    return problem;
}
