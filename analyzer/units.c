/* SPDX-License-Identifier: MIT */
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* All texts are put together from integers: printf's %f would follow the locale. */

const char *units_bytes(char buf[UNITS_ROOM], uint64_t bytes) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(buf, UNITS_ROOM, "%" PRIu64 " B", bytes);
        return buf;
    }
    unsigned u = 1;
    while (u < 6 && bytes >> (10 * u) >= 1024)
        u++;
    for (;; u++) { /* rounding may reach 1024 of a unit: then the next one says it */
        uint64_t hundredths =
            (uint64_t)(((unsigned __int128)bytes * 100 + (UINT64_C(1) << (10 * u - 1))) >>
                       (10 * u));
        if (hundredths >= 102400 && u < 6)
            continue;
        snprintf(buf, UNITS_ROOM, "%" PRIu64 ".%02u %s", hundredths / 100,
                 (unsigned)(hundredths % 100), unit[u]);
        return buf;
    }
}

const char *units_count(char buf[UNITS_ROOM], uint64_t n) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *p = buf;
    for (int i = 0; i < length; i++) {
        if (i != 0 && (length - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return buf;
}

const char *units_duration(char buf[UNITS_ROOM], uint64_t ns) {
    uint64_t seconds = ns / 1000000000;
    if (ns < 1000)
        snprintf(buf, UNITS_ROOM, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(buf, UNITS_ROOM, "%" PRIu64 ".%u us", ns / 1000, (unsigned)(ns / 100 % 10));
    else if (ns < 1000000000)
        snprintf(buf, UNITS_ROOM, "%" PRIu64 ".%u ms", ns / 1000000, (unsigned)(ns / 100000 % 10));
    else if (seconds < 60)
        snprintf(buf, UNITS_ROOM, "%" PRIu64 ".%02u s", seconds, (unsigned)(ns / 10000000 % 100));
    else if (seconds < 3600)
        snprintf(buf, UNITS_ROOM, "%" PRIu64 " min %02u s", seconds / 60, (unsigned)(seconds % 60));
    else
        snprintf(buf, UNITS_ROOM, "%" PRIu64 " h %02u min", seconds / 3600,
                 (unsigned)(seconds / 60 % 60));
    return buf;
}

const char *units_percent(char buf[UNITS_ROOM], uint64_t part, uint64_t whole) {
    if (whole == 0)
        return strcpy(buf, "-");
    uint64_t tenths = (uint64_t)(((unsigned __int128)part * 1000 + whole / 2) / whole);
    if (tenths == 0 && part != 0)
        return strcpy(buf, "<0.1%");
    if (tenths == 1000 && part < whole)
        tenths = 999;
    snprintf(buf, UNITS_ROOM, "%" PRIu64 ".%u%%", tenths / 10, (unsigned)(tenths % 10));
    return buf;
}
