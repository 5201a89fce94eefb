/* SPDX-License-Identifier: MIT */
/*
 * Inside of tape_file: how the tape's chunks and the tail's buffers become streams of events.
 *
 *   tape_tail.c     copies the buffers of the tail (first, so that nothing falls in between)
 *   tape_scan.c     finds segments and chunks, also behind damage
 *   tape_streams.c  puts runs in order, and counts what is there and what is missing
 *   tape_walk.c     the pieces of a stream in order, without what is there twice
 *   tape_decoder.c  decodes one piece
 *   tape_ahead.c    decodes the pieces before somebody asks for them
 *   tape_process.c  reads INFO and CLOSE
 *   tape_packing.c  reads PACKED and SYMBOLS
 *   heap_image.c    reads the chunks of heap images
 *
 * The tape may grow or shrink while it is read: everything is read by pread within the size seen
 * at the start, nothing is mapped.
 */
#ifndef TAPE_CHUNKS_H
#define TAPE_CHUNKS_H

#include "clock.h"
#include "tape/archive.h"
#include "tape/tail.h"
#include "tape_file.h"

/* Events as arrays: a tail buffer's content, copied while its process may still have been writing,
 * or a chunk, decoded. */
struct tape_buffer {
    uint64_t generation;
    uint32_t records, frames, addresses; /* numbers of the following, all consistent */
    enum tape_error error;               /* why there are fewer records than events, or TAPE_OK */
    unsigned shift;                      /* of a chunk: its stamps are multiples of 2^shift */
    struct tape_record *record;
    uint32_t *frame; /* room: a chunk may use less of it */
    uint64_t *address;
    size_t record_room, frame_room, address_room; /* bytes, where the memory is used again */
};

/* Consecutive events of one stream: a chunk or a buffer. */
struct tape_piece {
    uint32_t stream;
    uint32_t skip;       /* by tape_walk: events at the front that an earlier piece has already */
    uint64_t first, end; /* ordinals */
    uint64_t first_stamp, last_stamp;
    uint64_t lost;              /* events of the stream lost so far */
    uint64_t at;                /* file offset of the payload, or of the buffer's header */
    uint32_t stored, raw;       /* bytes of the payload */
    uint32_t crc;               /* of a stored payload */
    uint8_t codec;              /* enum tape_codec */
    bool in_tail;               /* `at` counts in the tail's file */
    struct tape_buffer *buffer; /* owned by the tape_file; NULL: a chunk */
};

/* Chunks of one stream in one stretch of the file, by ordinal, or one buffer. Chunks of other
 * streams may lie between them, and those of this one that are missing elsewhere. A segment has one
 * for each stream in it, however many chunks those are: what is kept in memory of a tape's length.
 */
struct tape_run {
    uint64_t at;    /* file offset of the first chunk's header */
    uint64_t first; /* ordinals of the first event, and one past the last */
    uint64_t end;
    uint32_t stream, chunks;
    uint32_t buffer; /* index in tape_file.piece + 1; 0: chunks */
};

/* The runs of one stream, by first ordinal. */
struct tape_stream {
    uint32_t id;
    size_t first, count;     /* in tape_file.run */
    uint64_t pieces, events; /* that tape_walk gives, and the new events in them */
    bool changed;            /* it has given fewer since, and that is noted */
    uint64_t end;            /* ordinal one past the last event there is */
    uint64_t lost;           /* as the recorder counted them; gaps of ordinals are not in it */
};

/* A chunk of a heap image, in the order of the file. */
struct tape_image_chunk {
    uint8_t type;            /* TAPE_CHUNK_IMAGE, _WORDS or _IMAGE_END */
    struct tape_piece piece; /* where its payload is: at, stored, raw, crc, codec */
};

/* Any chunk but EVENTS and LATE. */
struct tape_other {
    uint64_t at; /* file offset of its header */
    uint8_t type;
    bool broken; /* an INFO, CLOSE or PACKED that could not be read */
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
    struct tape_piece *piece;     /* buffers, as they were found */
    size_t piece_count;
    struct tape_run *run;                    /* by stream and first ordinal */
    size_t run_count, run_room, run_stretch; /* run_stretch: the first of the stretch being read */
    struct tape_stream *stream;              /* by id */
    size_t stream_count;
    struct tape_image_chunk *image_chunk;
    size_t image_chunk_count;
    struct tape_other *other; /* in the order of the file */
    size_t other_count;
    void *damaged; /* pieces whose damage is noted: tsearch(3) */
    struct tape_packing packing;
    struct tape_health health;
    struct clock clock;
    struct clock_pair last_pair; /* the last that is known, once the clock is */
    bool clock_ready;
};

