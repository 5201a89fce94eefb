/* SPDX-License-Identifier: MIT */
/* Heap images: what is written is read, and damage of any kind is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "block_index.h"
#include "diag.h"
#include "heap_image.h"
#include "region_use.h"
#include "scratch_directory.h"
#include "tape_writer.h"
#include "word_order.h"

static const char tape_path[] = "image.tape";
static uint64_t seed = UINT64_C(0x2468ace13579bd);

static uint64_t below(uint64_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* A tape with an image of 40 words in three regions. */
static struct writer *written(size_t per_chunk, enum tape_codec codec, uint64_t number) {
    struct writer *w = writer_new();
    uint64_t stack[1] = {0x400010};
    w->codec = codec;
    writer_thread(w, 1, 1, 11, "main");
    writer_alloc(w, 1, 2, TAPE_OP_malloc, 0x10000, 100, 0, stack, 1);
    writer_thread(w, 7, 3, 12, "worker");
    writer_image(w, number, 77, number != 1 ? "a mark" : NULL);
    uint32_t high = writer_image_region(w, 0x7f0000000000, 0x10000, TAPE_REGION_STACK, 12);
    uint32_t low = writer_image_region(w, 0x10000, 0x1000, TAPE_REGION_OTHER, 0);
    uint32_t registers = writer_image_region(w, 0, 64, TAPE_REGION_REGISTERS, 12);
    for (unsigned i = 0; i < 20; i++) {
        writer_image_word(w, high, 0x7f0000000000 + 64 * i, 0x10000 + 8 * i);
        if (i == 9)
            writer_image_word(w, registers, 56, 0x10010);
    }
    for (unsigned i = 0; i < 19; i++)
        writer_image_word(w, low, 0x10008 + 8 * i, UINT64_MAX - i * UINT64_C(0x123456789ab));
    writer_image_end(w, per_chunk, NULL);
    return w;
}

static struct heap_image *open_saved(uint64_t number, char **reason) {
    struct tape_file *tape = tape_file_open(tape_path);
    *reason = NULL;
    if (tape == NULL)
        return NULL;
    struct heap_image *m =
        heap_image_open(tape, &(struct image_choice){.by = IMAGE_NUMBER, .number = number}, reason);
    assert_true((m == NULL) == (*reason != NULL));
    tape_file_close(tape);
    return m;
}

static void expect_whole(const struct heap_image *m, uint64_t number) {
    assert_int_equal(m->number, number);
    assert_int_equal(m->stamp, 77);
    assert_int_equal(m->reason, number != 1 ? TAPE_IMAGE_MARK : TAPE_IMAGE_EXIT);
    assert_true(m->frozen);
    assert_null(m->incomplete);
    assert_int_equal(m->scanned, 320);
    assert_int_equal(m->ns, 1234);
    assert_int_equal(m->stream_count, 2);
    assert_int_equal(m->stream[0].stream, 1);
    assert_int_equal(m->stream[0].events, 2);
    assert_int_equal(m->stream[1].stream, 7);
    assert_int_equal(m->region_count, 3);
    assert_int_equal(m->region[0].is.kind, TAPE_REGION_STACK);
    assert_int_equal(m->region[0].is.tid, 12);
    assert_int_equal(m->region[0].count, 20);
    assert_int_equal(m->region[1].count, 19);
    assert_int_equal(m->region[2].count, 1);
    assert_int_equal(m->word_count, 40);
    assert_int_equal(m->memory_count, 39);
    for (unsigned i = 0; i < 20; i++) {
        const struct tape_word *w = &m->word[m->region[0].first + i];
        assert_int_equal(w->address, 0x7f0000000000 + 64 * i);
        assert_int_equal(w->value, 0x10000 + 8 * i);
        assert_int_equal(heap_image_word(m, w->address)->value, w->value);
        assert_null(heap_image_word(m, w->address + 8));
    }
    for (unsigned i = 0; i < 19; i++)
        assert_int_equal(heap_image_word(m, 0x10008 + 8 * i)->value,
                         UINT64_MAX - i * UINT64_C(0x123456789ab));
    assert_int_equal(m->memory[0].address, 0x10008);
    assert_int_equal(heap_image_find(m, UINT64_MAX), 39);
    assert_int_equal(heap_image_find(m, 0), 0);
}

