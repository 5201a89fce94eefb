/* SPDX-License-Identifier: MIT */
/* The tape's byte layouts: everything written reads back, everything damaged is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "diag.h"
#include "tape/blobs.h"
#include "tape/events.h"
#include "tape/info.h"

static uint64_t seed;

static uint64_t random_bits(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t n) {
    return random_bits() % n;
}

/* A number of any magnitude. */
static uint64_t number(unsigned bits) {
    return random_bits() >> (64 - bits) >> below(bits);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void integers(void **state) {
    (void)state;
    uint8_t b[16];
    assert_ptr_equal(tape_put_u64(b, UINT64_C(0x1122334455667788)), b + 8);
    assert_int_equal(b[0], 0x88);
    assert_int_equal(b[7], 0x11);
    struct tape_in in = tape_in_of(b, 8);
    assert_true(tape_get_u64(&in) == UINT64_C(0x1122334455667788));
    assert_int_equal(tape_get_u8(&in), 0);
    assert_int_equal(in.error, TAPE_E_SHORT);
}

static void varints(void **state) {
    (void)state;
    uint8_t b[TAPE_VARINT_MAX];
    for (int i = 0; i < 100000; i++) {
        uint64_t v = i == 0 ? 0 : i == 1 ? UINT64_MAX : number(64);
        size_t n = (size_t)(tape_put_varint(b, v) - b);
        struct tape_in in = tape_in_of(b, n);
        assert_true(tape_get_varint(&in, UINT64_MAX) == v);
        assert_int_equal(in.error, TAPE_OK);
        assert_int_equal(tape_in_left(&in), 0);
        in = tape_in_of(b, n - 1);
        tape_get_varint(&in, UINT64_MAX);
        assert_int_equal(in.error, TAPE_E_SHORT);
        if (v > 0) {
            in = tape_in_of(b, n);
            assert_true(tape_get_varint(&in, v - 1) == 0);
            assert_int_equal(in.error, TAPE_E_LIMIT);
        }
        assert_true(tape_unzigzag(tape_zigzag((int64_t)v)) == (int64_t)v);
    }
    const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02};
    struct tape_in in = tape_in_of(too_long, sizeof too_long);
    assert_true(tape_get_varint(&in, UINT64_MAX) == 0);
    assert_int_equal(in.error, TAPE_E_VARINT);
}

static void address_differences(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t a = number(56) & TAPE_ADDRESS_MASK, b = number(56) & TAPE_ADDRESS_MASK;
        if (below(2) == 0)
            b = (a & ~UINT64_C(15)) + 16 * below(1000);
        assert_true(tape_unpack_delta(tape_pack_delta(b, a), a) == b);
    }
}

static void checksums(void **state) {
    (void)state;
    assert_int_equal(tape_crc32c("123456789", 9), 0xe3069283); /* the polynomial's check value */
    assert_int_equal(tape_crc32c("", 0), 0);
}

/* ---- headers ------------------------------------------------------------------------------ */

static enum tape_error read_file_header(const uint8_t *p, size_t n) {
    struct tape_in in = tape_in_of(p, n);
    struct tape_file_header h;
    return tape_get_file_header(&in, &h);
}

static enum tape_error read_segment_header(const uint8_t *p, size_t n) {
    struct tape_in in = tape_in_of(p, n);
    struct tape_segment_header h;
    return tape_get_segment_header(&in, &h);
}

static enum tape_error read_chunk_header(const uint8_t *p, size_t n) {
    struct tape_in in = tape_in_of(p, n);
    struct tape_chunk_header h;
    return tape_get_chunk_header(&in, &h);
}

