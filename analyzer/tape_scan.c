/* SPDX-License-Identifier: MIT */
/*
 * Segments and chunks. A segment or chunk header that is not what it should be is damage: the
 * next chunk is then looked for word by word, the next segment at the places where one can begin.
 *
 * A living recorder empties its buffers into chunks that may lie before or behind what is being
 * read. So all buffers are copied in a first round, the chunks are listed in a second: what has
 * left a buffer in between is there twice, never not at all.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "diag.h"
#include "tape_chunks.h"

#define WINDOW 65536 /* bytes read at a time while looking for a chunk */

static enum tape_error read_segment_header(const struct tape_file *f, uint64_t at,
                                           struct tape_segment_header *h) {
    uint8_t bytes[TAPE_SEGMENT_HEADER_BYTES];
    if (!tape_pread(f->fd, bytes, sizeof bytes, at))
        return TAPE_E_SHORT;
    struct tape_in in = tape_in_of(bytes, sizeof bytes);
    enum tape_error error = tape_get_segment_header(&in, h);
    if (error == TAPE_OK && (h->offset != at || h->length < TAPE_SEGMENT_HEADER_BYTES ||
                             h->length > UINT64_MAX / 2 || at > UINT64_MAX / 2))
        return TAPE_E_LIMIT;
    return error;
}

/* Offset of the next valid segment header at or behind `at`, or `end` when there is none below. */
static uint64_t find_segment(const struct tape_file *f, uint64_t at, uint64_t end) {
    struct tape_segment_header h;
    for (at = tape_align(at, TAPE_SEGMENT_ALIGN); at < end; at += TAPE_SEGMENT_ALIGN)
        if (read_segment_header(f, at, &h) == TAPE_OK)
            return at;
    return end;
}

enum tape_error tape_read_chunk_header(const struct tape_file *f, uint64_t at, uint64_t end,
                                       struct tape_chunk_header *h, bool *written) {
    uint8_t bytes[TAPE_CHUNK_HEADER_BYTES] = {0};
    size_t n = end - at < sizeof bytes ? (size_t)(end - at) : sizeof bytes;
    bool read = tape_pread(f->fd, bytes, n, at);
    struct tape_in in = tape_in_of(bytes, sizeof bytes), magic = in;
    *written = tape_get_u32(&magic) != 0;
    if (!read || n < sizeof bytes)
        return TAPE_E_SHORT;
    enum tape_error error = tape_get_chunk_header(&in, h);
    if (error == TAPE_OK && at + TAPE_CHUNK_HEADER_BYTES + h->stored_bytes > end)
        return TAPE_E_SHORT;
    return error;
}

/*
 * The next valid chunk header at or behind `at`, below `end`; `end` when there is none. *used is
 * where the last word in between ends that is not zero.
 */
static uint64_t find_chunk(const struct tape_file *f, uint64_t at, uint64_t end, uint64_t *used) {
    uint8_t *window = xmalloc(WINDOW);
    uint64_t found = end;
    struct tape_chunk_header h;
    *used = at;
    while (at < end && found == end) {
        size_t n = end - at < WINDOW ? (size_t)(end - at) : WINDOW;
        if (!tape_pread(f->fd, window, n, at))
            break;
        for (size_t i = 0; i + 4 <= n; i += TAPE_CHUNK_ALIGN) {
            struct tape_in word = tape_in_of(window + i, n - i < 8 ? n - i : 8);
            uint32_t magic = tape_get_u32(&word);
            bool written;
            if (magic == TAPE_CHUNK_MAGIC &&
                tape_read_chunk_header(f, at + i, end, &h, &written) == TAPE_OK) {
                found = at + i;
                break;
            }
            if (magic != 0 || (tape_in_left(&word) >= 4 && tape_get_u32(&word) != 0))
                *used = at + i + 8;
        }
        at += n;
    }
    free(window);
    if (*used > found)
        *used = found;
    return found;
}

/* Whether the bytes are all zero: room that was never written to. */
static bool is_empty(const struct tape_file *f, uint64_t at, uint64_t end) {
    uint64_t used;
    return find_chunk(f, at, end, &used) == end && used == at;
}

