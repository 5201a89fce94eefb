/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "tape_walk.h"

#define LOOK_PIECES 64 /* that may be decoded to find a clock sample */

bool tape_pread(int fd, void *to, size_t n, uint64_t at) {
    uint8_t *p = to;
    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

void tape_damage(struct tape_file *f, bool in_tail, uint64_t at, uint64_t bytes, const char *format,
                 ...) {
    f->health.damaged_chunks++;
    f->health.damaged_bytes += bytes;
    if (f->health.first_damage != NULL)
        return;
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) >= 0)
        f->health.first_damage =
            xasprintf("%s: offset %" PRIu64 ": %s", in_tail ? f->tail_path : f->path, at, text);
    va_end(args);
    free(text);
}

/* ---- the file header ---------------------------------------------------------------------- */

static void complain_magic(const struct tape_file *f, const uint8_t *found) {
    size_t n = strlen(f->path);
    struct tape_in in = tape_in_of(found, 4);
    if (tape_get_u32(&in) == TAPE_REGION_MAGIC && n > 5 && strcmp(f->path + n - 5, ".tail") == 0) {
        diag("%s: this is the tail of a recording; name the tape, %.*s", f->path, (int)(n - 5),
             f->path);
        return;
    }
    char text[3 * sizeof tape_file_magic + 1], wanted[sizeof text];
    for (size_t i = 0; i < sizeof tape_file_magic; i++) {
        snprintf(text + 3 * i, 4, " %02x", found[i]);
        snprintf(wanted + 3 * i, 4, " %02x", tape_file_magic[i]);
    }
    diag("%s: not a heaptape recording: offset 0 has%s, expected%s", f->path, text, wanted);
}

/* One line about what is wrong; false then. */
static bool read_header(struct tape_file *f) {
    uint8_t bytes[TAPE_FILE_HEADER_BYTES] = {0};
    uint64_t have = f->size < sizeof bytes ? f->size : sizeof bytes;
    if (have == 0) {
        diag("%s: empty file: a recording begins with a header of %d bytes (the recorder may have "
             "met a full disk)",
             f->path, TAPE_FILE_HEADER_BYTES);
        return false;
    }
    if (!tape_pread(f->fd, bytes, have, 0)) {
        diag("%s: cannot be read: %s", f->path, strerror(errno));
        return false;
    }
    size_t compare = have < sizeof tape_file_magic ? have : sizeof tape_file_magic;
    bool magic = memcmp(bytes, tape_file_magic, compare) == 0;
    if (magic && have < sizeof bytes) {
        diag("%s: cut off: it has %" PRIu64 " bytes, the header alone has %d", f->path, have,
             TAPE_FILE_HEADER_BYTES);
        return false;
    }
    struct tape_in in = tape_in_of(bytes, sizeof bytes);
    enum tape_error error = magic ? tape_get_file_header(&in, &f->header) : TAPE_E_MAGIC;
    struct tape_in crc = tape_in_of(bytes + 60, 4);
    switch (error) {
    case TAPE_OK:
        return true;
    case TAPE_E_MAGIC:
        complain_magic(f, bytes);
        return false;
    case TAPE_E_VERSION:
        diag("%s: offset 8: tape format %u.%u, this heaptape reads up to %d.x; read it with a "
             "newer heaptape",
             f->path, f->header.major, f->header.minor, TAPE_VERSION_MAJOR);
        return false;
    case TAPE_E_FEATURE:
        diag("%s: offset 16: needs features %#" PRIx64 ", this heaptape knows %#" PRIx64
             "; read it with a newer heaptape",
             f->path, f->header.features, TAPE_FEATURES_KNOWN);
        return false;
    case TAPE_E_CHECKSUM:
        diag("%s: header damaged: offset 60 has checksum %#x, expected %#x", f->path,
             tape_get_u32(&crc), tape_crc32c(bytes, 60));
        return false;
    default:
        diag("%s: header damaged: offset 12 has a header length other than %d", f->path,
             TAPE_FILE_HEADER_BYTES);
        return false;
    }
}