/* Cut anywhere or with any bit of any byte flipped, the header is refused. */
static void expect_refused(enum tape_error (*read)(const uint8_t *, size_t), uint8_t *p, size_t n) {
    assert_int_equal(read(p, n), TAPE_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(read(p, i), TAPE_E_SHORT);
        for (unsigned bit = 0; bit < 8; bit++) {
            p[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(read(p, n), TAPE_OK);
            p[i] ^= (uint8_t)(1 << bit);
        }
    }
}

static void file_headers(void **state) {
    (void)state;
    uint8_t p[TAPE_FILE_HEADER_BYTES];
    struct tape_file_header h = {.major = 1, .minor = 7, .id = "fifteen letters"}, r;
    tape_put_file_header(p, &h);
    struct tape_in in = tape_in_of(p, sizeof p);
    assert_int_equal(tape_get_file_header(&in, &r), TAPE_OK);
    assert_int_equal(r.minor, 7);
    assert_memory_equal(r.id, h.id, sizeof h.id);
    expect_refused(read_file_header, p, sizeof p);
    h.major = 2;
    tape_put_file_header(p, &h);
    assert_int_equal(read_file_header(p, sizeof p), TAPE_E_VERSION);
    h.major = 1;
    h.features = 4;
    tape_put_file_header(p, &h);
    assert_int_equal(read_file_header(p, sizeof p), TAPE_E_FEATURE);
}

static void segment_headers(void **state) {
    (void)state;
    uint8_t p[TAPE_SEGMENT_HEADER_BYTES];
    struct tape_segment_header h = {number(64), number(64)}, r;
    tape_put_segment_header(p, &h);
    struct tape_in in = tape_in_of(p, sizeof p);
    assert_int_equal(tape_get_segment_header(&in, &r), TAPE_OK);
    assert_true(r.offset == h.offset && r.length == h.length);
    expect_refused(read_segment_header, p, sizeof p);
}

static void chunk_headers(void **state) {
    (void)state;
    _Alignas(8) uint8_t p[TAPE_CHUNK_HEADER_BYTES] = {0};
    struct tape_chunk_header h = {.type = TAPE_CHUNK_EVENTS,
                                  .codec = TAPE_CODEC_ZSTD,
                                  .flags = 3,
                                  .stored_bytes = 1000,
                                  .raw_bytes = TAPE_CHUNK_MAX,
                                  .stream = 77,
                                  .events = 1 << 20,
                                  .first_event = number(64),
                                  .first_stamp = number(64),
                                  .last_stamp = number(64),
                                  .lost = number(64),
                                  .payload_crc = 0xfeedface},
                             r;
    memset(&r, 0, sizeof r);
    tape_put_chunk_header(p, &h);
    assert_int_equal(read_chunk_header(p, sizeof p), TAPE_E_MAGIC); /* not before the commit */
    tape_commit_chunk(p);
    struct tape_in in = tape_in_of(p, sizeof p);
    assert_int_equal(tape_get_chunk_header(&in, &r), TAPE_OK);
    assert_int_equal(r.type, h.type);
    assert_int_equal(r.codec, h.codec);
    assert_int_equal(r.flags, h.flags);
    assert_int_equal(r.stored_bytes, h.stored_bytes);
    assert_int_equal(r.raw_bytes, h.raw_bytes);
    assert_int_equal(r.stream, h.stream);
    assert_int_equal(r.events, h.events);
    assert_true(r.first_event == h.first_event && r.first_stamp == h.first_stamp);
    assert_true(r.last_stamp == h.last_stamp && r.lost == h.lost);
    assert_int_equal(r.payload_crc, h.payload_crc);
    expect_refused(read_chunk_header, p, sizeof p);
    h.raw_bytes = TAPE_CHUNK_MAX + 1;
    tape_put_chunk_header(p, &h);
    tape_commit_chunk(p);
    assert_int_equal(read_chunk_header(p, sizeof p), TAPE_E_LIMIT);
}

/* ---- fields and blobs --------------------------------------------------------------------- */

static void info_fields(void **state) {
    (void)state;
    uint8_t b[100], *p = b;
    p = tape_put_info_number(p, TAPE_INFO_PID, 4711);
    p = tape_put_info_bytes(p, 999, "from the future", 15);
    p = tape_put_info_bytes(p, TAPE_INFO_CWD, "", 0);
    struct tape_in in = tape_in_of(b, (size_t)(p - b)), value;
    uint32_t tag;
    assert_true(tape_get_info(&in, &tag, &value));
    assert_int_equal(tag, TAPE_INFO_PID);
    assert_int_equal(tape_get_varint(&value, UINT64_MAX), 4711);
    assert_true(tape_get_info(&in, &tag, &value));
    assert_int_equal(tag, 999);
    assert_int_equal(tape_in_left(&value), 15);
    assert_true(tape_get_info(&in, &tag, &value));
    assert_int_equal(tape_in_left(&value), 0);
    assert_false(tape_get_info(&in, &tag, &value));
    assert_int_equal(in.error, TAPE_OK);
    in = tape_in_of(b, 6); /* in the middle of the second field */
    assert_true(tape_get_info(&in, &tag, &value));
    assert_false(tape_get_info(&in, &tag, &value));
    assert_int_equal(in.error, TAPE_E_SHORT);
}

static void modules(void **state) {
    (void)state;
    uint8_t id[TAPE_BUILD_ID_MAX], b[31 + TAPE_BUILD_ID_MAX + 20];
    for (size_t n = 0; n <= sizeof id; n += 16) {
        for (size_t i = 0; i < n; i++)
            id[i] = (uint8_t)random_bits();
        struct tape_module m = {number(64), number(64), number(64),          (uint8_t)n,
                                id,         18,         "/lib/with space.so"},
                           r;
        struct tape_in in = tape_in_of(b, (size_t)(tape_put_module(b, &m) - b));
        assert_int_equal(tape_get_module(&in, &r), TAPE_OK);
        assert_true(r.end == m.end && r.bias == m.bias && r.generation == m.generation);
        assert_int_equal(r.build_id_len, n);
        if (n > 0)
            assert_memory_equal(r.build_id, id, n);
        assert_int_equal(r.path_len, 18);
        assert_memory_equal(r.path, m.path, 18);
    }
}

/* ---- events ------------------------------------------------------------------------------- */

struct sample {
    struct tape_record *record;
    uint32_t *frame;
    uint64_t *address;
    size_t records, frames, addresses;
    uint64_t generation;
    unsigned shift;
};

static const uint8_t kinds[] = {
#define TAPE_ENTRY(number, symbol, class, name) number,
#include "tape/entries.def"
#undef TAPE_ENTRY
    TAPE_OP_REALLOC_FROM, TAPE_OP_SAMPLE,        TAPE_OP_THREAD, TAPE_OP_MARK,
    TAPE_OP_MODULE_LOAD,  TAPE_OP_MODULE_UNLOAD, TAPE_OP_IGNORE, TAPE_OP_POOL_ALLOC,
    TAPE_OP_POOL_FREE,    TAPE_OP_PYTHON,
};

static struct sample make_sample(void) {
    struct sample s = {.records = 1 + number(12),
                       .addresses = 1 + number(10),
                       .generation = number(64),
                       .shift = (unsigned)below(33)};
    size_t room = 0;
    uint64_t stamp = number(60);
    s.record = xcalloc(s.records, sizeof *s.record);
    for (size_t i = 0; i < s.records; i++) {
        struct tape_record *r = &s.record[i];
        unsigned op = kinds[below(sizeof kinds)];
        stamp += number(20);
        if (below(50) == 0 && stamp > 1000)
            stamp -= below(1000); /* as another core's counter may */
        uint64_t address = number(56) & TAPE_ADDRESS_MASK;
        if (i > 0 && below(3) == 0) /* one seen before, nearly always a short while ago */
            address = tape_record_address(r - 1 - below(below(4) == 0 || i < 9 ? i : 9));
        *r = (struct tape_record){.stamp = stamp, .addr_op = tape_addr_op(address, op)};
        switch (tape_op_class(op)) {
        case TAPE_CLASS_BLOB:
            r->size = number(12);
            r->push = (uint32_t)(r->size + 3) / 4;
            break;
        case TAPE_CLASS_ALLOC:
        case TAPE_CLASS_REALLOC:
            r->size = below(20) == 0 ? UINT64_MAX : number(40);
            r->pop_align = (uint32_t)number(TAPE_POP_BITS);
            if (tape_op_has_align(op))
                r->pop_align |= (uint32_t)below(64) << TAPE_POP_BITS;
            r->push = (uint32_t)number(below(100) == 0 ? 14 : 5);
            break;
        case TAPE_CLASS_SAMPLE:
            r->size = number(63);
            break;
        default:
            break;
        }
        room += r->push;
    }
    s.frame = xcalloc(room + 1, sizeof *s.frame);
    s.address = xcalloc(s.addresses, sizeof *s.address);
    for (size_t i = 0; i < s.addresses; i++)
        s.address[i] = number(64);
    for (size_t i = 0; i < s.records; i++) {
        bool stack = tape_op_has_stack(tape_record_op(&s.record[i]));
        for (uint32_t k = 0; k < s.record[i].push; k++)
            s.frame[s.frames++] = (uint32_t)(stack ? below(s.addresses) : random_bits());
    }
    return s;
}

static void free_sample(struct sample *s) {
    free(s->record);
    free(s->frame);
    free(s->address);
}

/* Encoded in exactly as much memory as the encoder asks for; the caller frees *scratch. */
static struct tape_encoded encode(const struct sample *s, uint8_t **scratch) {
    *scratch = xmalloc(tape_events_scratch(s->records, s->frames, s->addresses));
    return tape_encode_events(s->record, s->records, s->frame, s->frames, s->address, s->addresses,
                              s->generation, s->shift, *scratch);
}

/* What decoding gives, in memory of its exact size, so that the sanitizers see what is outside. */
struct decoded {
    struct tape_events_in in;
    struct tape_record *record;
    uint32_t *frame;
    uint64_t *address;
    uint32_t records;
    enum tape_error error;
};

static struct decoded decode(const uint8_t *payload, size_t bytes, uint32_t events,
                             uint64_t first_stamp) {
    struct decoded d = {.record = NULL};
    d.error = tape_decode_head(&d.in, payload, bytes, events, first_stamp);
    if (d.error != TAPE_OK)
        return d;
    d.record = xmalloc(d.in.events * sizeof *d.record);
    d.frame = xmalloc(d.in.words * sizeof *d.frame);
    d.address = xmalloc(d.in.addresses * sizeof *d.address);
    d.error = tape_decode_body(&d.in, d.record, d.frame, d.address, &d.records);
    return d;
}

static void free_decoded(struct decoded *d) {
    free(d->record);
    free(d->frame);
    free(d->address);
}

/* Records are as they were, but for what the encoder leaves out. */
static void expect_event(const struct sample *s, const struct tape_record *r, const uint32_t *frame,
                         const struct decoded *d, const struct tape_record *got,
                         const uint32_t *got_frame) {
    unsigned op = tape_record_op(r);
    assert_true(got->addr_op == r->addr_op);
    assert_int_equal(got->push, r->push);
    switch (tape_op_class(op)) {
    case TAPE_CLASS_ALLOC:
    case TAPE_CLASS_REALLOC:
        assert_true(got->size == r->size);
        assert_int_equal(got->pop_align, r->pop_align);
        for (uint32_t k = 0; k < r->push; k++) {
            assert_true(got_frame[k] < d->in.addresses);
            assert_true(d->address[got_frame[k]] == s->address[frame[k]]);
        }
        break;
    case TAPE_CLASS_BLOB:
        assert_true(got->size == r->size);
        if (r->size > 0)
            assert_memory_equal(got_frame, frame, r->size);
        break;
    case TAPE_CLASS_SAMPLE:
        assert_true(got->size == r->size);
        break;
    default:
        assert_true(got->size == 0 && got->pop_align == 0);
        break;
    }
}

static void expect_decoded(const struct sample *s, const struct tape_encoded *encoded) {
    struct decoded d =
        decode(encoded->payload, encoded->bytes, (uint32_t)s->records, encoded->first_stamp);
    assert_int_equal(d.error, TAPE_OK);
    assert_true(d.in.generation == s->generation);
    assert_int_equal(d.records, s->records);
    size_t frame = 0;
    uint64_t stamp = 0;
    for (size_t i = 0; i < s->records; i++) {
        stamp = s->record[i].stamp > stamp ? s->record[i].stamp : stamp;
        assert_true(d.record[i].stamp >> s->shift == stamp >> s->shift);
        assert_true(i > 0 || d.record[i].stamp == stamp);
        expect_event(s, &s->record[i], s->frame + frame, &d, &d.record[i], d.frame + frame);
        frame += s->record[i].push;
    }
    assert_true(frame <= d.in.words);
    assert_true(encoded->last_stamp == stamp);
    free_decoded(&d);
}

static void events_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 400; i++) {
        struct sample s = make_sample();
        uint8_t *scratch;
        struct tape_encoded e = encode(&s, &scratch);
        expect_decoded(&s, &e);
        free(scratch);
        free_sample(&s);
    }
}