static struct tape_other *add_other(struct tape_file *f, const struct tape_chunk_header *h,
                                    uint64_t at) {
    size_t n = f->other_count++;
    if ((n & (n - 1)) == 0) /* room for a power of two */
        f->other = xrealloc(f->other, (n != 0 ? 2 * n : 1) * sizeof *f->other);
    f->other[n] = (struct tape_other){.at = at - TAPE_CHUNK_HEADER_BYTES, .type = h->type};
    return &f->other[n];
}

static const char *fields_name(unsigned type) {
    return type == TAPE_CHUNK_INFO ? "INFO" : type == TAPE_CHUNK_CLOSE ? "CLOSE" : "PACKED";
}

static enum tape_error read_payload(struct tape_file *f, const struct tape_chunk_header *h,
                                    const uint8_t *payload) {
    if (tape_crc32c(payload, h->stored_bytes) != h->payload_crc)
        return TAPE_E_CHECKSUM;
    return (h->type == TAPE_CHUNK_PACKED ? tape_read_packed : tape_read_info)(f, payload,
                                                                              h->stored_bytes);
}

static void read_fields(struct tape_file *f, const struct tape_chunk_header *h, uint64_t at,
                        struct tape_other *other) {
    uint8_t *payload = xmalloc(h->stored_bytes);
    enum tape_error error = TAPE_E_SHORT;
    if (h->codec != TAPE_CODEC_STORED)
        error = TAPE_E_CODEC;
    else if (tape_pread(f->fd, payload, h->stored_bytes, at))
        error = read_payload(f, h, payload);
    free(payload);
    other->broken = error != TAPE_OK;
    if (error != TAPE_OK)
        tape_damage(f, false, at, h->stored_bytes, "%s chunk: %s", fields_name(h->type),
                    tape_error_text(error));
    else if (h->type == TAPE_CHUNK_INFO)
        f->info_read = true;
    else if (h->type == TAPE_CHUNK_CLOSE)
        f->process.closed = true;
    if (h->type == TAPE_CHUNK_CLOSE && h->lost > f->lost_without_stream)
        f->lost_without_stream = h->lost;
}

struct tape_piece tape_piece_of(const struct tape_chunk_header *h, uint64_t at) {
    return (struct tape_piece){.stream = h->stream,
                               .first = h->first_event,
                               .end = h->first_event + h->events,
                               .first_stamp = h->first_stamp,
                               .last_stamp = h->last_stamp,
                               .lost = h->lost,
                               .at = at,
                               .stored = h->stored_bytes,
                               .raw = h->raw_bytes,
                               .crc = h->payload_crc,
                               .codec = h->codec};
}

static void read_text(struct tape_file *f, const struct tape_chunk_header *h, uint64_t at) {
    const struct tape_piece piece = tape_piece_of(h, at);
    bool map = h->type == TAPE_CHUNK_CODE_MAP;
    enum tape_error error = (map ? tape_read_code_map : tape_read_unrecorded)(f, &piece);
    if (error != TAPE_OK)
        tape_damage(f, false, at, h->stored_bytes, "%s chunk: %s", map ? "CODE_MAP" : "UNRECORDED",
                    tape_error_text(error));
}

static void add_image_chunk(struct tape_file *f, const struct tape_chunk_header *h, uint64_t at) {
    size_t n = f->image_chunk_count++;
    if ((n & (n - 1)) == 0) /* room for a power of two */
        f->image_chunk = xrealloc(f->image_chunk, (n != 0 ? 2 * n : 1) * sizeof *f->image_chunk);
    f->image_chunk[n] = (struct tape_image_chunk){h->type, tape_piece_of(h, at)};
}

static void add_chunk(struct tape_file *f, const struct tape_chunk_header *h, uint64_t at,
                      enum tape_round round) {
    if ((h->type == TAPE_CHUNK_LATE) != (round == TAPE_ROUND_BUFFERS))
        return;
    struct tape_other *other = NULL; /* whatever is not coded anew is to be found by pack */
    if (h->type != TAPE_CHUNK_LATE && h->type != TAPE_CHUNK_EVENTS)
        other = add_other(f, h, at);
    switch (h->type) {
    case TAPE_CHUNK_INFO:
    case TAPE_CHUNK_CLOSE:
    case TAPE_CHUNK_PACKED:
        read_fields(f, h, at, other);
        break;
    case TAPE_CHUNK_LATE:
        tape_read_late(f, at, h->stored_bytes);
        break;
    case TAPE_CHUNK_EVENTS:
        if (h->events != 0)
            tape_add_chunk(f, h, at - TAPE_CHUNK_HEADER_BYTES);
        break;
    case TAPE_CHUNK_SYMBOLS: {
        const struct tape_piece piece = tape_piece_of(h, at);
        tape_read_symbols(f, &piece);
        break;
    }
    case TAPE_CHUNK_IMAGE:
    case TAPE_CHUNK_WORDS:
    case TAPE_CHUNK_IMAGE_END:
        add_image_chunk(f, h, at);
        break;
    case TAPE_CHUNK_CODE_MAP:
    case TAPE_CHUNK_UNRECORDED:
        read_text(f, h, at);
        break;
    default:
        break; /* a later heaptape's: skippable by design */
    }
}

