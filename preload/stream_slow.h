/* SPDX-License-Identifier: MIT */
/* What the hot path of stream.c calls when something is in its way. */
#ifndef STREAM_SLOW_H
#define STREAM_SLOW_H

#include "stream.h"

/* The stream to record into when the thread's own is not attached, full, busy or of the parent
 * process: not busy, with room for an event. NULL: the event is not recorded (and counted). */
struct stream *stream_enter_slow(const void *frame);

/* Flushes the buffer and forgets rows: modules have been unloaded. */
void stream_new_generation(struct stream *s);

/* Room for an event with `depth` frames, new rows and modules known to the reader. May start a new
 * buffer (said_depth 0). False when there is no room to be had. */
bool stream_make_ready(struct stream *s, uint32_t depth);

/* The program has mapped so much, or been given so large a block: takes samples now and then. The
 * stream is busy. */
#define STREAM_LARGE ((size_t)1 << 20)
/* Large blocks begin with a page, in glibc behind 16 bytes: the bits that are 0 in their addresses.
 */
#define STREAM_LARGE_AT 0xfef
#define SAMPLE_TICKS    (UINT64_C(1) << 25) /* between SAMPLE events: about 10 ms */

/* A block that may be a large one is about to be given back: before that the process may be at its
 * highest. */
void stream_releases(struct stream *s, const void *p);

void stream_mapped(struct stream *s, uint64_t bytes, bool releases);

/* Captures for --unwinder=libunwind and verify, and with --python. */
struct unwind_captured stream_capture_slow(struct stream *s, const void *frame);

struct stream_blob {
    struct stream *stream;
    unsigned op;
    uint64_t address;
    const void *bytes;
    size_t size;
};
/* Records a BLOB event. On the stream's own stack; arg: struct stream_blob *. */
void stream_put_blob(void *arg);

/* ---- stream_python.c: PYTHON events -------------------------------------------------------- */

/* Says so if the module is a Python interpreter. On the stream's own stack. */
void stream_say_python(struct stream *s, const struct unwind_module *m);
/* Says what the code objects met since the last time are. */
void stream_say_codes(struct stream *s);

#endif
