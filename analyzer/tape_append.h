/* SPDX-License-Identifier: MIT */
/*
 * Adding a segment to a tape whose process is gone: whatever kills the writer, a reader finds all
 * of the segment's chunks or none of them.
 */
#ifndef TAPE_APPEND_H
#define TAPE_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "settle_segment.h"

enum tape_writers { TAPE_NOBODY_WRITES, TAPE_SOMEBODY_WRITES, TAPE_WRITERS_UNKNOWN };

/*
 * The kernel grants a read lease only on a file that nobody has open, or mapped, for writing. A
 * recorder has its tape mapped from its first event to its orderly end, also when its process can
 * be seen under another number or not at all (name spaces, a vfork child that outlives it). `fd` is
 * open for reading. Unknown: the file system has no leases, or the file is somebody else's. SIGIO
 * must be ignored meanwhile.
 */
enum tape_writers tape_lease(int fd);

struct tape_end {
    uint64_t segment, length; /* the last one with a chunk, as its header says */
    uint64_t end;             /* behind its last chunk; 0: there is none */
};

/* Where a tape of `size` bytes without damage ends: what is no segment or chunk is unused room. */
struct tape_end tape_end_find(int fd, uint64_t size);

/* Cuts the unused room; `fd` is open for writing, here and below. False, and errno, on failure. */
bool tape_end_cut(int fd, const struct tape_end *);

/* Places the segment behind `end`, which is the file's, and writes it. False, and errno, when there
 * is no room: the file is as it was, or has a segment without chunks more. */
bool tape_append(int fd, struct settle_segment *, uint64_t end);

#endif
