/* SPDX-License-Identifier: MIT */
/* LEB128 numbers as call frame information and DWARF expressions have them (DWARF 5 §7.6). */
#ifndef LEB128_H
#define LEB128_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a number at *p and moves *p behind it; *bad is set when it does not end before `end`. Bits
 * above the 64th are dropped. */
static inline uint64_t leb128_unsigned(const uint8_t **p, const uint8_t *end, bool *bad) {
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        if (shift < 64)
            v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    *bad = true;
    return 0;
}

static inline int64_t leb128_signed(const uint8_t **p, const uint8_t *end, bool *bad) {
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end;) {
        uint8_t b = *(*p)++;
        if (shift < 64)
            v |= (uint64_t)(b & 0x7f) << shift;
        shift += 7;
        if (b < 0x80) {
            if (shift < 64 && (b & 0x40) != 0)
                v |= ~UINT64_C(0) << shift;
            return (int64_t)v;
        }
    }
    *bad = true;
    return 0;
}

#endif