/* ---- opening ------------------------------------------------------------------------------ */

static bool open_file(struct tape_file *f) {
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        diag("%s: cannot be opened: %s", f->path, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        diag("%s: not a regular file: a recording cannot be read from a %s", f->path,
             S_ISDIR(st.st_mode) ? "directory" : "pipe or device");
        return false;
    }
    f->size = (uint64_t)st.st_size;
    return true;
}

/* The recording was not ended in order: is what should be there all there? */
static void check_unclosed(struct tape_file *f) {
    bool packed = f->packing.packed; /* then its last chunk says what was missing */
    if (f->cut_at != 0)
        tape_damage(f, false, f->size, f->cut_missing,
                    "the file ends here, %" PRIu64 " bytes before the end of the segment at offset "
                    "%" PRIu64 ": it was cut off",
                    f->cut_missing, f->cut_at);
    else if (packed && !f->packing.known && f->health.damaged_chunks == 0)
        tape_damage(f, false, f->size, 0, "the last chunk of the packed recording is missing");
    else if (!packed && !f->tail_found && !f->late_found)
        tape_damage(f, false, f->size, 0,
                    "the recording was not closed, and %s with the last events of each thread is "
                    "missing",
                    f->tail_path);
}

struct tape_file *tape_file_open(const char *path) {
    struct tape_file *f = xcalloc(1, sizeof *f);
    static const char *none[] = {NULL};
    f->path = xstrdup(path);
    f->tail_path = xasprintf("%s.tail", path);
    f->process.argv = f->process.env = f->process.unhooked = f->process.past =
        f->process.unrecorded = none;
    if (!open_file(f) || !read_header(f)) {
        tape_file_close(f);
        return NULL;
    }
    f->packing.packed = (f->header.features & TAPE_FEATURE_PACKED) != 0;
    if (!f->packing.packed)
        tape_read_tail(f);
    for (enum tape_round round = TAPE_ROUND_BUFFERS; round <= TAPE_ROUND_CHUNKS; round++) {
        struct stat st; /* each time: the tape may have grown meanwhile */
        if (fstat(f->fd, &st) == 0)
            f->size = (uint64_t)st.st_size;
        tape_scan(f, round);
    }
    if (!f->process.closed || f->packing.packed)
        check_unclosed(f);
    if (!f->process.closed && !f->packing.packed)
        f->process.alive = tape_process_alive(f);
    tape_sort_streams(f);
    return f;
}

void tape_file_close(struct tape_file *f) {
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    for (size_t i = 0; i < f->piece_count; i++)
        tape_buffer_free(f->piece[i].buffer);
    for (size_t i = 0; i < f->text_count; i++)
        free(f->text[i]);
    free(f->text);
    free(f->stream_end);
    free(f->piece);
    free(f->run);
    tdestroy(f->damaged, free);
    free(f->stream);
    free(f->image_chunk);
    free(f->other);
    free(f->process.jit);
    free(f->health.first_damage);
    free(f->path);
    free(f->tail_path);
    free(f);
}

const char *tape_file_path(const struct tape_file *f) {
    return f->path;
}

const uint8_t *tape_file_id(const struct tape_file *f) {
    return f->header.id;
}

uint64_t tape_file_bytes(const struct tape_file *f) {
    return f->size + f->tail_size;
}

const struct tape_process *tape_file_process(const struct tape_file *f) {
    return &f->process;
}

const struct tape_packing *tape_file_packing(const struct tape_file *f) {
    return &f->packing;
}

const struct tape_health *tape_file_health(const struct tape_file *f) {
    return &f->health;
}

/* ---- clock -------------------------------------------------------------------------------- */

