/* SPDX-License-Identifier: MIT */
/*
 * Tests that the program marks, and which of their blocks nothing points to at their end.
 *
 * From the first test on, or from the start in a program that refers to the functions of
 * heaptape.h, every record also goes into a table of blocks: when its buffer is full, and for all
 * streams when a test ends. The hot path is the same as ever; a program without tests pays one load
 * for each full buffer. docs/decisions/0009-tests.md says why it is done as it is.
 */
#ifndef TESTING_H
#define TESTING_H

#include "recorder.h"

struct testing;

/* A test begins. name: as much of it as a mark takes; copied. */
void testing_begin(struct stream *s, const char *name, size_t bytes);

/* The innermost test ends: the bytes of its blocks that nothing points to. frame: that of the
 * function that the program called. */
size_t testing_end(struct stream *s, const void *frame);

/* ---- for the recorder --------------------------------------------------------------------- */

/* From the constructor: watches from here on when the program might mark tests. */
void testing_prepare(struct stream *s);
/* Whether a module is bound to the functions that mark tests. From no hook. */
bool testing_is_likely(void);

/* The region of the stream is about to be taken away: true when testing_retired must follow. On
 * the stream's own stack. */
bool testing_retires(struct stream *s);
void testing_retired(void);

/* A stream was made. */
void testing_new_stream(struct stream *s);

/* Allocations are not recorded from here on (false), or are again. */
void testing_active(bool active);

/* The calling thread is about to fork. */
void testing_forks(void);
/* In a forked child, before it has a stream: what it can go on with. */
void testing_inherit(struct recorder *r);

#endif
