/* SPDX-License-Identifier: MIT */
/* Each class of memory, from samples that are made up. */
#include "ledger.h"
#include "ledger_print.h"
#include "profile.h"
#include "tape_file.h"
#include "tape_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tape/memory.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define R   TAPE_MEMORY_READ
#define W   TAPE_MEMORY_WRITE
#define X   TAPE_MEMORY_EXECUTE

static const uint64_t stack[] = {0x1001, 0x1002};

struct part {
    uint8_t bytes[16384];
    size_t count;
    uint64_t end;
};

static void begin(struct part *p, bool last) {
    const struct tape_memory_head h = {.last = last, .mono = 1, .cost = 1, .peak = 500 * MIB};
    p->count = (size_t)(tape_put_memory_head(p->bytes, &h) - p->bytes);
    p->end = 0;
}

static void add(struct part *p, uint64_t start, uint64_t size, unsigned kind, unsigned bits,
                uint64_t resident, uint64_t anonymous, const char *name) {
    const struct tape_memory_mapping m = {.start = start,
                                          .end = start + size,
                                          .kind = (uint8_t)kind,
                                          .bits = (uint8_t)(bits |
                                                            (name != NULL ? TAPE_MEMORY_NAMED : 0)),
                                          .resident = resident,
                                          .anonymous = anonymous,
                                          .name_len = name != NULL ? strlen(name) : 0,
                                          .name = name};
    p->count = (size_t)(tape_put_memory_mapping(p->bytes + p->count, &m, p->end) - p->bytes);
    p->end = m.end;
}

static void put(struct writer *w, const struct part *p, uint64_t stamp, uint64_t number) {
    writer_blob(w, 1, stamp, TAPE_OP_MEMORY, number, p->bytes, p->count);
}

static struct profile *run(struct writer *w, struct tape_file **tape) {
    char path[] = "/tmp/heaptape-ledger-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    writer_chunk(w, 1, false);
    writer_save(w, path);
    writer_free(w);
    *tape = tape_file_open(path);
    assert_non_null(*tape);
    unlink(path);
    return profile_run(*tape, NULL);
}

static void test_classes(void **state) {
    (void)state;
    struct writer *w = writer_new();
    struct part p;
    struct tape_file *tape;
    writer_thread(w, 1, 1, 100, "main");
    /* the heap: in the data segment, in an arena of glibc's, in a mapping of its own */
    writer_alloc(w, 1, 2, TAPE_OP_malloc, 0x20000010, 3 * MIB, 0, stack, 2);
    writer_alloc(w, 1, 3, TAPE_OP_malloc, 0x7f0010000010, MIB, 0, stack, 2);
    /* direct: one that is touched in part, one of the allocator's, one next to it */
    writer_alloc(w, 1, 4, TAPE_OP_MMAP, 0x7f0020000000, 8 * MIB, 0, stack, 2);
    writer_alloc(w, 1, 5, TAPE_OP_MMAP, 0x7f0030000000, 4 * MIB, TAPE_MAPPING_ALLOCATOR, stack, 1);
    begin(&p, false);
    add(&p, 0x10000000, 64 * KIB, TAPE_MEMORY_FILE, R | X, 60 * KIB, 0, "/bin/prog");
    add(&p, 0x10010000, 16 * KIB, TAPE_MEMORY_FILE, R | W, 16 * KIB, 12 * KIB, NULL);
    add(&p, 0x10014000, 32 * KIB, TAPE_MEMORY_ANONYMOUS, R | W, 8 * KIB, 8 * KIB, NULL); /* .bss */
    add(&p, 0x20000000, 4 * MIB, TAPE_MEMORY_BRK, R | W, 3 * MIB + 100 * KIB, 3 * MIB, NULL);
    put(w, &p, 10, 0);
    begin(&p, true);
    add(&p, 0x7f0004000000, 128 * KIB, TAPE_MEMORY_ANONYMOUS, R | W, 20 * KIB, 20 * KIB, NULL);
    add(&p, 0x7f0004020000, 64 * MIB - 128 * KIB, TAPE_MEMORY_ANONYMOUS, 0, 0, 0, NULL);
    add(&p, 0x7f0010000000, MIB + 4 * KIB, TAPE_MEMORY_ANONYMOUS, R | W, 400 * KIB, 400 * KIB,
        NULL);
    add(&p, 0x7f0020000000, 8 * MIB, TAPE_MEMORY_ANONYMOUS, R | W, 5 * MIB, 5 * MIB, NULL);
    add(&p, 0x7f0030000000, 4 * MIB, TAPE_MEMORY_ANONYMOUS, R | W, 2 * MIB, 2 * MIB, NULL);
    add(&p, 0x7f0040000000, 4 * KIB, TAPE_MEMORY_ANONYMOUS, 0, 0, 0, NULL); /* a guard */
    add(&p, 0x7f0040001000, 8 * MIB, TAPE_MEMORY_ANONYMOUS, R | W, 24 * KIB, 24 * KIB, NULL);
    add(&p, 0x7f0050000000, MIB, TAPE_MEMORY_ANONYMOUS, R | W | TAPE_MEMORY_THREAD, 40 * KIB,
        40 * KIB, NULL);
    add(&p, 0x7f0060000000, MIB, TAPE_MEMORY_ANONYMOUS, R | W | TAPE_MEMORY_OWN, 88 * KIB, 88 * KIB,
        NULL);
    add(&p, 0x7f0061000000, MIB, TAPE_MEMORY_FILE, R | X, 44 * KIB, 0,
        "/usr/lib/heaptape/libheaptape.so");
    add(&p, 0x7f0062000000, MIB, TAPE_MEMORY_FILE, R | W | TAPE_MEMORY_SHARED, 300 * KIB, 0,
        "/memfd:x (deleted)");
    add(&p, 0x7f0063000000, MIB, TAPE_MEMORY_FILE, R, 700 * KIB, 0, "/data/file");
    add(&p, 0x7f0070000000, MIB, TAPE_MEMORY_ANONYMOUS, R | W, 30 * KIB, 30 * KIB, NULL);
    add(&p, 0x7fff00000000, 132 * KIB, TAPE_MEMORY_STACK, R | W, 16 * KIB, 16 * KIB, NULL);
    add(&p, 0x7fff10000000, 8 * KIB, TAPE_MEMORY_OTHER, R | X, 4 * KIB, 0, "[vdso]");
    put(w, &p, 11, 1);
    struct profile *f = run(w, &tape);
    const struct ledger *l = f->ledger;
    const struct ledger_row *r = &l->peak;
    assert_int_equal(l->samples, 1);
    assert_int_equal(l->peak_rss, 500 * MIB);
    assert_int_equal(r->bytes[LEDGER_HEAP], 3 * MIB + 100 * KIB + 20 * KIB + 400 * KIB + 2 * MIB);
    assert_int_equal(r->live, 4 * MIB);
    assert_int_equal(r->bytes[LEDGER_DIRECT], 5 * MIB);
    assert_int_equal(r->bytes[LEDGER_STACKS], (24 + 40 + 16) * KIB);
    assert_int_equal(r->bytes[LEDGER_DATA], (12 + 8) * KIB);
    assert_int_equal(r->bytes[LEDGER_FILES], (60 + 4 + 700) * KIB);
    assert_int_equal(r->bytes[LEDGER_SHARED], 300 * KIB);
    assert_int_equal(r->bytes[LEDGER_OWN], (88 + 44) * KIB);
    assert_int_equal(r->bytes[LEDGER_KERNEL], 4 * KIB);
    assert_int_equal(r->bytes[LEDGER_RESIDUAL], 30 * KIB);
    uint64_t sum = 0;
    for (int c = 0; c < LEDGER_CLASSES; c++)
        sum += r->bytes[c];
    assert_int_equal(sum, r->resident);
    assert_int_equal(l->site_count, 1);
    assert_int_equal(l->sites[0].resident, 5 * MIB);
    assert_int_equal(l->sites[0].size, 8 * MIB);
    /* none of it is the heap's */
    assert_int_equal(replay_counts(f->replay)->live_bytes, 4 * MIB);
    assert_int_equal(replay_counts(f->replay)->allocations, 2);
    profile_free(f);
    tape_file_close(tape);
}

