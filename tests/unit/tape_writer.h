/* SPDX-License-Identifier: MIT */
/*
 * Synthetic recordings for tests, made with the encoders of include/tape.
 *
 * Events are given stream by stream and gathered; then they become a chunk (writer_chunk), a
 * buffer of the tail (writer_tail) or a LATE chunk (writer_late). Nothing touches the disk before
 * writer_save. The fields of struct writer may be set between the calls. One tick is one
 * nanosecond unless info_clock says otherwise. Out of memory ends the test.
 */
#ifndef TAPE_WRITER_H
#define TAPE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tape/events.h"
#include "tape/image.h"
#include "tape/info.h"

#define WRITER_STREAMS 64 /* ids are 1 to WRITER_STREAMS - 1 */
#define WRITER_DEPTH   8192

struct writer_bytes {
    uint8_t *p;
    size_t count, room;
};

struct writer_stream {
    uint64_t first, end; /* ordinals of the gathered events */
    uint64_t lost;       /* written into what follows */
    struct tape_record *record;
    size_t record_room;
    uint32_t *frame;
    size_t frame_count, frame_room;
    uint64_t *address;
    size_t address_count, address_room;
    uint64_t said[WRITER_DEPTH]; /* the stack behind the last event */
    uint32_t depth;
};

/* A heap image being gathered. */
struct writer_image {
    uint64_t number, stamp;
    enum tape_image_reason reason;
    const char *name;
    bool memory_itself;              /* not frozen */
    uint64_t events[WRITER_STREAMS]; /* of each stream; 0: it is not named */
    struct tape_image_region *region;
    size_t region_count, region_room;
    struct {
        uint32_t region;
        struct tape_word word;
    } * word;
    size_t word_count, word_room;
    uint64_t partly; /* the end names this region - 1 as not looked at as a whole; 0: none */
};

struct writer {
    struct tape_file_header header;
    uint64_t info_clock, info_tick_hz, info_start_stamp, info_start_mono, info_start_real;
    uint64_t info_pid;
    const char *info_host, *info_exe;
    uint64_t info_ppid, info_fork_stamp;
    const char *info_parent; /* file name of the parent's tape: a forked child; NULL: none */
    uint8_t info_parent_id[TAPE_ID_BYTES];
    bool no_info;   /* leave the INFO chunk out */
    unsigned shift; /* of time columns */
    enum tape_codec codec;
    uint64_t generation; /* of the chunks and buffers that follow */
    struct writer_bytes tape, tail;
    size_t segment; /* offset of the open segment, 0: none */
    struct writer_stream *stream;
    struct writer_image image;
};

struct writer *writer_new(void);
void writer_free(struct writer *);

/* ---- events: `stamp` in ticks; a stack is `depth` return addresses, outermost first ---------- */

void writer_alloc(struct writer *, uint32_t stream, uint64_t stamp, unsigned op, uint64_t address,
                  uint64_t size, unsigned align_log2, const uint64_t *stack, uint32_t depth);
/* free, cfree, realloc_from */
void writer_release(struct writer *, uint32_t stream, uint64_t stamp, unsigned op,
                    uint64_t address);
void writer_sample(struct writer *, uint32_t stream, uint64_t stamp, uint64_t rss, uint64_t mono);
void writer_blob(struct writer *, uint32_t stream, uint64_t stamp, unsigned op, uint64_t address,
                 const void *bytes, size_t size);
void writer_thread(struct writer *, uint32_t stream, uint64_t stamp, uint64_t tid,
                   const char *name);
void writer_mark(struct writer *, uint32_t stream, uint64_t stamp, const char *text);
void writer_module(struct writer *, uint32_t stream, uint64_t stamp, uint64_t start, uint64_t end,
                   uint64_t generation, const char *path);
void writer_unload(struct writer *, uint32_t stream, uint64_t stamp, uint64_t start,
                   uint64_t generation);

/* Forgets what was gathered: a gap of ordinals. */
void writer_drop(struct writer *, uint32_t stream);

/* ---- heap images ----------------------------------------------------------------------------- */

/* Begins one, at this instant of every stream. name: of a mark; NULL: the end asks for it. */
void writer_image(struct writer *, uint64_t number, uint64_t stamp, const char *name);
/* Returns the region's number. */
uint32_t writer_image_region(struct writer *, uint64_t start, uint64_t length, uint32_t kind,
                             uint64_t tid);
/* address: in a region; within a run of words of one region they must ascend. */
void writer_image_word(struct writer *, uint32_t region, uint64_t address, uint64_t value);
/* The chunks: IMAGE, WORDS with `words_per_chunk` each, IMAGE_END (NULL why: all was looked at). */
void writer_image_end(struct writer *, size_t words_per_chunk, const char *why);

/* ---- where they go: with `keep` they stay gathered and can be written once more -------------- */

void writer_chunk(struct writer *, uint32_t stream, bool keep);
void writer_tail(struct writer *, uint32_t stream, bool keep);
void writer_late(struct writer *, uint32_t stream, bool keep);
/* CLOSE, naming the ends of all streams. */
void writer_close(struct writer *, uint64_t stamp, uint64_t mono, const char *reason);
/* A chunk of any type. */
void writer_put_chunk(struct writer *, struct tape_chunk_header *, const void *payload);
/* What follows goes into a new segment. */
void writer_segment(struct writer *);
/* Ends the last segment; the tape's bytes are final until the next chunk. */
void writer_end(struct writer *);

/* Writes PATH, and PATH.tail when there is one (otherwise removes it). */
void writer_save(struct writer *, const char *path);
/* The same for any bytes. */
void writer_save_bytes(const char *path, const void *bytes, size_t count);

#endif
