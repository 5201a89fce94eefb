/* SPDX-License-Identifier: MIT */
/* What the launcher finds out behind the end of a program, kept in its recording. */
#ifndef TAPE_KEEP_H
#define TAPE_KEEP_H

#include <stddef.h>

#include "tape_file.h"

struct tape_kept {
    unsigned type;    /* of the chunk: enum tape_chunk_type */
    const char *what; /* for a sentence, in the plural */
    /* The bytes, which are freed behind it; NULL: there is nothing to keep. */
    char *(*text)(void *context, struct tape_file *, size_t *length);
    void *context;
};

/*
 * Appends a chunk to the recording of a process that is gone. Nothing happens where it still runs,
 * has a tail or damage, or somebody else has it open. Returns NULL, or a sentence that says why it
 * could not be written; the caller frees.
 */
char *tape_keep(const char *path, const struct tape_kept *);

#endif