/* Decodes whatever it is to its end; true when nothing was wrong with it. What is good must be
 * whole: frames within the dictionary, bytes that can be read. */
static bool decode_all(const uint8_t *payload, size_t bytes, uint32_t events) {
    struct decoded d = decode(payload, bytes, events, 1000);
    volatile uint32_t sink = 0;
    size_t frame = 0;
    assert_true(d.records <= events);
    for (uint32_t i = 0; i < d.records; i++) {
        const struct tape_record *r = &d.record[i];
        assert_true(r->stamp >= 1000 && tape_op_class(tape_record_op(r)) != TAPE_CLASS_NONE);
        for (uint32_t k = 0; k < r->push; k++) {
            sink ^= d.frame[frame + k];
            assert_true(!tape_op_has_stack(tape_record_op(r)) ||
                        d.frame[frame + k] < d.in.addresses);
        }
        frame += r->push;
    }
    (void)sink;
    free_decoded(&d);
    return d.error == TAPE_OK && d.records == events;
}

/* An address is taken from at most 255 events before, and only where both are about blocks. */
static void addresses_again(void **state) {
    (void)state;
    enum { SPAN = TAPE_BACK_MAX };
    const struct {
        size_t distance;
        unsigned first, last;
        bool taken;
    } cases[] = {
        {1, TAPE_OP_malloc, TAPE_OP_free, true},
        {1, TAPE_OP_free, TAPE_OP_malloc, true},
        {SPAN, TAPE_OP_REALLOC_FROM, TAPE_OP_realloc, true},
        {SPAN + 1, TAPE_OP_malloc, TAPE_OP_free, false},
        {2, TAPE_OP_SAMPLE, TAPE_OP_malloc, false},
        {2, TAPE_OP_free, TAPE_OP_SAMPLE, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct tape_record r[SPAN + 2] = {{0}};
        size_t n = cases[k].distance + 1;
        for (size_t i = 0; i < n; i++)
            r[i].addr_op = tape_addr_op(0, TAPE_OP_SAMPLE);
        r[0].addr_op = tape_addr_op(UINT64_C(0x7f1234567890), cases[k].first);
        r[n - 1].addr_op = tape_addr_op(UINT64_C(0x7f1234567890), cases[k].last);
        struct sample s = {.record = r, .records = n};
        uint8_t *scratch;
        struct tape_encoded e = encode(&s, &scratch);
        expect_decoded(&s, &e);
        struct tape_events_in in;
        assert_int_equal(tape_decode_head(&in, e.payload, e.bytes, (uint32_t)n, e.first_stamp),
                         TAPE_OK);
        assert_int_equal(tape_in_left(&in.column[TAPE_COL_BACK]), cases[k].taken);
        if (cases[k].taken) { /* the last byte of the payload: behind the start, and nowhere */
            uint8_t *distance = (uint8_t *)(uintptr_t)e.payload + e.bytes - 1;
            assert_int_equal(*distance, cases[k].distance);
            *distance = 0;
            assert_false(decode_all(e.payload, e.bytes, (uint32_t)n));
            *distance = (uint8_t)n;
            assert_false(n <= SPAN && decode_all(e.payload, e.bytes, (uint32_t)n));
        }
        free(scratch);
    }
}

/* Memory of its exact size, so that the sanitizers see a read behind its end. */
static bool decode_copy(const uint8_t *payload, size_t bytes, uint32_t events) {
    uint8_t *copy = xmalloc(bytes);
    tape_put_bytes(copy, payload, bytes);
    bool good = decode_all(copy, bytes, events);
    free(copy);
    return good;
}

static void damaged_events(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct sample s = make_sample();
        if (s.records > 200)
            s.records = 200; /* frames stay: the encoder may have more than it needs */
        uint8_t *scratch;
        struct tape_encoded e = encode(&s, &scratch);
        assert_true(decode_copy(e.payload, e.bytes, (uint32_t)s.records));
        assert_false(decode_copy(e.payload, e.bytes, (uint32_t)s.records + 1));
        assert_false(decode_copy(e.payload, e.bytes, (uint32_t)s.records - 1));
        size_t step = e.bytes / 500 + 1;
        for (size_t n = 0; n < e.bytes; n += step)
            assert_false(decode_copy(e.payload, n, (uint32_t)s.records));
        uint8_t *payload = (uint8_t *)(uintptr_t)e.payload;
        for (size_t n = 0; n < e.bytes; n += step) {
            uint8_t flip = (uint8_t)(1 + below(255));
            payload[n] ^= flip;
            decode_copy(payload, e.bytes, (uint32_t)s.records); /* may be another valid one */
            payload[n] ^= flip;
        }
        free(scratch);
        free_sample(&s);
    }
}

