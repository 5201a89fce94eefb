/* SPDX-License-Identifier: MIT */
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "settle_segment.h"
#include "tape_append.h"
#include "tape_walk.h"

#define CLOSED_END 256 /* bytes at the end of a tape; a chunk has one that is not zero there */

struct settling {
    const char *path;
    char *tail_path;
    int tape, tail; /* descriptors, for reading; -1: none */
    struct stat tape_was, tail_was;
    struct tape_file_header header;
    char *problem;
};

static int open_regular(const char *path, struct stat *st) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void note(struct settling *s, const char *what) {
    if (s->problem == NULL)
        s->problem = xasprintf("%s: %s: %s; tape and tail stay, and are read as one", s->path, what,
                               strerror(errno));
}

/* ---- whose files they are ----------------------------------------------------------------- */

static bool read_header(struct settling *s) {
    uint8_t bytes[TAPE_FILE_HEADER_BYTES];
    struct tape_in in = tape_in_of(bytes, sizeof bytes);
    return tape_pread(s->tape, bytes, sizeof bytes, 0) &&
           tape_get_file_header(&in, &s->header) == TAPE_OK;
}

static enum settle_result ask_lease(int fd) {
    switch (tape_lease(fd)) {
    case TAPE_NOBODY_WRITES:
        return SETTLE_DONE;
    case TAPE_SOMEBODY_WRITES:
        return SETTLE_RUNNING;
    default:
        return SETTLE_LEFT;
    }
}

/* Whether the tail is this tape's and nothing else. A region that was given back keeps its id. */
static bool tail_is_own(const struct settling *s) {
    uint64_t size = (uint64_t)s->tail_was.st_size;
    bool own = false;
    struct tape_region g;
    for (uint64_t at = 0; at + sizeof g <= size;) {
        if (!tape_pread(s->tail, &g, sizeof g, at))
            return false;
        bool same = memcmp(g.id, s->header.id, sizeof g.id) == 0;
        if (g.magic == TAPE_REGION_MAGIC && !same)
            return false;
        own |= same;
        bool skip = same && g.length >= sizeof g && g.length <= size - at;
        at += skip ? tape_align(g.length, TAPE_REGION_ALIGN) : TAPE_REGION_ALIGN;
    }
    return own;
}

/* The usual recording, ended in order, is recognised by its last bytes. */
static bool is_settled(const struct settling *s) {
    uint8_t bytes[CLOSED_END];
    uint64_t size = (uint64_t)s->tape_was.st_size;
    if (s->tail >= 0 || !tape_pread(s->tape, bytes, sizeof bytes, size - sizeof bytes))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i] != 0)
            return true;
    return false;
}

/* The files that were opened here, without anything that cannot be read. */
static bool is_sound(const struct settling *s, const struct tape_file *f) {
    struct stat st;
    return fstat(f->fd, &st) == 0 && st.st_dev == s->tape_was.st_dev &&
           st.st_ino == s->tape_was.st_ino && f->health.damaged_chunks == 0;
}

/* ---- what the tape lacks ------------------------------------------------------------------ */

/* False when a buffer cannot be read, or does not go into a chunk. */
static bool gather(struct settle_segment *segment, const struct tape_file *f, bool has_tail) {
    bool fits = true;
    for (size_t i = 0; i < f->stream_count; i++) {
        const struct tape_stream *t = &f->stream[i];
        uint64_t end = 0, lost = 0;
        struct tape_walk walk;
        struct tape_piece p;
        tape_walk_begin(&walk, f, t);
        while (fits && tape_walk_next(&walk, &p)) {
            fits = !p.in_tail ||
                   (p.buffer->error == TAPE_OK && settle_segment_add_events(segment, &p));
            end = p.end;
            lost = p.lost > lost ? p.lost : lost;
        }
        tape_walk_end(&walk);
        if (!fits)
            return false;
        if (has_tail && (t->end > end || t->lost > lost)) /* told by an empty buffer */
            settle_segment_add_end(segment, f->header.id, t->id, t->end, t->lost);
    }
    /* A tape without CLOSE, LATE and tail is one whose tail somebody has lost. */
    if (has_tail && !f->process.closed && !f->late_found)
        settle_segment_add_end(segment, f->header.id, f->stream_count > 0 ? f->stream[0].id : 1,
                               f->stream_count > 0 ? f->stream[0].end : 0, 0);
    return true;
}

