/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the tape: little-endian integers and variable-length numbers.
 *
 * Writers (`tape_put_*`) take the place to write to and return the place behind what they wrote;
 * the caller guarantees the room (TAPE_VARINT_MAX bytes for a varint). Readers (`tape_get_*`)
 * take a bounded input whose error is sticky: after the first violation every further read
 * returns 0 and the error stays, so a decoder may check once at the end of a rule.
 *
 * All functions are pure, allocate nothing, and are safe in signal handlers and inside malloc.
 */
#ifndef TAPE_BYTES_H
#define TAPE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What can be wrong with a tape; one name per violated rule of docs/FORMAT.md. */
enum tape_error {
    TAPE_OK = 0,
    TAPE_E_SHORT,    /* ends before the value does */
    TAPE_E_MAGIC,    /* not the magic number that belongs here */
    TAPE_E_VERSION,  /* of a version that this reader does not have */
    TAPE_E_FEATURE,  /* needs a feature that this reader does not have */
    TAPE_E_CHECKSUM, /* checksum does not match */
    TAPE_E_VARINT,   /* number longer than 64 bits */
    TAPE_E_LIMIT,    /* value above the limit of its field */
    TAPE_E_CODEC,    /* unknown codec, or the compressed frame is damaged */
    TAPE_E_COLUMN,   /* a column is longer or shorter than its events */
    TAPE_E_OP,       /* unknown event kind */
    TAPE_E_STACK,    /* pops more frames than the stack has */
    TAPE_E_FRAME,    /* frame index outside the chunk's dictionary */
};

static inline const char *tape_error_text(enum tape_error e) {
    switch (e) {
    case TAPE_OK:
        return "no error";
    case TAPE_E_SHORT:
        return "ends too early";
    case TAPE_E_MAGIC:
        return "wrong magic number";
    case TAPE_E_VERSION:
        return "of a version that this heaptape does not read";
    case TAPE_E_FEATURE:
        return "uses a feature unknown to this heaptape";
    case TAPE_E_CHECKSUM:
        return "checksum mismatch";
    case TAPE_E_VARINT:
        return "number longer than 64 bits";
    case TAPE_E_LIMIT:
        return "value out of range";
    case TAPE_E_CODEC:
        return "damaged compressed data";
    case TAPE_E_COLUMN:
        return "column length does not match its events";
    case TAPE_E_OP:
        return "unknown event kind";
    case TAPE_E_STACK:
        return "stack change pops more frames than there are";
    case TAPE_E_FRAME:
        return "frame outside the dictionary";
    }
    return "unknown error";
}

/* ---- writing ------------------------------------------------------------------------------ */

#define TAPE_VARINT_MAX 10 /* bytes of the longest varint */

static inline uint8_t *tape_put_u8(uint8_t *p, uint8_t v) {
    *p = v;
    return p + 1;
}

static inline uint8_t *tape_put_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    return p + 2;
}

static inline uint8_t *tape_put_u32(uint8_t *p, uint32_t v) {
    return tape_put_u16(tape_put_u16(p, (uint16_t)v), (uint16_t)(v >> 16));
}