static void foreign_events(void **state) {
    (void)state;
    const uint8_t newer[] = {TAPE_EVENTS_PACKED + 1, 0};
    struct tape_events_in in;
    assert_int_equal(tape_decode_head(&in, newer, sizeof newer, 0, 0), TAPE_E_VERSION);
    const uint8_t shifted[] = {TAPE_EVENTS_VERSION, 33};
    assert_int_equal(tape_decode_head(&in, shifted, sizeof shifted, 0, 0), TAPE_E_LIMIT);
    for (int i = 0; i < 20000; i++) {
        uint8_t noise[80];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(below(4) == 0 ? random_bits() : below(4));
        noise[0] = TAPE_EVENTS_VERSION;
        decode_copy(noise, below(sizeof noise), (uint32_t)below(20));
    }
}

static int set_seed(void **state) {
    (void)state;
    seed = UINT64_C(0x123456789abcdef);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(varints),
        cmocka_unit_test(address_differences),
        cmocka_unit_test(checksums),
        cmocka_unit_test(file_headers),
        cmocka_unit_test(segment_headers),
        cmocka_unit_test(chunk_headers),
        cmocka_unit_test(info_fields),
        cmocka_unit_test(modules),
        cmocka_unit_test(events_round_trip),
        cmocka_unit_test(addresses_again),
        cmocka_unit_test(damaged_events),
        cmocka_unit_test(foreign_events),
    };
    return cmocka_run_group_tests(tests, set_seed, NULL);
}
