/* SPDX-License-Identifier: MIT */
/*
 * The archive form of a recording: one file with everything that tape and tail had, coded for size.
 * A reader of the packed tape finds the same events in the same order with the same stamps, and
 * tells of the same losses and damage. Memory grows neither with the recording's events nor with
 * its streams.
 */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stdint.h>

#define PACK_LEVEL     19 /* of zstd, when nothing is asked for */
#define PACK_LEVEL_MAX 22

struct pack_result {
    uint64_t recorded; /* bytes of the recording as it was recorded */
    uint64_t before;   /* bytes of what was read: tape and tail, or a packed tape */
    uint64_t after;    /* bytes of what was written */
    bool whole;        /* the recording has neither loss nor damage */
};

/*
 * Packs the recording `path` into the file `out`, which must be another one; with `replace` it may
 * be there. Returns EXIT_FINE, or prints one line and returns EXIT_FINDING: the recording cannot be
 * opened, is still being written, or `out` cannot be written; then nothing is left of it.
 */
int pack_tape(const char *path, const char *out, bool replace, int level, struct pack_result *);

/* Where the packed form of `path` goes by default: NAME.packed.tape for NAME.tape,
 * NAME.packed.tape.PID for NAME.tape.PID, otherwise ".packed" is put behind. The caller frees. */
char *pack_default_name(const char *path);

#endif