static void test_round_trip(void **state) {
    (void)state;
    for (size_t per_chunk = 1; per_chunk < 50; per_chunk += 3)
        for (int codec = TAPE_CODEC_STORED; codec <= TAPE_CODEC_ZSTD; codec++) {
            char *reason;
            struct writer *w = written(per_chunk, (enum tape_codec)codec, 1);
            writer_close(w, 100, 100, "exit");
            writer_save(w, tape_path);
            writer_free(w);
            struct heap_image *m = open_saved(1, &reason);
            assert_null(reason);
            expect_whole(m, 1);
            heap_image_free(m);
        }
}

static void expect_reason(struct writer *w, uint64_t number, const char *part) {
    char *reason;
    writer_save(w, tape_path);
    writer_free(w);
    struct heap_image *m = open_saved(number, &reason);
    if (reason == NULL || strstr(reason, part) == NULL)
        fail_msg("'%s' instead of '%s'", reason != NULL ? reason : "nothing", part);
    assert_null(m);
    free(reason);
}

static void test_empty(void **state) {
    (void)state;
    char *reason;
    struct writer *w = writer_new();
    writer_thread(w, 1, 1, 11, "main");
    writer_image(w, 1, 2, NULL);
    writer_image_end(w, 1, NULL);
    writer_save(w, tape_path);
    writer_free(w);
    struct heap_image *m = open_saved(1, &reason);
    assert_non_null(m);
    assert_int_equal(m->word_count, 0);
    assert_int_equal(m->region_count, 0);
    assert_null(heap_image_word(m, 8));
    heap_image_free(m);
}

static void test_what_is_refused(void **state) {
    (void)state;
    struct writer *w = written(9, TAPE_CODEC_STORED, 1);
    w->image.region[1].length = 0x90; /* the last words lie behind its end */
    writer_image(w, 2, 78, NULL);
    writer_image_region(w, 0x1000, 64, TAPE_REGION_OTHER, 0);
    writer_image_word(w, 0, 0x1040, 5);
    writer_image_end(w, 9, NULL);
    expect_reason(w, 2, "WORDS chunk at offset");

    w = written(9, TAPE_CODEC_ZSTD, 1);
    expect_reason(w, 2, "no heap image number 2");

    /* Without its end; without its second chunk of words. */
    for (int at = 0; at < 2; at++) {
        w = written(9, TAPE_CODEC_STORED, 1);
        struct tape_chunk_header h = {0};
        size_t cut = w->tape.count, chunks = 0;
        for (size_t i = TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES; i < w->tape.count;) {
            struct tape_in in = tape_in_of(w->tape.p + i, w->tape.count - i);
            assert_int_equal(tape_get_chunk_header(&in, &h), TAPE_OK);
            if (at == 0 && h.type == TAPE_CHUNK_IMAGE_END)
                cut = i;
            if (at == 1 && h.type == TAPE_CHUNK_WORDS && ++chunks == 2) {
                h.type = 99; /* one of a later heaptape */
                tape_put_chunk_header(w->tape.p + i, &h);
            }
            i += tape_chunk_span(h.stored_bytes);
        }
        w->tape.count = cut;
        expect_reason(w, 1, at == 0 ? "was not finished" : "has 31 of 40 words");
    }
}

/* The chunks of two images lie in the file the wrong way round. */
static void test_any_order(void **state) {
    (void)state;
    enum { MOST = 64 };
    struct writer *w = written(5, TAPE_CODEC_STORED, 1);
    writer_image(w, 2, 78, "another");
    writer_image_region(w, 0x10000, 0x1000, TAPE_REGION_OTHER, 0);
    for (unsigned i = 0; i < 30; i++)
        writer_image_word(w, 0, 0x10000 + 8 * i, i);
    writer_image_end(w, 4, NULL);
    size_t start[MOST] = {0}, span[MOST] = {0}, chunks = 0, first = 0, bytes = 0;
    for (size_t i = TAPE_FILE_HEADER_BYTES + TAPE_SEGMENT_HEADER_BYTES; i < w->tape.count;) {
        struct tape_chunk_header h;
        struct tape_in in = tape_in_of(w->tape.p + i, w->tape.count - i);
        assert_int_equal(tape_get_chunk_header(&in, &h), TAPE_OK);
        if (h.type >= TAPE_CHUNK_IMAGE && h.type <= TAPE_CHUNK_IMAGE_END) {
            first = chunks == 0 ? i : first;
            assert_true(chunks < MOST);
            start[chunks] = i;
            span[chunks++] = tape_chunk_span(h.stored_bytes);
        } else {
            assert_int_equal(chunks, 0);
        }
        i += tape_chunk_span(h.stored_bytes);
    }
    assert_true(chunks > 15);
    uint8_t *turned = xmalloc(w->tape.count - first);
    for (size_t i = chunks; i-- > 0; bytes += span[i])
        memcpy(turned + bytes, w->tape.p + start[i], span[i]);
    assert_int_equal(bytes, w->tape.count - first);
    memcpy(w->tape.p + first, turned, bytes);
    free(turned);
    writer_save(w, tape_path);
    writer_free(w);
    char *reason;
    struct heap_image *m = open_saved(1, &reason);
    assert_null(reason);
    expect_whole(m, 1);
    heap_image_free(m);
    m = open_saved(2, &reason);
    assert_null(reason);
    assert_int_equal(m->word_count, 30);
    heap_image_free(m);
    /* The newest is the one with the greatest number, not the last in the file. */
    struct tape_file *tape = tape_file_open(tape_path);
    m = heap_image_open(tape, &(struct image_choice){.by = IMAGE_MARK, .name = "another"}, &reason);
    assert_int_equal(m->number, 2);
    heap_image_free(m);
    m = heap_image_open(tape, &(struct image_choice){.by = IMAGE_NEWEST}, &reason);
    assert_int_equal(m->number, 1); /* that of the end */
    heap_image_free(m);
    tape_file_close(tape);
}

