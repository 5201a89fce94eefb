/* SPDX-License-Identifier: MIT */
#include "owned.h"

#include <stdatomic.h>

/* start 0: free; CLAIMED: being filled. */
static struct { _Atomic uint64_t start, end; } table[OWNED_MOST];
static atomic_uint used; /* entries that were ever filled: the rest is free */
#define CLAIMED 1

static bool fill(unsigned i, uint64_t start, uint64_t end) {
    uint64_t none = 0;
    if (atomic_load_explicit(&table[i].start, memory_order_relaxed) != 0 ||
        !atomic_compare_exchange_strong(&table[i].start, &none, CLAIMED))
        return false;
    atomic_store(&table[i].end, end);
    atomic_store(&table[i].start, start);
    return true;
}

static void add(uint64_t start, uint64_t end) {
    unsigned n = atomic_load(&used);
    for (unsigned i = 0; i < n; i++)
        if (fill(i, start, end))
            return;
    /* A full table forgets: the image then has some words that it would be better without. */
    while (n < OWNED_MOST) {
        if (atomic_compare_exchange_strong(&used, &n, n + 1) && fill(n, start, end))
            return;
    }
}

void *owned_add(void *p, size_t bytes) {
    add((uint64_t)p, (uint64_t)p + (bytes + 4095) / 4096 * 4096);
    return p;
}

void owned_remove(void *p, size_t bytes) {
    uint64_t start = (uint64_t)p, end = start + (bytes + 4095) / 4096 * 4096;
    unsigned n = atomic_load(&used);
    for (unsigned i = 0; i < n; i++) {
        uint64_t low = atomic_load(&table[i].start), high = atomic_load(&table[i].end);
        if (low <= CLAIMED || low >= end || high <= start)
            continue;
        if (low >= start && high <= end) {
            atomic_store(&table[i].start, 0);
            continue;
        }
        if (low < start) {
            atomic_store(&table[i].end, start);
            if (high > end)
                add(end, high);
        } else {
            atomic_store(&table[i].start, end);
        }
    }
}

void owned_forget(void) {
    unsigned n = atomic_load(&used);
    for (unsigned i = 0; i < n; i++)
        atomic_store(&table[i].start, 0);
}

static void sift(struct owned_range *heap, size_t root, size_t n) {
    struct owned_range moved = heap[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && heap[child + 1].start > heap[child].start)
            child++;
        if (heap[child].start <= moved.start)
            break;
        heap[root] = heap[child];
    }
    heap[root] = moved;
}

size_t owned_list(struct owned_range *to) {
    size_t count = 0;
    unsigned n = atomic_load(&used);
    for (unsigned i = 0; i < n; i++) {
        struct owned_range range = {atomic_load(&table[i].start), atomic_load(&table[i].end)};
        if (range.start > CLAIMED && range.end > range.start)
            to[count++] = range;
    }
    for (size_t i = count / 2; i-- > 0;)
        sift(to, i, count);
    for (size_t i = count; i-- > 1;) {
        struct owned_range largest = to[0];
        to[0] = to[i];
        to[i] = largest;
        sift(to, 0, i);
    }
    return count;
}
