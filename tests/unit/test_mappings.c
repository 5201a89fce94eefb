/* SPDX-License-Identifier: MIT */
/* Ranges of direct mappings beside a model that knows the call that mapped each page. */
#include "mappings.h"
#include "replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define PAGE    UINT64_C(4096)
#define PAGES   4096 /* room for more ranges than a chunk of them holds */
#define BASE    UINT64_C(0x10000000)
#define THREADS 3

static struct tape_event event(unsigned op, uint64_t page, uint64_t pages, unsigned flags) {
    return (struct tape_event){.op = (uint8_t)op,
                               .address = BASE + page * PAGE,
                               .size = pages * PAGE,
                               .align_log2 = (uint8_t)flags};
}

static void compare(struct mappings *m, const uint32_t *model) {
    size_t count;
    const struct mapping *range = mappings_list(m, &count);
    uint32_t found[PAGES] = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(range[i].start < range[i].end && range[i].start % PAGE == 0);
        assert_true(i == 0 || range[i - 1].end <= range[i].start);
        for (uint64_t a = range[i].start; a < range[i].end; a += PAGE)
            found[(a - BASE) / PAGE] = range[i].stack;
        bytes += range[i].end - range[i].start;
    }
    assert_memory_equal(found, model, sizeof found);
    uint64_t gap = BASE + (uint64_t)rand() % PAGES * PAGE, next = gap, end = gap;
    while (next < BASE + PAGES * PAGE && model[(next - BASE) / PAGE] != 0)
        next += PAGE;
    assert_int_equal(mappings_next_gap(m, gap), next);
    for (end = next; end < BASE + PAGES * PAGE && model[(end - BASE) / PAGE] == 0;)
        end += PAGE;
    if (end < BASE + PAGES * PAGE)
        assert_int_equal(mappings_gap_end(m, next), end);
    else if (next < end)
        assert_true(mappings_gap_end(m, next) == UINT64_MAX);
    assert_int_equal(mappings_counts(m)->live_bytes, bytes);
}

static void test_random_calls(void **state) {
    (void)state;
    struct mappings *m = mappings_new();
    uint32_t model[PAGES] = {0}, before[PAGES];
    uint64_t most = 0;
    srand(1);
    for (uint32_t i = 1; i < 20000; i++) {
        uint64_t page = (uint64_t)rand() % PAGES,
                 pages = 1 + (uint64_t)rand() % (i % 1000 < 100 ? 200 : 5);
        uint32_t thread = (uint32_t)rand() % THREADS, stack = 0;
        unsigned op = rand() % 2 == 0 ? TAPE_OP_MMAP : TAPE_OP_MUNMAP;
        if (page + pages > PAGES)
            pages = PAGES - page;
        struct tape_event e = event(op, page, pages, 0);
        if (op == TAPE_OP_MMAP)
            stack = i;
        memcpy(before, model, sizeof model);
        for (uint64_t k = page; k < page + pages; k++)
            model[k] = stack;
        mappings_take(m, &e, i, thread, stack);
        if (op == TAPE_OP_MUNMAP && rand() % 4 == 0) { /* it failed */
            e.align_log2 = TAPE_MAPPING_FAILED;
            mappings_take(m, &e, i, thread, 0);
            memcpy(model, before, sizeof model);
        }
        compare(m, model);
        most = mappings_counts(m)->live_bytes > most ? mappings_counts(m)->live_bytes : most;
    }
    assert_int_equal(mappings_counts(m)->peak_bytes, most);
    assert_true(mappings_counts(m)->failed > 100);
    mappings_free(m);
}

static void test_kinds(void **state) {
    (void)state;
    struct mappings *m = mappings_new();
    size_t count;
    struct tape_event e = event(TAPE_OP_MMAP, 0, 10, TAPE_MAPPING_NO_ACCESS);
    mappings_take(m, &e, 1, 0, 1);
    e = event(TAPE_OP_MMAP, 20, 10, TAPE_MAPPING_ALLOCATOR);
    mappings_take(m, &e, 2, 0, 2);
    assert_int_equal(mappings_counts(m)->live_bytes, 0);
    assert_int_equal(mappings_counts(m)->allocator_bytes, 10 * PAGE);
    /* sizes are rounded up */
    e = event(TAPE_OP_MMAP, 40, 0, 0);
    e.size = PAGE + 1;
    mappings_take(m, &e, 3, 0, 3);
    assert_int_equal(mappings_counts(m)->live_bytes, 2 * PAGE);
    /* a segment of shared memory goes as a whole */
    e = event(TAPE_OP_MMAP, 50, 7, TAPE_MAPPING_FILE | TAPE_MAPPING_SHARED);
    mappings_take(m, &e, 4, 0, 4);
    e = event(TAPE_OP_MUNMAP, 50, 0, TAPE_MAPPING_FILE | TAPE_MAPPING_SHARED);
    mappings_take(m, &e, 5, 0, 5);
    assert_int_equal(mappings_counts(m)->live_bytes, 2 * PAGE);
    assert_int_equal(mappings_counts(m)->peak_bytes, 9 * PAGE);
    /* the data segment grows and shrinks */
    e = (struct tape_event){.op = TAPE_OP_BRK,
                            .address = BASE + 90 * PAGE,
                            .size = BASE + 80 * PAGE};
    mappings_take(m, &e, 6, 0, 6);
    e = (struct tape_event){.op = TAPE_OP_BRK,
                            .address = BASE + 84 * PAGE,
                            .size = BASE + 90 * PAGE};
    mappings_take(m, &e, 7, 0, 7);
    const struct mapping *range = mappings_list(m, &count);
    assert_int_equal(count, 4);
    assert_true(range[3].brk);
    assert_int_equal(range[3].end - range[3].start, 4 * PAGE);
    mappings_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_calls),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
