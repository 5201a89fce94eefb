/* SPDX-License-Identifier: MIT */
#include "tape_append.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tape_chunks.h"

enum tape_writers tape_lease(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return TAPE_NOBODY_WRITES;
    }
    return errno == EAGAIN ? TAPE_SOMEBODY_WRITES : TAPE_WRITERS_UNKNOWN;
}

/* Behind the last of the chunks from `at` on. */
static uint64_t skip_chunks(int fd, uint64_t at, uint64_t end) {
    uint8_t bytes[TAPE_CHUNK_HEADER_BYTES];
    struct tape_chunk_header h;
    while (at + sizeof bytes <= end && tape_pread(fd, bytes, sizeof bytes, at)) {
        struct tape_in in = tape_in_of(bytes, sizeof bytes);
        if (tape_get_chunk_header(&in, &h) != TAPE_OK)
            break;
        at += tape_chunk_span(h.stored_bytes);
    }
    return at < end ? at : end;
}

/* For a tape without damage: what is no segment or chunk is unused room. */
struct tape_end tape_end_find(int fd, uint64_t size) {
    struct tape_end last = {0};
    for (uint64_t at = TAPE_FILE_HEADER_BYTES; at < size;) {
        uint8_t bytes[TAPE_SEGMENT_HEADER_BYTES];
        struct tape_segment_header h;
        struct tape_in in = tape_in_of(bytes, sizeof bytes);
        if (!tape_pread(fd, bytes, sizeof bytes, at) ||
            tape_get_segment_header(&in, &h) != TAPE_OK || h.offset != at) {
            at = tape_align(at + 1, TAPE_SEGMENT_ALIGN);
            continue;
        }
        uint64_t chunks = at + sizeof bytes;
        uint64_t end = h.length < size - at ? at + h.length : size;
        uint64_t stop = skip_chunks(fd, chunks, end);
        if (stop > chunks)
            last = (struct tape_end){at, h.length, stop};
        at = tape_align(stop > chunks ? stop : chunks, TAPE_SEGMENT_ALIGN);
    }
    return last;
}

static bool write_all(int fd, const uint8_t *bytes, uint64_t count, uint64_t at) {
    while (count > 0) {
        ssize_t n = pwrite(fd, bytes, count, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        at += (uint64_t)n;
        count -= (uint64_t)n;
    }
    return true;
}

/* First the header, then the file: a segment that reaches beyond the end would look torn. */
bool tape_end_cut(int fd, const struct tape_end *last) {
    uint8_t bytes[TAPE_SEGMENT_HEADER_BYTES];
    const struct tape_segment_header h = {.offset = last->segment,
                                          .length = last->end - last->segment};
    tape_put_segment_header(bytes, &h);
    return (last->length <= h.length || write_all(fd, bytes, sizeof bytes, last->segment)) &&
           ftruncate(fd, (off_t)last->end) == 0;
}

/* Room first, then the segment, then the word that makes it count. */
bool tape_append(int fd, struct settle_segment *segment, uint64_t end) {
    uint64_t at = tape_align(end, TAPE_SEGMENT_ALIGN);
    uint8_t magic[4];
    settle_segment_place(segment, at);
    tape_put_u32(magic, TAPE_CHUNK_MAGIC);
    bool room = fallocate(fd, 0, (off_t)at, (off_t)segment->used) == 0;
    if (!room && (errno == EOPNOTSUPP || errno == ENOSYS))
        room = ftruncate(fd, (off_t)(at + segment->used)) == 0;
    if (room && write_all(fd, segment->bytes, segment->used, at) &&
        write_all(fd, magic, sizeof magic, at + SETTLE_COMMIT_AT))
        return true;
    int error = errno;
    bool taken_back = ftruncate(fd, (off_t)end) == 0;
    (void)taken_back; /* otherwise the segment stays, without a chunk */
    errno = error;
    return false;
}