/* Every truncation, and every bit of the image's chunks turned over: the image as it was, or none;
 * and the sanitizers see what is read. */
static void test_damage(void **state) {
    (void)state;
    for (int codec = TAPE_CODEC_STORED; codec <= TAPE_CODEC_ZSTD; codec++) {
        struct writer *w = written(15, (enum tape_codec)codec, 1);
        writer_end(w);
        for (size_t n = TAPE_FILE_HEADER_BYTES; n < w->tape.count; n += 3) {
            char *reason;
            writer_save_bytes(tape_path, w->tape.p, n);
            struct heap_image *m = open_saved(1, &reason);
            if (n + 8 < w->tape.count)
                assert_null(m);
            heap_image_free(m);
            free(reason);
        }
        unsigned refused = 0, tried = 0;
        for (size_t bit = 8 * TAPE_FILE_HEADER_BYTES; bit < 8 * w->tape.count;
             bit += 1 + below(11)) {
            char *reason;
            w->tape.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            writer_save_bytes(tape_path, w->tape.p, w->tape.count);
            w->tape.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct heap_image *m = open_saved(1, &reason);
            if (m != NULL)
                expect_whole(m, 1);
            refused += m == NULL;
            tried++;
            heap_image_free(m);
            free(reason);
        }
        assert_true(refused > tried / 2);
        writer_free(w);
    }
}

/* Words that come in any number of pieces, some of them twice. */
static void test_pieces(void **state) {
    (void)state;
    enum { MOST = 300 };
    for (unsigned pieces = 0; pieces < 40; pieces++) {
        struct tape_word word[MOST];
        size_t n = 0;
        for (unsigned piece = 0; piece < pieces; piece++)
            for (uint64_t at = below(100); at < 1000 && n < MOST; at += 1 + below(500))
                word[n++] = (struct tape_word){8 * at, piece};
        word_order(word, n);
        for (size_t i = 1; i < n; i++)
            assert_true(
                word[i - 1].address < word[i].address ||
                (word[i - 1].address == word[i].address && word[i - 1].value <= word[i].value));
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += word[i].value < pieces;
        assert_int_equal(sum, n);
    }
}

static void test_words_twice(void **state) {
    (void)state;
    char *reason;
    struct writer *w = written(7, TAPE_CODEC_STORED, 1);
    writer_image(w, 2, 78, "twice");
    uint32_t a = writer_image_region(w, 0x10000, 0x1000, TAPE_REGION_OTHER, 0),
             b = writer_image_region(w, 0x20000, 0x1000, TAPE_REGION_OTHER, 0);
    static const uint64_t offsets[] = {8, 80, 88, 16, 80, 160, 8};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        writer_image_word(w, a, 0x10000 + offsets[i], 1000 + offsets[i]);
        writer_image_word(w, b, 0x20000 + offsets[i], 2000 + offsets[i]);
    }
    writer_image_end(w, 3, NULL);
    writer_close(w, 100, 100, "exit");
    writer_save(w, tape_path);
    writer_free(w);
    struct heap_image *m = open_saved(2, &reason);
    assert_null(reason);
    assert_int_equal(m->memory_count, 10);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        assert_int_equal(heap_image_word(m, 0x10000 + offsets[i])->value, 1000 + offsets[i]);
        assert_int_equal(heap_image_word(m, 0x20000 + offsets[i])->value, 2000 + offsets[i]);
    }
    heap_image_free(m);
}

