/* SPDX-License-Identifier: MIT */
#include "clock.h"

/* Reading two clocks one after the other may take some microseconds, more when the thread is
 * interrupted in between: over this long it makes less than a promille. */
#define LONG_ENOUGH_NS UINT64_C(50000000)

/* ns / ticks, with as many fractional bits as fit. */
static void set_rate(struct clock *c, uint64_t ns, uint64_t ticks) {
    for (c->shift = 62; c->shift > 0; c->shift--) {
        unsigned __int128 factor = ((unsigned __int128)ns << c->shift) / ticks;
        if (factor >> 62 == 0) {
            c->factor = (uint64_t)factor;
            return;
        }
    }
    c->factor = ns / ticks;
}

void clock_init(struct clock *c, bool ticks_are_ns, uint64_t start, uint64_t tick_hz,
                struct clock_pair first, struct clock_pair last) {
    *c = (struct clock){.start = start, .factor = 1};
    if (ticks_are_ns) {
        c->source = CLOCK_SOURCE_NS;
        return;
    }
    bool measured = first.mono != 0 && last.mono > first.mono && last.stamp > first.stamp;
    if (tick_hz != 0 && (!measured || last.mono - first.mono < LONG_ENOUGH_NS)) {
        c->source = CLOCK_SOURCE_ESTIMATED;
        set_rate(c, 1000000000, tick_hz);
    } else if (measured) {
        c->source = CLOCK_SOURCE_MEASURED;
        set_rate(c, last.mono - first.mono, last.stamp - first.stamp);
    } else {
        c->source = CLOCK_SOURCE_UNCALIBRATED;
    }
}
