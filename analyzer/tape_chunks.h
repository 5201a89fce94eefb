/* SPDX-License-Identifier: MIT */
/*
 * Inside of tape_file: how the tape's chunks and the tail's buffers become streams of events.
 *
 *   tape_tail.c     copies the buffers of the tail (first, so that nothing falls in between)
 *   tape_scan.c     finds segments and chunks, also behind damage
 *   tape_streams.c  puts pieces in order, drops what is there twice, counts what is missing
 *   tape_reader.c   decodes one piece, when somebody asks for it
 *   tape_process.c  reads INFO and CLOSE
 *
 * The tape may grow or shrink while it is read: everything is read by pread within the size seen
 * at the start, nothing is mapped.
 */
#ifndef TAPE_CHUNKS_H
#define TAPE_CHUNKS_H

#include "clock.h"
#include "tape/tail.h"
#include "tape_file.h"

/* A tail buffer's content, copied while its process may still have been writing. */
struct tape_buffer {
    uint64_t generation;
    uint32_t records, frames, addresses; /* numbers of the following, all consistent */
    enum tape_error error;               /* why there are fewer records than events, or TAPE_OK */
    struct tape_record *record;
    uint32_t *frame;
    uint64_t *address;
};

/* Consecutive events of one stream: a chunk or a buffer. */
struct tape_piece {
    uint32_t stream;
    uint32_t skip;       /* events at the front that an earlier piece has already */
    uint64_t first, end; /* ordinals */
    uint64_t first_stamp, last_stamp;
    uint64_t lost;              /* events of the stream lost so far */
    uint64_t at;                /* file offset of the payload, or of the buffer's header */
    uint32_t stored, raw;       /* bytes of the payload */
    uint32_t crc;               /* of a stored payload */
    uint8_t codec;              /* enum tape_codec */
    bool in_tail;               /* `at` counts in the tail's file */
    bool damaged;               /* found out and reported when it was decoded */
    struct tape_buffer *buffer; /* owned; NULL: a chunk */
};

/* The pieces of one stream, by ordinal. */
struct tape_stream {
    uint32_t id;
    size_t first, count; /* in tape_file.piece */
    uint64_t end;        /* ordinal one past the last event there is */
    uint64_t lost;       /* as the recorder counted them; gaps of ordinals are not in it */
};

struct tape_stream_end {
    uint32_t stream;
    uint64_t events, lost;
};

struct tape_file {
    char *path, *tail_path;
    int fd;
    uint64_t size, tail_size; /* bytes; tail 0 when there is none */
    struct tape_file_header header;
    bool tail_found; /* a tail of this very tape */
    bool late_found; /* a buffer in the tape: the first one, before there is need for a tail */
    struct tape_process process;
    char **text; /* owned strings of process */
    size_t text_count;
    bool info_read;
    struct tape_stream_end *stream_end; /* what CLOSE says */
    size_t stream_end_count;
    uint64_t lost_without_stream; /* newest count of a CLOSE chunk */
    uint64_t cut_at;              /* offset of a segment that goes on behind the file's end, or 0 */
    uint64_t cut_missing;         /* bytes it says it has behind that end */
    struct tape_piece *piece;
    size_t piece_count, piece_room;
    struct tape_stream *stream; /* by id */
    size_t stream_count;
    struct tape_health health;
    struct clock clock;
    bool clock_ready;
    void *zstd;      /* ZSTD_DCtx, made when needed */
    uint8_t *stored; /* compressed payload of the moment */
    size_t stored_room;
};

/* Reads exactly n bytes; false when the file is too short or cannot be read. */
bool tape_pread(int fd, void *to, size_t n, uint64_t at);

/* Notes damage; the first one is kept as "FILE: offset N: …". bytes: skipped over. */
void tape_damage(struct tape_file *, bool in_tail, uint64_t at, uint64_t bytes, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

struct tape_piece *tape_add_piece(struct tape_file *);

/* tape_tail.c: copies every buffer of FILE.tail that belongs to the tape. */
void tape_read_tail(struct tape_file *);
/* The buffer of a LATE chunk of `bytes` payload at file offset `at`. */
void tape_read_late(struct tape_file *, uint64_t at, uint64_t bytes);
void tape_buffer_free(struct tape_buffer *);

/* tape_scan.c: finds all chunks, those with buffers first. */
enum tape_round { TAPE_ROUND_BUFFERS, TAPE_ROUND_CHUNKS };
void tape_scan(struct tape_file *, enum tape_round);

/* tape_process.c: fields of an INFO or CLOSE payload. */
enum tape_error tape_read_info(struct tape_file *, const uint8_t *payload, size_t bytes);
/* Whether the recorded process still runs. */
bool tape_process_alive(const struct tape_file *);

/* tape_streams.c: sorts the pieces into streams, exactly once, and fills health. */
void tape_sort_streams(struct tape_file *);

/* The clock of the tape; decodes a first and a last piece when it is first asked for. */
const struct clock *tape_file_clock(struct tape_file *);

/* ---- one piece ---------------------------------------------------------------------------- */

struct tape_reader {
    const struct tape_piece *piece; /* NULL: closed */
    uint64_t generation;
    uint64_t *address; /* dictionary of return addresses, owned unless it is the buffer's */
    uint32_t address_count;
    uint32_t address_room;
    uint64_t *address_memory;
    uint8_t *raw; /* decompressed payload */
    size_t raw_room;
    uint64_t delivered; /* events */
    /* of a chunk */
    struct tape_events_in in;
    /* of a buffer */
    uint32_t record, frame;
    uint64_t stamp;
    enum tape_error error;
};

/* Opens a piece; on damage notes it (once per piece), leaves the reader closed, returns false. */
bool tape_reader_open(struct tape_reader *, struct tape_file *, struct tape_piece *);
/* Ends a piece. `error`, when not TAPE_OK, is what its events broke off with: noted once. */
void tape_reader_close(struct tape_reader *, struct tape_file *, enum tape_error error);
/* Frees the memory of a closed reader. */
void tape_reader_free(struct tape_reader *);

bool tape_reader_next_record(struct tape_reader *, struct tape_event *);

/* The next event; false at the end (error TAPE_OK) or on damage (see tape_reader_error). */
static inline bool tape_reader_next(struct tape_reader *r, struct tape_event *e) {
    if (r->piece->buffer != NULL)
        return tape_reader_next_record(r, e);
    return tape_next_event(&r->in, e);
}

/* The next frame of the event read last, an index into address[]: to be called e.push times for
 * an event with a stack. */
static inline uint32_t tape_reader_frame(struct tape_reader *r) {
    if (r->piece->buffer != NULL)
        return r->piece->buffer->frame[r->frame++];
    return tape_next_frame(&r->in);
}

static inline enum tape_error tape_reader_error(const struct tape_reader *r) {
    return r->error != TAPE_OK ? r->error : r->in.error;
}

#endif
