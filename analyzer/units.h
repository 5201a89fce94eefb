/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them. Reports print these; JSON prints the plain integers instead.
 *
 * Every function writes a terminated text of fewer than UNITS_ROOM bytes to `buf` and returns
 * `buf`. The text does not depend on the locale. All functions are pure.
 */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

#define UNITS_ROOM 32

/* "512 B", "1.50 KiB", "3.21 MiB": powers of 1024, never 1024 of a unit. */
const char *units_bytes(char buf[UNITS_ROOM], uint64_t bytes);

/* "1,234,567" */
const char *units_count(char buf[UNITS_ROOM], uint64_t n);

/* "12 ns", "3.4 us", "56.0 ms", "7.89 s", "2 min 03 s", "1 h 02 min" from nanoseconds */
const char *units_duration(char buf[UNITS_ROOM], uint64_t ns);

/*
 * "12.3%". What rounds to 0 without being it is "<0.1%", what rounds to 100 without being it is
 * "99.9%"; "-" when there is no whole. part may exceed whole.
 */
const char *units_percent(char buf[UNITS_ROOM], uint64_t part, uint64_t whole);

#endif
