/* SPDX-License-Identifier: MIT */
/*
 * Event buffers that are memory shared with the recorder, which may still be writing them. A copy
 * is good when the buffer began with the same event before and after the copying; then all events
 * up to `end`, as read before, have stayed as they were.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "tape_chunks.h"

#define TRIES 100 /* of a copy, while the recorder empties and refills the buffer */

struct place {
    int fd;
    bool in_tail;
    uint64_t at;   /* of the region header */
    uint64_t room; /* bytes that may belong to the region */
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "regions are read as they are");

static bool array_fits(const struct tape_region *g, uint64_t at, uint64_t count, uint64_t size) {
    return at >= TAPE_REGION_HEADER_BYTES && at + count * size <= g->length;
}

/* What is wrong with the header, or NULL. */
static const char *region_problem(const struct tape_region *g, uint64_t room) {
    if (g->length < TAPE_REGION_HEADER_BYTES || g->length > room)
        return "its length goes beyond what holds it";
    if (!array_fits(g, g->records_at, g->records_cap, sizeof(struct tape_record)) ||
        !array_fits(g, g->frames_at, g->frames_cap, sizeof(uint32_t)) ||
        !array_fits(g, g->addresses_at, g->addresses_cap, sizeof(uint64_t)))
        return "an array goes beyond its end";
    if (g->end < g->first)
        return "it ends before its first event";
    if (g->end - g->first > g->records_cap)
        return "it holds more events than fit";
    if (g->stream == 0)
        return "it names no stream";
    return NULL;
}

void tape_buffer_free(struct tape_buffer *b) {
    if (b == NULL)
        return;
    free(b->record);
    free(b->frame);
    free(b->address);
    free(b);
}

/* Cuts the buffer off before record `keep`, which is not consistent. */
static void shorten(struct tape_buffer *b, uint32_t keep, enum tape_error error) {
    b->records = keep;
    b->error = error;
}

/* Counts the frames that the records use, up to the first record that is not consistent. */
static void check_records(struct tape_buffer *b, const struct tape_region *g) {
    uint64_t frames = 0;
    for (uint32_t i = 0; i < b->records; i++) {
        const struct tape_record *r = &b->record[i];
        enum tape_class class = tape_op_class(tape_record_op(r));
        enum tape_error error = TAPE_OK;
        if (class == TAPE_CLASS_NONE)
            error = TAPE_E_OP;
        else if (r->push > g->frames_cap - frames)
            error = TAPE_E_FRAME;
        else if (class == TAPE_CLASS_BLOB && r->size > (uint64_t)r->push * sizeof(uint32_t))
            error = TAPE_E_LIMIT;
        if (error != TAPE_OK) {
            shorten(b, i, error);
            break;
        }
        frames += r->push;
    }
    b->frames = (uint32_t)frames;
}

/* The same for the frames of events with a stack: indices into the addresses. */
static void check_frames(struct tape_buffer *b, const struct tape_region *g) {
    uint64_t frame = 0;
    for (uint32_t i = 0; i < b->records; i++) {
        const struct tape_record *r = &b->record[i];
        bool stack = tape_op_has_stack(tape_record_op(r));
        for (uint32_t k = 0; stack && k < r->push; k++) {
            uint32_t index = b->frame[frame + k];
            if (index >= g->addresses_cap) {
                shorten(b, i, TAPE_E_FRAME);
                return;
            }
            if (index >= b->addresses)
                b->addresses = index + 1;
        }
        frame += r->push;
    }
}

/* Copies the arrays of the region; false when the file ends too early. */
static bool copy_arrays(const struct place *place, const struct tape_region *g,
                        struct tape_buffer *b) {
    b->generation = g->generation;
    b->records = (uint32_t)(g->end - g->first);
    b->record = xmalloc((size_t)b->records * sizeof *b->record);
    if (!tape_pread(place->fd, b->record, (size_t)b->records * sizeof *b->record,
                    place->at + g->records_at))
        return false;
    check_records(b, g);
    b->frame = xmalloc((size_t)b->frames * sizeof *b->frame);
    if (!tape_pread(place->fd, b->frame, (size_t)b->frames * sizeof *b->frame,
                    place->at + g->frames_at))
        return false;
    check_frames(b, g);
    b->address = xmalloc((size_t)b->addresses * sizeof *b->address);
    return tape_pread(place->fd, b->address, (size_t)b->addresses * sizeof *b->address,
                      place->at + g->addresses_at);
}