/* The last SAMPLE of a piece. Damage is noted when the events themselves are read. */
static bool find_sample(const struct tape_file *f, struct tape_decoder *d, struct tape_buffer *room,
                        const struct tape_piece *p, struct clock_pair *pair) {
    const struct tape_buffer *b = p->buffer;
    if (b == NULL) {
        tape_decode_piece(d, f->fd, p, room);
        b = room;
    }
    for (uint32_t i = b->records; i-- > 0;) {
        if (tape_record_op(&b->record[i]) != TAPE_OP_SAMPLE)
            continue;
        *pair = (struct clock_pair){b->record[i].stamp, b->record[i].size};
        return true;
    }
    return false;
}

/* Adds a piece to the LOOK_PIECES that end last, the very last first; how many there are now. */
static size_t keep_last(struct tape_piece *last, size_t count, const struct tape_piece *p) {
    size_t at = count;
    while (at > 0 && last[at - 1].last_stamp < p->last_stamp)
        at--;
    if (at == LOOK_PIECES)
        return count;
    count += count < LOOK_PIECES;
    memmove(&last[at + 1], &last[at], (count - 1 - at) * sizeof *last);
    last[at] = *p;
    return count;
}

static size_t last_pieces(const struct tape_file *f, struct tape_piece *last) {
    size_t count = 0;
    for (size_t i = 0; i < f->stream_count; i++) {
        struct tape_walk walk;
        struct tape_piece p;
        tape_walk_begin(&walk, f, &f->stream[i]);
        while (tape_walk_next(&walk, &p))
            count = keep_last(last, count, &p);
        tape_walk_end(&walk);
    }
    return count;
}

/* The newest sample among the last pieces of the streams. */
static struct clock_pair last_sample(struct tape_file *f) {
    struct clock_pair pair = {0, 0};
    struct tape_piece last[LOOK_PIECES];
    size_t count = last_pieces(f, last);
    struct tape_decoder decoder = {0};
    struct tape_buffer *room = xcalloc(1, sizeof *room);
    for (size_t i = 0; i < count; i++)
        if (find_sample(f, &decoder, room, &last[i], &pair))
            break;
    tape_buffer_free(room);
    tape_decoder_free(&decoder);
    return pair;
}

/* The recorder's chunks have all the same grain; chunks that were buffers of a dead process tell
 * every tick apart, and say nothing of the others. *start: the stamp of the first event. */
static unsigned find_grain(const struct tape_file *f, uint64_t *start) {
    struct tape_decoder decoder = {0};
    struct tape_buffer *room = xcalloc(1, sizeof *room);
    *start = UINT64_MAX;
    for (size_t i = 0; i < f->stream_count; i++) {
        struct tape_walk walk;
        struct tape_piece p;
        tape_walk_begin(&walk, f, &f->stream[i]);
        /* The later pieces of a stream are later. */
        bool known = f->packing.known;
        for (bool first = true;
             (first || (room->shift == 0 && !known)) && tape_walk_next(&walk, &p); first = false) {
            if (first && p.first_stamp < *start)
                *start = p.first_stamp;
            if (p.buffer == NULL && room->shift == 0 && !known)
                tape_decode_piece(&decoder, f->fd, &p, room);
        }
        tape_walk_end(&walk);
    }
    unsigned grain = f->packing.known ? (unsigned)f->packing.grain : room->shift;
    tape_buffer_free(room);
    tape_decoder_free(&decoder);
    return grain;
}

const struct clock *tape_file_clock(struct tape_file *f) {
    if (f->clock_ready)
        return &f->clock;
    const struct tape_process *p = &f->process;
    struct clock_pair first = {p->start_stamp, p->start_mono};
    struct clock_pair last = {p->end_stamp, p->end_mono};
    uint64_t start;
    if (last.mono == 0)
        last = f->packing.known ? (struct clock_pair){f->packing.stamp, f->packing.mono}
                                : last_sample(f);
    f->last_pair = last;
    unsigned grain = find_grain(f, &start);
    if (f->info_read) /* otherwise INFO is damaged: time counts from the first event */
        start = p->start_stamp;
    clock_init(&f->clock, p->clock == TAPE_CLOCK_MONOTONIC, start, p->tick_hz, first, last);
    f->clock.grain = grain;
    f->clock_ready = true;
    return &f->clock;
}
