/* SPDX-License-Identifier: MIT */
/*
 * What a workload expects to find on its tape: it notes each call as it makes it and prints the
 * notes at its end, one event a line, as tests/workloads/events.awk makes them from
 * `heaptape dump`:
 *
 *   OP ADDRESS [SIZE [ALIGNMENT]]
 *
 * Only events between the marks "begin" and "end" are compared, so the C library's own
 * allocations before and after do not matter. Nothing here allocates. One struct per thread.
 */
#ifndef EXPECT_H
#define EXPECT_H

#include <heaptape/heaptape.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPECT_BYTES 65536

struct expect {
    char text[EXPECT_BYTES];
    size_t length;
};

static inline void expect_line(struct expect *e, const char *op, const void *p, const char *rest) {
    int n = snprintf(e->text + e->length, sizeof e->text - e->length, "%s 0x%llx%s\n", op,
                     (unsigned long long)(uintptr_t)p, rest);
    e->length += (size_t)n;
    if (e->length >= sizeof e->text)
        abort();
}

static inline void *expect_block(struct expect *e, const char *op, void *p, size_t size) {
    char rest[32];
    snprintf(rest, sizeof rest, " %zu", size);
    expect_line(e, op, p, rest);
    return p;
}

static inline void *expect_aligned(struct expect *e, const char *op, void *p, size_t size,
                                   size_t alignment) {
    char rest[64];
    snprintf(rest, sizeof rest, " %zu %zu", size, alignment);
    expect_line(e, op, p, rest);
    return p;
}

/* free() of a block, noted before, because the address means nothing afterwards. */
static inline void expect_free(struct expect *e, void *p) {
    expect_line(e, "free", p, "");
    free(p);
}

static inline void expect_print(const struct expect *e) {
    size_t done = 0;
    while (done < e->length) {
        ssize_t n = write(STDOUT_FILENO, e->text + done, e->length - done);
        if (n <= 0)
            _exit(3);
        done += (size_t)n;
    }
}

#endif
