/* SPDX-License-Identifier: MIT */
#include "spans.h"

int spans_by_start(const struct span *a, const struct span *b) {
    return (a->start > b->start) - (a->start < b->start);
}

void spans_finish(void *table, size_t stride, size_t n) {
    uint64_t reach = 0;
    for (size_t i = 0; i < n; i++) {
        struct span *s = (struct span *)(void *)((char *)table + i * stride);
        reach = s->end > reach ? s->end : reach;
        s->reach = reach;
    }
}

size_t spans_upto(const void *table, size_t stride, size_t n, uint64_t addr) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        const struct span *s =
            (const struct span *)(const void *)((const char *)table + middle * stride);
        if (s->start <= addr)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}