static void damaged_chunk(struct tape_file *f, uint64_t at, uint64_t bytes,
                          const struct tape_chunk_header *h, enum tape_error error) {
    uint8_t found[4] = {0};
    tape_pread(f->fd, found, sizeof found, at);
    if (error == TAPE_E_MAGIC)
        tape_damage(f, false, at, bytes,
                    "no chunk begins here: found %02x %02x %02x %02x, expected \"HCHK\" or zeros",
                    found[0], found[1], found[2], found[3]);
    else if (error == TAPE_E_SHORT && h->stored_bytes != 0)
        tape_damage(f, false, at, bytes,
                    "a chunk of %u bytes begins here and goes on behind the end of the %s",
                    h->stored_bytes, f->cut_at != 0 ? "file" : "segment");
    else
        tape_damage(f, false, at, bytes, "chunk header: %s", tape_error_text(error));
}

/* All chunks from `at` on that lie below `end`. Returns where they stop. */
static uint64_t scan_chunks(struct tape_file *f, uint64_t at, uint64_t end, enum tape_round round) {
    f->run_stretch = f->run_count;
    while (at + 4 <= end) {
        struct tape_chunk_header h = {0};
        bool written;
        enum tape_error error = tape_read_chunk_header(f, at, end, &h, &written);
        if (!written)
            return at;
        if (error == TAPE_OK) {
            add_chunk(f, &h, at + TAPE_CHUNK_HEADER_BYTES, round);
            at += tape_chunk_span(h.stored_bytes);
            continue;
        }
        uint64_t used, next = find_chunk(f, at + TAPE_CHUNK_ALIGN, end, &used);
        if (round == TAPE_ROUND_CHUNKS)
            damaged_chunk(f, at, (next < end ? next : used) - at, &h, error);
        at = next;
        f->run_stretch = f->run_count;
    }
    return at;
}

/* A segment whose header is good. Returns where to go on. */
static uint64_t scan_segment(struct tape_file *f, uint64_t at, uint64_t length,
                             enum tape_round round) {
    uint64_t end = at + length;
    if (end > f->size) { /* normal behind CLOSE, where the tape gets its final length */
        f->cut_at = at;
        f->cut_missing = end - f->size;
        end = f->size;
    }
    uint64_t stop = scan_chunks(f, at + TAPE_SEGMENT_HEADER_BYTES, end, round);
    /* When a recording ends, the last segment is cut to what was used of it; LATE chunks may then
     * follow in segments that begin within its former length. */
    return stop < end ? find_segment(f, stop, end) : end;
}

/* What has no segment header: room never used, or a segment whose chunks may still be good. */
static uint64_t scan_gap(struct tape_file *f, uint64_t at, enum tape_error error,
                         enum tape_round round) {
    uint64_t next = tape_align(at + 1, TAPE_SEGMENT_ALIGN), used;
    if (next > f->size)
        next = f->size;
    if (is_empty(f, at, next))
        return next;
    if (round == TAPE_ROUND_CHUNKS)
        tape_damage(f, false, at, 0, "segment header: %s", tape_error_text(error));
    next = find_segment(f, at + 1, f->size);
    scan_chunks(f, find_chunk(f, at, next, &used), next, round);
    return next;
}

void tape_scan(struct tape_file *f, enum tape_round round) {
    f->cut_at = 0;
    for (uint64_t at = TAPE_FILE_HEADER_BYTES; at < f->size;) {
        struct tape_segment_header h;
        enum tape_error error = read_segment_header(f, at, &h);
        uint64_t next =
            error == TAPE_OK ? scan_segment(f, at, h.length, round) : scan_gap(f, at, error, round);
        at = tape_align(next, TAPE_SEGMENT_ALIGN);
    }
}