/* Regions that were not looked at as a whole are named at the end. */
static void test_partly(void **state) {
    (void)state;
    for (unsigned named = 0; named < 4; named++) {
        char *reason;
        struct writer *w = written(7, TAPE_CODEC_STORED, 1);
        writer_image(w, 2, 78, "partly");
        for (unsigned i = 0; i < 3; i++)
            writer_image_region(w, 0x10000 * (i + 1), 0x1000, TAPE_REGION_OTHER, 0);
        w->image.partly = named + 1;
        writer_image_end(w, 3, NULL);
        writer_close(w, 100, 100, "exit");
        if (named == 3) { /* there is no such region */
            expect_reason(w, 2, "damaged");
            continue;
        }
        writer_save(w, tape_path);
        writer_free(w);
        struct heap_image *m = open_saved(2, &reason);
        assert_null(reason);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(m->region[i].is.flags, i == named ? TAPE_REGION_PARTLY : 0);
        heap_image_free(m);
    }
}

/* Payloads that have good checksums and bad content: no more memory than the input has bytes. */
static void test_bad_words(void **state) {
    (void)state;
    const uint64_t starts[2] = {0x1000, 0x2000};
    struct tape_word word[64], got[64];
    struct tape_word_run run[2] = {{0, 3}, {1, 5}}, got_run[64];
    for (unsigned i = 0; i < 8; i++)
        word[i] = (struct tape_word){(i < 3 ? 0x1000 : 0x2000) + 8 * i, 77 * i};
    uint8_t bytes[512];
    size_t n = (size_t)(tape_put_words(bytes, 3, run, 2, word, 8, starts) - bytes);
    assert_true(n <= tape_words_room(2, 8));
    for (size_t cut = 0; cut <= n; cut++)
        for (unsigned bit = 0; bit < 8 * cut + 1; bit++) {
            uint8_t changed[512];
            memcpy(changed, bytes, n);
            if (bit != 0)
                changed[(bit - 1) / 8] ^= (uint8_t)(1 << (bit - 1) % 8);
            /* Exactly as long as it is, so that the sanitizers see what is read behind it. */
            uint8_t *exact = xmalloc(cut + 1);
            memcpy(exact, changed, cut);
            struct tape_in in = tape_in_of(exact, cut);
            struct tape_words_head head;
            enum tape_error error = tape_get_words_head(&in, &head);
            if (error == TAPE_OK) {
                assert_true((head.runs + head.words) * 2 <= n);
                assert_true(head.runs <= 64 && head.words <= 64);
                error = tape_get_words(&in, &head, starts, 2, got_run, got);
            }
            if (bit == 0 && cut < n)
                assert_int_not_equal(error, TAPE_OK);
            if (bit == 0 && cut == n)
                assert_int_equal(error, TAPE_OK);
            free(exact);
        }
    struct tape_in in = tape_in_of(bytes, n);
    struct tape_words_head head;
    assert_int_equal(tape_get_words_head(&in, &head), TAPE_OK);
    assert_int_equal(tape_get_words(&in, &head, starts, 1, got_run, got), TAPE_E_LIMIT);
    for (unsigned i = 0; i < 8; i++)
        got[i] = (struct tape_word){0};
    in = tape_in_of(bytes, n);
    tape_get_words_head(&in, &head);
    assert_int_equal(head.image, 3);
    assert_int_equal(tape_get_words(&in, &head, starts, 2, got_run, got), TAPE_OK);
    assert_memory_equal(got, word, 8 * sizeof *word);
}

/* ---- who holds an address ----------------------------------------------------------------- */

static void test_block_index(void **state) {
    (void)state;
    enum { MOST = 300 };
    for (unsigned round = 0; round < 200; round++) {
        struct block_extent extent[MOST];
        uint32_t count = (uint32_t)below(MOST);
        uint64_t next = 0x1000;
        for (uint32_t i = 0; i < count; i++) {
            next += below(3) == 0 ? below(200) : below(50) == 0 ? below(UINT64_C(1) << 40) : 0;
            extent[i].start = next;
            next += 1 + (below(20) == 0 ? below(UINT64_C(1) << 22) : below(64));
            extent[i].end = next;
        }
        struct block_index x;
        block_index_make(&x, extent, count);
        assert_int_equal(block_index_find(&x, 0), BLOCK_NONE);
        assert_int_equal(block_index_find(&x, UINT64_MAX), BLOCK_NONE);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(block_index_find(&x, extent[i].start), i);
            assert_int_equal(block_index_find(&x, extent[i].end - 1), i);
            bool touches = i + 1 < count && extent[i + 1].start == extent[i].end;
            assert_int_equal(block_index_find(&x, extent[i].end), touches ? i + 1 : BLOCK_NONE);
            if (i == 0 || extent[i - 1].end < extent[i].start)
                assert_int_equal(block_index_find(&x, extent[i].start - 1), BLOCK_NONE);
        }
        block_index_free(&x);
    }
}