static void add_buffer(struct tape_file *f, const struct place *place, const struct tape_region *g,
                       struct tape_buffer *b) {
    uint32_t n = b->records;
    const struct tape_piece p = {.stream = g->stream,
                                 .first = g->first,
                                 .end = g->end,
                                 .first_stamp = n > 0 ? b->record[0].stamp : 0,
                                 .last_stamp = n > 0 ? b->record[n - 1].stamp : 0,
                                 .lost = g->lost,
                                 .at = place->at,
                                 .in_tail = place->in_tail,
                                 .buffer = b};
    tape_add_buffer(f, &p);
}

enum region_state {
    REGION_NONE,    /* nothing, or not in use */
    REGION_FOREIGN, /* of another recording */
    REGION_BROKEN,
    REGION_READ
};

/* Copies one region's events; its length in *length when it was read. */
static enum region_state read_region(struct tape_file *f, const struct place *place,
                                     uint64_t *length) {
    struct tape_region g, after;
    const char *problem = NULL;
    for (int i = 0; i < TRIES; i++) {
        if (!tape_pread(place->fd, &g, sizeof g, place->at) || g.magic != TAPE_REGION_MAGIC)
            return REGION_NONE;
        if (memcmp(g.id, f->header.id, sizeof g.id) != 0)
            return REGION_FOREIGN;
        problem = region_problem(&g, place->room);
        if (problem != NULL)
            continue; /* perhaps between two stores of the recorder */
        *length = g.length;
        struct tape_buffer *b = xcalloc(1, sizeof *b);
        bool read = copy_arrays(place, &g, b);
        bool same = tape_pread(place->fd, &after, sizeof after, place->at) &&
                    after.magic == g.magic && after.first == g.first;
        if (same && read) {
            add_buffer(f, place, &g, b);
            return REGION_READ;
        }
        tape_buffer_free(b);
        problem = same ? "the file ends before its events do" : NULL;
    }
    if (problem == NULL) /* emptied to the tape again and again meanwhile */
        return REGION_READ;
    tape_damage(f, place->in_tail, place->at, 0, "buffer of stream %u: %s", g.stream, problem);
    return REGION_BROKEN;
}

void tape_read_tail(struct tape_file *f) {
    struct stat st;
    int fd = open(f->tail_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0 || errno != ENOENT)
            tape_damage(f, true, 0, 0, "the tail cannot be read: %s",
                        fd >= 0 ? "not a regular file" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    f->tail_size = (uint64_t)st.st_size;
    bool own = false, foreign = false;
    for (uint64_t at = 0; at + TAPE_REGION_HEADER_BYTES <= f->tail_size;) {
        struct place place = {fd, true, at, f->tail_size - at};
        uint64_t length = TAPE_REGION_ALIGN;
        enum region_state state = read_region(f, &place, &length);
        at += tape_align(length, TAPE_REGION_ALIGN);
        own |= state == REGION_READ || state == REGION_BROKEN;
        foreign |= state == REGION_FOREIGN;
    }
    f->tail_found = own || !foreign;
    close(fd);
}

void tape_read_late(struct tape_file *f, uint64_t at, uint64_t bytes) {
    struct place place = {f->fd, false, at, bytes};
    uint64_t length = 0;
    enum region_state state =
        bytes < TAPE_REGION_HEADER_BYTES ? REGION_FOREIGN : read_region(f, &place, &length);
    f->late_found |= state == REGION_READ || state == REGION_BROKEN;
    if (state == REGION_FOREIGN)
        tape_damage(f, false, at, bytes, "no event buffer of this recording in a LATE chunk");
}
