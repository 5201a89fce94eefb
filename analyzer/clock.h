/* SPDX-License-Identifier: MIT */
/*
 * Ticks of a tape's stamps as nanoseconds since the recording began.
 *
 * A straight line through two instants of which both ticks and CLOCK_MONOTONIC are known, as far
 * apart as the tape has them.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum clock_source {
    CLOCK_SOURCE_NS,           /* a tick is a nanosecond */
    CLOCK_SOURCE_MEASURED,     /* from two instants of the tape */
    CLOCK_SOURCE_ESTIMATED,    /* too short a recording: the recorder's estimate of the rate */
    CLOCK_SOURCE_UNCALIBRATED, /* nothing is known: ticks are taken for nanoseconds */
};

struct clock {
    enum clock_source source;
    uint64_t start;  /* ticks at time 0 */
    uint64_t factor; /* ns per tick, times 2^shift */
    unsigned shift;
    unsigned grain; /* log2 of the ticks that the tape's columns tell apart */
};

struct clock_pair {
    uint64_t stamp, mono; /* ticks, ns */
};

/* tick_hz: estimate, 0 when unknown. A pair of zeroes is not known. */
void clock_init(struct clock *, bool ticks_are_ns, uint64_t start, uint64_t tick_hz,
                struct clock_pair first, struct clock_pair last);

/* ns since the start; 0 before it. */
static inline uint64_t clock_ns(const struct clock *c, uint64_t stamp) {
    if (stamp <= c->start)
        return 0;
    unsigned __int128 ns = (unsigned __int128)(stamp - c->start) * c->factor >> c->shift;
    return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

#endif