/* Neighbours that the kernel has made one: a block's own mapping beside a direct one. */
static void test_joined_neighbours(void **state) {
    (void)state;
    struct writer *w = writer_new();
    struct part p;
    struct tape_file *tape;
    writer_thread(w, 1, 1, 100, "main");
    writer_alloc(w, 1, 2, TAPE_OP_malloc, 0x7f0000000010, 3 * MIB, 0, stack, 2);
    writer_alloc(w, 1, 3, TAPE_OP_MMAP, 0x7f0000400000, 4 * MIB, 0, stack, 2);
    begin(&p, true);
    add(&p, 0x7f0000000000, 8 * MIB, TAPE_MEMORY_ANONYMOUS, R | W, 6 * MIB, 6 * MIB, NULL);
    put(w, &p, 10, 0);
    struct profile *f = run(w, &tape);
    const struct ledger_row *r = &f->ledger->peak;
    assert_int_equal(r->bytes[LEDGER_DIRECT], 3 * MIB);
    assert_int_equal(r->bytes[LEDGER_HEAP], 3 * MIB);
    assert_int_equal(ledger_live(r), 3 * MIB);
    profile_free(f);
    tape_file_close(tape);
}

/* A part that is missing makes the sample none; many samples are thinned, the greatest is kept. */
static void test_many_samples(void **state) {
    (void)state;
    struct writer *w = writer_new();
    struct part p;
    struct tape_file *tape;
    writer_thread(w, 1, 1, 100, "main");
    begin(&p, true);
    add(&p, 0x20000000, 400 * MIB, TAPE_MEMORY_BRK, R | W, 300 * MIB, 300 * MIB, NULL);
    put(w, &p, 2, 1); /* without its part 0 */
    for (uint64_t i = 0; i < 5000; i++) {
        begin(&p, true);
        add(&p, 0x20000000, 400 * MIB, TAPE_MEMORY_BRK, R | W,
            (i == 3333 ? 200 : 1 + i % 100) * MIB, 0, NULL);
        put(w, &p, 10 + i, 0);
    }
    struct profile *f = run(w, &tape);
    const struct ledger *l = f->ledger;
    assert_int_equal(l->samples, 5000);
    assert_int_equal(l->peak.resident, 200 * MIB);
    assert_true(l->row_count <= LEDGER_ROWS && l->row_count > LEDGER_ROWS / 4);
    for (size_t i = 1; i < l->row_count; i++)
        assert_true(l->rows[i - 1].time < l->rows[i].time);
    assert_true(l->rows[l->row_count - 1].time > 4900);
    profile_free(f);
    tape_file_close(tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_joined_neighbours),
        cmocka_unit_test(test_many_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