/* Reads exactly n bytes; false when the file is too short or cannot be read. */
bool tape_pread(int fd, void *to, size_t n, uint64_t at);

/* Notes damage; the first one is kept as "FILE: offset N: …". bytes: skipped over. */
void tape_damage(struct tape_file *, bool in_tail, uint64_t at, uint64_t bytes, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

/* Adds a buffer's piece, which is copied, with a run of its own. */
void tape_add_buffer(struct tape_file *, const struct tape_piece *);
/* Adds a chunk whose header lies at `at`: to the run of its stream in this stretch, if it can. */
void tape_add_chunk(struct tape_file *, const struct tape_chunk_header *, uint64_t at);

/* tape_scan.c: what the header in front of offset `at` says of the payload there. */
struct tape_piece tape_piece_of(const struct tape_chunk_header *, uint64_t at);
/* The chunk header at `at`, which must lie with its payload below `end`. *written is false when
 * the chunk's magic number is still zero. */
enum tape_error tape_read_chunk_header(const struct tape_file *, uint64_t at, uint64_t end,
                                       struct tape_chunk_header *h, bool *written);

/* tape_tail.c: copies every buffer of FILE.tail that belongs to the tape. */
void tape_read_tail(struct tape_file *);
/* The buffer of a LATE chunk of `bytes` payload at file offset `at`. */
void tape_read_late(struct tape_file *, uint64_t at, uint64_t bytes);
void tape_buffer_free(struct tape_buffer *);

/* tape_scan.c: finds all chunks, those with buffers first. */
enum tape_round { TAPE_ROUND_BUFFERS, TAPE_ROUND_CHUNKS };
void tape_scan(struct tape_file *, enum tape_round);

/* tape_process.c: the bytes as a text that lives as long as the tape. */
const char *tape_keep_text(struct tape_file *, const struct tape_in *);
/* Gives each field of a payload in the form of FORMAT.md 5 to `get`. The first error of the
 * payload's form, or else of a value. */
typedef void tape_get_field(struct tape_file *, uint32_t tag, struct tape_in *value);
enum tape_error tape_read_fields(struct tape_file *, tape_get_field *get, const uint8_t *payload,
                                 size_t bytes);
/* Fields of an INFO or CLOSE payload. */
enum tape_error tape_read_info(struct tape_file *, const uint8_t *payload, size_t bytes);
/* tape_packing.c: a SYMBOLS chunk. */
void tape_read_symbols(struct tape_file *, const struct tape_piece *);
/* Fields of a PACKED payload. */
enum tape_error tape_read_packed(struct tape_file *, const uint8_t *payload, size_t bytes);
/* The text of a CODE_MAP chunk; the first one counts. */
enum tape_error tape_read_code_map(struct tape_file *, const struct tape_piece *);
enum tape_error tape_read_unrecorded(struct tape_file *, const struct tape_piece *);
/* Whether the recorded process still runs. */
bool tape_process_alive(const struct tape_file *);

/* tape_streams.c: sorts the runs into streams, and fills health. */
void tape_sort_streams(struct tape_file *);

/* The clock of the tape; decodes a first and a last piece when it is first asked for. */
const struct clock *tape_file_clock(struct tape_file *);

/* ---- one piece ---------------------------------------------------------------------------- */

/* Decodes chunks, one after the other. Zeroed memory is a new one. Nothing of it belongs to a tape:
 * each thread may have one of its own. */
struct tape_decoder {
    void *zstd; /* ZSTD_DCtx, made when needed */
    uint8_t *stored, *raw;
    size_t stored_room, raw_room;
    struct tape_archive archive; /* for chunks of packed tapes */
    size_t allocation_room;
};

/* Decodes a chunk of the file `fd` into b, whose memory is used again. When b->error is not TAPE_OK
 * only b->records of its events are good, perhaps none. */
void tape_decode_piece(struct tape_decoder *, int fd, const struct tape_piece *,
                       struct tape_buffer *b);
/* The payload alone, checked and decompressed: d->raw holds p->raw bytes of it until the next one.
 */
enum tape_error tape_load_payload(struct tape_decoder *d, int fd, const struct tape_piece *p);
void tape_decoder_free(struct tape_decoder *);

/* Takes note, once for each stream, that the file has changed since it was opened: walked again,
 * the stream has only so many pieces and events. */
void tape_note_change(struct tape_file *, struct tape_stream *, uint64_t pieces, uint64_t events);

/* Takes note, once for each piece, that it breaks off behind `good` events. */
void tape_note_damage(struct tape_file *, const struct tape_piece *, uint64_t good,
                      enum tape_error);

#endif
