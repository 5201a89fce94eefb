/* SPDX-License-Identifier: MIT */
#include "pack_out.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "diag.h"

static void put(struct pack_out *o, const void *bytes, size_t n) {
    if (o->error == 0 && fwrite(bytes, 1, n, o->file) != n)
        o->error = errno;
    o->at += n;
}

bool pack_out_begin(struct pack_out *o, const char *path, const struct tape_file_header *header,
                    mode_t mode, int level) {
    *o = (struct pack_out){.path = path, .temporary = xasprintf("%s.XXXXXX", path)};
    int fd = mkstemp(o->temporary);
    if (fd < 0 || fchmod(fd, mode & 0777) != 0 || (o->file = fdopen(fd, "wb")) == NULL) {
        diag("%s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(o->temporary);
        }
        free(o->temporary);
        return false;
    }
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (zstd != NULL) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    }
    o->zstd = zstd;
    uint8_t bytes[TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES] = {0};
    tape_put_file_header(bytes, header);
    put(o, bytes, sizeof bytes); /* the segment's header when its length is known */
    return true;
}

void pack_out_copy(struct pack_out *o, const uint8_t *chunk, size_t bytes) {
    put(o, chunk, bytes);
}

static void put_chunk(struct pack_out *o, const struct tape_chunk_header *h, const void *payload) {
    static const uint8_t zeroes[TAPE_CHUNK_ALIGN];
    uint8_t bytes[TAPE_CHUNK_HEADER_BYTES];
    tape_put_u32(bytes, TAPE_CHUNK_MAGIC);
    tape_put_chunk_header(bytes, h);
    put(o, bytes, sizeof bytes);
    put(o, payload, h->stored_bytes);
    put(o, zeroes, tape_chunk_span(h->stored_bytes) - sizeof bytes - h->stored_bytes);
}

void pack_out_chunk(struct pack_out *o, struct tape_chunk_header *h, const void *payload) {
    h->codec = TAPE_CODEC_STORED;
    h->stored_bytes = h->raw_bytes;
    h->payload_crc = h->type == TAPE_CHUNK_LATE ? 0 : tape_crc32c(payload, h->stored_bytes);
    put_chunk(o, h, payload);
}

void pack_out_compressed(struct pack_out *o, struct tape_chunk_header *h, const void *payload) {
    size_t bound = ZSTD_compressBound(h->raw_bytes);
    if (bound > o->packed_room) {
        free(o->packed);
        o->packed = xmalloc(o->packed_room = bound);
    }
    size_t n = o->zstd == NULL
                   ? 0
                   : ZSTD_compress2(o->zstd, o->packed, o->packed_room, payload, h->raw_bytes);
    if (n == 0 || ZSTD_isError(n) || n >= h->raw_bytes) {
        pack_out_chunk(o, h, payload);
        return;
    }
    h->codec = TAPE_CODEC_ZSTD;
    h->stored_bytes = (uint32_t)n;
    h->payload_crc = 0;
    put_chunk(o, h, o->packed);
}

/* The segment's header, and everything to the disk. */
static bool complete(struct pack_out *o) {
    uint8_t bytes[TAPE_SEGMENT_HEADER_BYTES];
    const struct tape_segment_header h = {.offset = TAPE_FILE_HEADER_BYTES,
                                          .length = o->at - TAPE_FILE_HEADER_BYTES};
    tape_put_segment_header(bytes, &h);
    if (o->error == 0 && fseeko(o->file, TAPE_FILE_HEADER_BYTES, SEEK_SET) != 0)
        o->error = errno;
    put(o, bytes, sizeof bytes);
    if (o->error == 0 && (fflush(o->file) != 0 || fsync(fileno(o->file)) != 0))
        o->error = errno;
    if (fclose(o->file) != 0 && o->error == 0)
        o->error = errno;
    o->file = NULL;
    return o->error == 0;
}

/* link() does not replace a file that has come meanwhile; not every file system has it. */
static bool name(struct pack_out *o, bool replace) {
    if (!replace && link(o->temporary, o->path) == 0) {
        unlink(o->temporary);
        return true;
    }
    bool there = !replace && access(o->path, F_OK) == 0;
    if (!there && rename(o->temporary, o->path) == 0)
        return true;
    o->error = there ? EEXIST : errno;
    return false;
}

static void release(struct pack_out *o) {
    ZSTD_freeCCtx(o->zstd);
    free(o->packed);
    free(o->temporary);
    *o = (struct pack_out){0};
}

bool pack_out_finish(struct pack_out *o, bool replace) {
    bool done = complete(o) && name(o, replace);
    if (!done) {
        diag("%s: cannot be written: %s; nothing is left of it", o->path, strerror(o->error));
        unlink(o->temporary);
    }
    release(o);
    return done;
}

void pack_out_abandon(struct pack_out *o) {
    fclose(o->file);
    unlink(o->temporary);
    release(o);
}
