/* SPDX-License-Identifier: MIT */
/*
 * The file that a packed tape is written to: one segment, under a temporary name until it is whole.
 * An error is kept and told once, by pack_out_finish. Not thread-safe.
 */
#ifndef PACK_OUT_H
#define PACK_OUT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "tape/format.h"

struct pack_out {
    const char *path; /* where it will be; the caller's */
    char *temporary;
    FILE *file;
    uint64_t at; /* offset of the next chunk */
    int error;   /* errno of the first failure, 0: none */
    void *zstd;  /* ZSTD_CCtx */
    uint8_t *packed;
    size_t packed_room;
};

/* Makes the file beside `path`, with these permissions. level: of zstd. False, with one line
 * printed, when it cannot be made; then nothing is left to be finished or abandoned. */
bool pack_out_begin(struct pack_out *, const char *path, const struct tape_file_header *,
                    mode_t mode, int level);

/* A chunk as it lies in another tape, header, payload and padding. */
void pack_out_copy(struct pack_out *, const uint8_t *chunk, size_t bytes);

/* A chunk with h->raw_bytes of payload, stored as it is: codec, sizes and checksum are filled in.
 * pack_out_compressed: as a zstd frame where that is smaller. */
void pack_out_chunk(struct pack_out *, struct tape_chunk_header *h, const void *payload);
void pack_out_compressed(struct pack_out *, struct tape_chunk_header *h, const void *payload);

/* Everything to the disk, then the file gets its name: false, with one line printed and nothing
 * left, when that fails, or when a file of the name is there and `replace` is not set. */
bool pack_out_finish(struct pack_out *, bool replace);
/* Removes what was written. */
void pack_out_abandon(struct pack_out *);

#endif