static inline uint8_t *tape_put_u64(uint8_t *p, uint64_t v) {
    return tape_put_u32(tape_put_u32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

static inline uint8_t *tape_put_bytes(uint8_t *p, const void *data, size_t n) {
    if (n != 0)
        memcpy(p, data, n);
    return p + n;
}

/* Seven bits a byte, least significant group first, high bit set on all but the last. */
static inline uint8_t *tape_put_varint(uint8_t *p, uint64_t v) {
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

/* Signed numbers as 0, -1, 1, -2, … so that small magnitudes stay short. */
static inline uint64_t tape_zigzag(int64_t v) {
    return ((uint64_t)v << 1) ^ -(uint64_t)(v < 0);
}

static inline int64_t tape_unzigzag(uint64_t v) {
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* ---- reading ------------------------------------------------------------------------------ */

struct tape_in {
    const uint8_t *p, *end;
    enum tape_error error;
};

static inline struct tape_in tape_in_of(const void *data, size_t n) {
    return (struct tape_in){data, (const uint8_t *)data + n, TAPE_OK};
}

static inline size_t tape_in_left(const struct tape_in *in) {
    return (size_t)(in->end - in->p);
}

static inline void tape_in_fail(struct tape_in *in, enum tape_error e) {
    if (in->error == TAPE_OK)
        in->error = e;
    in->p = in->end;
}

/* The next n bytes in place, or NULL (and an error) when fewer are left. */
static inline const uint8_t *tape_get_bytes(struct tape_in *in, uint64_t n) {
    if (n > tape_in_left(in)) {
        tape_in_fail(in, TAPE_E_SHORT);
        return NULL;
    }
    const uint8_t *p = in->p;
    in->p += n;
    return p;
}

static inline uint8_t tape_get_u8(struct tape_in *in) {
    const uint8_t *p = tape_get_bytes(in, 1);
    return p ? *p : 0;
}

static inline uint16_t tape_get_u16(struct tape_in *in) {
    const uint8_t *p = tape_get_bytes(in, 2);
    return p ? (uint16_t)(p[0] | p[1] << 8) : 0;
}

static inline uint32_t tape_get_u32(struct tape_in *in) {
    uint32_t lo = tape_get_u16(in);
    return lo | (uint32_t)tape_get_u16(in) << 16;
}

static inline uint64_t tape_get_u64(struct tape_in *in) {
    uint64_t lo = tape_get_u32(in);
    return lo | (uint64_t)tape_get_u32(in) << 32;
}

/* A varint of at most `limit`; anything larger is TAPE_E_LIMIT. */
static inline uint64_t tape_get_varint(struct tape_in *in, uint64_t limit) {
    uint64_t v = 0;
    if (in->p < in->end && *in->p < 0x80) { /* nearly all are one byte */
        v = *in->p++;
    } else {
        for (unsigned shift = 0;; shift += 7) {
            if (in->p == in->end) {
                tape_in_fail(in, TAPE_E_SHORT);
                return 0;
            }
            uint8_t b = *in->p++;
            if (shift == 63 && b > 1) {
                tape_in_fail(in, TAPE_E_VARINT);
                return 0;
            }
            v |= (uint64_t)(b & 0x7f) << shift;
            if (b < 0x80)
                break;
        }
    }
    if (v > limit) {
        tape_in_fail(in, TAPE_E_LIMIT);
        return 0;
    }
    return v;
}

/* ---- reading many ------------------------------------------------------------------------- */

/* The varint in the low bytes of x, which ends within these eight: its value, and its length. */
static inline uint64_t tape_varint_of(uint64_t x, unsigned *bytes) {
    const uint64_t stop = ~x & UINT64_C(0x8080808080808080); /* the lowest bit set ends it */
    *bytes = ((unsigned)__builtin_ctzll(stop) + 1) / 8;
    x &= (stop ^ (stop - 1)) & UINT64_C(0x7f7f7f7f7f7f7f7f);
    x = (x & UINT64_C(0x007f007f007f007f)) | (x & UINT64_C(0x7f007f007f007f00)) >> 1;
    x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (x & UINT64_C(0x000000000fffffff)) | (x & UINT64_C(0x0fffffff00000000)) >> 4;
}

static inline uint64_t tape_load_u64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

/*
 * Up to n varints of at most `limit` (at least 127) each; returns how many could be read. When
 * these are fewer than n, the input's error says why. No branch for each value where all are short,
 * a predictable one where lengths change. One function for each width of what they become.
 */
#define TAPE_GET_VARINTS(name, type)                                                               \
    static inline size_t name(struct tape_in *in, type *out, size_t n, uint64_t limit) {           \
        const uint64_t more = UINT64_C(0x8080808080808080);                                        \
        const uint8_t *p = in->p;                                                                  \
        size_t i = 0;                                                                              \
        while (i < n && in->end - p >= 8) {                                                        \
            uint64_t x = tape_load_u64(p);                                                         \
            if ((x & more) == 0 && n - i >= 8) {                                                   \
                for (int k = 0; k < 8; k++)                                                        \
                    out[i + (size_t)k] = p[k];                                                     \
                i += 8;                                                                            \
                p += 8;                                                                            \
                continue;                                                                          \
            }                                                                                      \
            unsigned bytes;                                                                        \
            uint64_t v;                                                                            \
            if ((~x & more) == 0 || (v = tape_varint_of(x, &bytes)) > limit)                       \
                break; /* nine or ten bytes, or too much: slowly */                                \
            out[i++] = (type)v;                                                                    \
            p += bytes;                                                                            \
        }                                                                                          \
        for (in->p = p; i < n; i++) {                                                              \
            out[i] = (type)tape_get_varint(in, limit);                                             \
            if (in->error != TAPE_OK)                                                              \
                break;                                                                             \
        }                                                                                          \
        return i;                                                                                  \
    }
TAPE_GET_VARINTS(tape_get_varints, uint64_t)
TAPE_GET_VARINTS(tape_get_varints_u32, uint32_t)
#undef TAPE_GET_VARINTS

/* ---- checksum ----------------------------------------------------------------------------- */

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), initial value and final xor all ones. */
static inline uint32_t tape_crc32c(const void *data, size_t n) {
    static const uint32_t nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *p = data;
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        c = c >> 4 ^ nibble[c & 15];
        c = c >> 4 ^ nibble[c & 15];
    }
    return ~c;
}

#endif
