/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include <stdbool.h>

/* The start of an entry that is being filled. */
#define CLAIMED 1

static bool fill(struct range_table *t, unsigned i, uint64_t start, uint64_t end) {
    uint64_t none = 0;
    if (atomic_load_explicit(&t->entry[i].start, memory_order_relaxed) != 0 ||
        !atomic_compare_exchange_strong(&t->entry[i].start, &none, CLAIMED))
        return false;
    atomic_store(&t->entry[i].end, end);
    atomic_store(&t->entry[i].start, start);
    return true;
}

static void add(struct range_table *t, uint64_t start, uint64_t end) {
    unsigned n = atomic_load(&t->used);
    for (unsigned i = 0; i < n; i++)
        if (fill(t, i, start, end))
            return;
    while (n < RANGES_MOST) {
        if (atomic_compare_exchange_strong(&t->used, &n, n + 1) && fill(t, n, start, end))
            return;
    }
}

static uint64_t end_of(const void *p, size_t bytes) {
    return (uint64_t)p + (bytes + 4095) / 4096 * 4096;
}

void ranges_add(struct range_table *t, const void *p, size_t bytes) {
    add(t, (uint64_t)p, end_of(p, bytes));
}

void ranges_remove(struct range_table *t, const void *p, size_t bytes) {
    uint64_t start = (uint64_t)p, end = end_of(p, bytes);
    unsigned n = atomic_load(&t->used);
    for (unsigned i = 0; i < n; i++) {
        uint64_t low = atomic_load(&t->entry[i].start), high = atomic_load(&t->entry[i].end);
        if (low <= CLAIMED || low >= end || high <= start)
            continue;
        if (low >= start && high <= end) {
            atomic_store(&t->entry[i].start, 0);
            continue;
        }
        if (low < start) {
            atomic_store(&t->entry[i].end, start);
            if (high > end)
                add(t, end, high);
        } else {
            atomic_store(&t->entry[i].start, end);
        }
    }
}

void ranges_forget(struct range_table *t) {
    unsigned n = atomic_load(&t->used);
    for (unsigned i = 0; i < n; i++)
        atomic_store(&t->entry[i].start, 0);
}

static void sift(struct range *heap, size_t root, size_t n) {
    struct range moved = heap[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && heap[child + 1].start > heap[child].start)
            child++;
        if (heap[child].start <= moved.start)
            break;
        heap[root] = heap[child];
    }
    heap[root] = moved;
}

void ranges_sort(struct range *to, size_t count) {
    for (size_t i = count / 2; i-- > 0;)
        sift(to, i, count);
    for (size_t i = count; i-- > 1;) {
        struct range largest = to[0];
        to[0] = to[i];
        to[i] = largest;
        sift(to, 0, i);
    }
}

size_t ranges_list(struct range_table *t, struct range *to) {
    size_t count = 0;
    unsigned n = atomic_load(&t->used);
    for (unsigned i = 0; i < n; i++) {
        struct range range = {atomic_load(&t->entry[i].start), atomic_load(&t->entry[i].end)};
        if (range.start > CLAIMED && range.end > range.start)
            to[count++] = range;
    }
    ranges_sort(to, count);
    return count;
}