/* One word on each page; `root` by word: whether it is one. */
static void expect_roots(const struct region_use *use, const struct heap_image *image,
                         const bool *expected) {
    bool *root = region_use_roots(use);
    for (uint32_t r = 0, n = 0; r < image->region_count; r++)
        for (uint64_t at = 0; at < image->region[r].is.length; at += REGION_USE_PAGE, n++) {
            bool found = false;
            for (size_t k = 0; k < image->region[r].count; k++)
                found |= image->word[image->region[r].first + k].address ==
                         image->region[r].is.start + at + 8;
            assert_int_equal(root[r] && found, expected[n]);
        }
    free(root);
}

static void test_region_use(void **state) {
    (void)state;
    static const struct {
        uint64_t address, size;
        bool root[6];
    } cases[] = {
        {0xfff, 1, {true, true, true, true, true, false}},
        {0xfff, 2, {false, true, true, true, true, false}},
        {0x1fff, 0, {false, true, true, true, true, false}},
        {0x2000, 0, {true, true, true, true, false, false}},
        {0x1800, 0x1801, {false, false, true, true, false, false}},
        {0x4000, 99, {true, true, false, true, true, false}},
        {0x4f00, 0x1000, {true, true, false, false, true, false}},
        {0x6000, 99, {true, true, true, true, true, false}},
        {0x100, UINT64_MAX, {false, false, false, false, false, false}},
        {0x8000, 8, {true, true, true, true, true, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct image_region region[] = {
            {.is = {.start = 0x1000, .length = 0x1000, .kind = TAPE_REGION_OTHER}, 0, 1},
            {.is = {.start = 0x3000, .length = 0x3000, .kind = TAPE_REGION_OTHER}, 1, 3},
            {.is = {.start = 0x2000, .length = 0x1000, .kind = TAPE_REGION_OTHER}, 4, 1},
            {.is = {.start = 0x8000, .length = 0x1000, .kind = TAPE_REGION_ALLOCATOR}, 5, 1},
        };
        struct tape_word word[] = {{0x1008, 1}, {0x3008, 1}, {0x4008, 1},
                                   {0x5008, 1}, {0x2008, 1}, {0x8008, 1}};
        struct heap_image image = {.region = region,
                                   .region_count = 4,
                                   .word = word,
                                   .word_count = 6};
        struct region_use use;
        region_use_make(&use, &image);
        for (int twice = 0; twice < 2; twice++)
            region_use_note(&use, cases[i].address, cases[i].size);
        expect_roots(&use, &image, cases[i].root);
        region_use_free(&use);
    }
}

/* A block that was a mapping of its own leaves nothing behind; others do. */
static void test_region_use_freed(void **state) {
    (void)state;
    enum { LENGTH = 0x21000 };
    static const struct {
        uint64_t address, size;
        bool root;
    } cases[] = {{0x10010, 0x20000, true}, {0x10010, 0x1ffff, false}, {0x10020, 0x20000, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct image_region region = {
            .is = {.start = 0x10000, .length = LENGTH, .kind = TAPE_REGION_OTHER}};
        struct tape_word word[LENGTH / REGION_USE_PAGE];
        bool expected[LENGTH / REGION_USE_PAGE];
        for (; region.count < LENGTH / REGION_USE_PAGE; region.count++) {
            word[region.count] =
                (struct tape_word){0x10008 + region.count * REGION_USE_PAGE, 0x10010};
            expected[region.count] = cases[i].root || region.count * REGION_USE_PAGE + 0x10000 >=
                                                          cases[i].address + cases[i].size;
        }
        struct heap_image image = {.region = &region, .region_count = 1, .word = word};
        struct region_use use;
        region_use_make(&use, &image);
        region_use_note(&use, cases[i].address, cases[i].size);
        region_use_forget(&use, cases[i].address, cases[i].size);
        expect_roots(&use, &image, expected);
        region_use_free(&use);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_empty),
        cmocka_unit_test(test_any_order),   cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_bad_words),
        cmocka_unit_test(test_block_index), cmocka_unit_test(test_partly),
        cmocka_unit_test(test_pieces),      cmocka_unit_test(test_words_twice),
        cmocka_unit_test(test_region_use),  cmocka_unit_test(test_region_use_freed),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