/* ---- settling ----------------------------------------------------------------------------- */

static bool later(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* The last change is still the dead process's. */
static void keep_time(const struct settling *s, int fd) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, s->tape_was.st_mtim};
    if (s->tail >= 0 && later(&s->tail_was.st_mtim, &times[1]))
        times[1] = s->tail_was.st_mtim;
    futimens(fd, times);
}

static bool remove_tail(struct settling *s) {
    struct stat st;
    if (lstat(s->tail_path, &st) != 0 || st.st_dev != s->tail_was.st_dev ||
        st.st_ino != s->tail_was.st_ino)
        return false;
    if (unlink(s->tail_path) == 0)
        return true;
    note(s, "its tail cannot be removed");
    return false;
}

/* The directory's permission is asked for first: a tape is not to grow for nothing. */
static bool may_remove_tail(struct settling *s) {
    const char *slash = strrchr(s->path, '/');
    char *directory =
        slash != NULL ? xasprintf("%.*s", (int)(slash - s->path) + 1, s->path) : xstrdup(".");
    bool may = faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0;
    free(directory);
    if (!may)
        note(s, "its tail cannot be removed");
    return may;
}

static enum settle_result write_tape(struct settling *s, struct settle_segment *segment) {
    uint64_t size = (uint64_t)s->tape_was.st_size;
    struct tape_end last = tape_end_find(s->tape, size);
    struct stat now;
    if (last.end == 0 || (s->tail >= 0 && !may_remove_tail(s)))
        return SETTLE_LEFT;
    if (ask_lease(s->tape) != SETTLE_DONE || fstat(s->tape, &now) != 0 ||
        now.st_size != s->tape_was.st_size)
        return SETTLE_LEFT;
    if (last.end < size || segment->used > 0) {
        int fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        bool done = fd >= 0 && fstat(fd, &now) == 0 && now.st_ino == s->tape_was.st_ino &&
                    now.st_dev == s->tape_was.st_dev &&
                    (last.end >= size || tape_end_cut(fd, &last)) &&
                    (segment->used == 0 || tape_append(fd, segment, last.end));
        if (!done)
            note(s, "cannot be completed");
        if (fd >= 0) {
            keep_time(s, fd);
            close(fd);
        }
        if (!done)
            return SETTLE_LEFT;
    }
    return s->tail < 0 || remove_tail(s) ? SETTLE_DONE : SETTLE_LEFT;
}

static enum settle_result settle(struct settling *s) {
    struct tape_file *f = tape_file_open(s->path);
    if (f == NULL)
        return SETTLE_LEFT;
    struct settle_segment segment = {0};
    enum settle_result result = f->process.alive ? SETTLE_RUNNING : SETTLE_LEFT;
    if (!f->process.alive && is_sound(s, f) && gather(&segment, f, s->tail >= 0))
        result = write_tape(s, &segment);
    settle_segment_free(&segment);
    tape_file_close(f);
    return result;
}

enum settle_result settle_tape(const char *path, char **problem) {
    struct settling s = {.path = path, .tail_path = xasprintf("%s.tail", path), .tail = -1};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, io, fsize;
    sigaction(SIGIO, &ignore, &io); /* somebody opens the tape while the lease is held */
    sigaction(SIGXFSZ, &ignore, &fsize);
    enum settle_result result = SETTLE_LEFT;
    s.tape = open_regular(path, &s.tape_was);
    if (s.tape >= 0 && read_header(&s) && flock(s.tape, LOCK_EX | LOCK_NB) == 0) {
        s.tail = open_regular(s.tail_path, &s.tail_was);
        if (is_settled(&s))
            result = SETTLE_DONE;
        else if ((result = ask_lease(s.tape)) == SETTLE_DONE)
            result = s.tail < 0 || tail_is_own(&s) ? settle(&s) : SETTLE_LEFT;
    }
    if (s.tail >= 0)
        close(s.tail);
    if (s.tape >= 0)
        close(s.tape);
    sigaction(SIGXFSZ, &fsize, NULL);
    sigaction(SIGIO, &io, NULL);
    free(s.tail_path);
    *problem = s.problem;
    return result;
}
