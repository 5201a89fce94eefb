/* SPDX-License-Identifier: MIT */
#include "ledger_classify.h"

#include <string.h>

#define GUARD_MOST  (UINT64_C(1) << 20)  /* of a thread's stack, below it */
#define STACK_LEAST (UINT64_C(16) << 10) /* PTHREAD_STACK_MIN */
#define STACK_ROUND (UINT64_C(64) << 10)
#define ARENA       (UINT64_C(64) << 20) /* glibc's HEAP_MAX_SIZE: arenas begin at multiples of it */
#define DOUBTFUL    (UINT64_C(64) << 10) /* resident bytes that are worth a look */

struct seen_mapping *seen_find(const struct seen_sample *s, uint64_t address) {
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->mapping[mid].end <= address)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->count && s->mapping[low].start <= address ? &s->mapping[low] : NULL;
}

/* How much of a mapping lies in ranges that were mapped by the allocator, or by others. */
static uint64_t covered(const struct mapping *direct, size_t count, uint64_t start, uint64_t end,
                        bool allocator) {
    uint64_t sum = 0;
    for (size_t i = mapping_first_behind(direct, count, start); i < count && direct[i].start < end;
         i++) {
        if (((direct[i].flags & TAPE_MAPPING_ALLOCATOR) != 0) != allocator)
            continue;
        uint64_t low = direct[i].start > start ? direct[i].start : start;
        uint64_t high = direct[i].end < end ? direct[i].end : end;
        sum += high - low;
    }
    return sum;
}

uint64_t ledger_direct_bytes(const struct mapping *direct, size_t count, uint64_t start,
                             uint64_t end) {
    return covered(direct, count, start, end, false);
}

static const char *name_of(const struct seen_sample *s, const struct seen_mapping *m) {
    return m->name != 0 ? s->text + m->name : "";
}

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_shared_memory(const struct seen_mapping *m, const char *name) {
    return (m->bits & TAPE_MEMORY_SHARED) != 0 &&
           (strncmp(name, "/memfd:", 7) == 0 || strncmp(name, "/dev/shm/", 9) == 0 ||
            strncmp(name, "/SYSV", 5) == 0 || strncmp(name, "/dev/zero", 9) == 0 ||
            (m->bits & TAPE_MEMORY_WRITE) != 0);
}

/* Zeroed data of a module: the kernel maps it behind the data that its file has. */
static bool is_bss(const struct seen_sample *s, size_t i) {
    return i > 0 && s->mapping[i - 1].kind == TAPE_MEMORY_FILE &&
           s->mapping[i - 1].end == s->mapping[i].start &&
           (s->mapping[i - 1].bits & TAPE_MEMORY_WRITE) != 0 &&
           (s->mapping[i - 1].bits & TAPE_MEMORY_SHARED) == 0;
}

static bool no_access(const struct seen_mapping *m) {
    return m->kind == TAPE_MEMORY_ANONYMOUS &&
           (m->bits & (TAPE_MEMORY_READ | TAPE_MEMORY_WRITE | TAPE_MEMORY_EXECUTE)) == 0;
}

/* The form of a stack that libc has made for a thread: it lies on a guard, and its size, with the
 * guard or without it, is a round number. */
static bool lies_on_guard(const struct seen_sample *s, size_t i) {
    const struct seen_mapping *m = &s->mapping[i];
    if (i == 0 || !no_access(m - 1) || (m - 1)->end != m->start ||
        (m->bits & TAPE_MEMORY_WRITE) == 0)
        return false;
    uint64_t guard = (m - 1)->end - (m - 1)->start, size = m->end - m->start;
    return guard <= GUARD_MOST && size >= STACK_LEAST &&
           (size % STACK_ROUND == 0 || (size + guard) % STACK_ROUND == 0);
}

/* The form of an arena of glibc's: begins at a multiple of 64 MiB, reserved up to the next one. */
static bool is_arena(const struct seen_sample *s, size_t i) {
    const struct seen_mapping *m = &s->mapping[i];
    if (m->start % ARENA != 0 || m->end - m->start > ARENA)
        return false;
    return m->end % ARENA == 0 || (i + 1 < s->count && no_access(m + 1) &&
                                   (m + 1)->start == m->end && (m + 1)->end % ARENA == 0);
}

static enum ledger_class class_of_file(const struct seen_sample *s, const struct seen_mapping *m) {
    const char *name = name_of(s, m), *base = base_of(name);
    if ((m->bits & TAPE_MEMORY_OWN) != 0 || strncmp(base, "libheaptape", 11) == 0)
        return LEDGER_OWN;
    return is_shared_memory(m, name) ? LEDGER_SHARED : LEDGER_FILES;
}

static enum ledger_class class_of_anonymous(const struct seen_sample *s, size_t i,
                                            const struct mapping *direct, size_t count, bool libc) {
    const struct seen_mapping *m = &s->mapping[i];
    uint64_t size = m->end - m->start;
    if ((m->bits & TAPE_MEMORY_OWN) != 0)
        return LEDGER_OWN;
    if (m->holds_blocks || covered(direct, count, m->start, m->end, true) * 2 > size)
        return LEDGER_HEAP;
    if (is_bss(s, i))
        return LEDGER_DATA;
    if (covered(direct, count, m->start, m->end, false) != 0)
        return LEDGER_DIRECT;
    if ((m->bits & TAPE_MEMORY_THREAD) != 0 || lies_on_guard(s, i))
        return LEDGER_STACKS;
    return libc && is_arena(s, i) ? LEDGER_HEAP : LEDGER_RESIDUAL;
}

static enum ledger_class class_of(const struct seen_sample *s, size_t i,
                                  const struct mapping *direct, size_t count, bool libc) {
    switch (s->mapping[i].kind) {
    case TAPE_MEMORY_BRK:
        return LEDGER_HEAP;
    case TAPE_MEMORY_STACK:
        return LEDGER_STACKS;
    case TAPE_MEMORY_FILE:
        return class_of_file(s, &s->mapping[i]);
    case TAPE_MEMORY_OTHER:
        return LEDGER_KERNEL;
    default:
        return class_of_anonymous(s, i, direct, count, libc);
    }
}

void ledger_classify(struct seen_sample *s, const struct mapping *direct, size_t count, bool libc) {
    for (size_t i = 0; i < s->count; i++)
        s->mapping[i].class = class_of(s, i, direct, count, libc);
}

bool ledger_is_doubtful(const struct seen_sample *s) {
    for (size_t i = 0; i < s->count; i++)
        if ((s->mapping[i].class == LEDGER_RESIDUAL || s->mapping[i].class == LEDGER_DIRECT ||
             s->mapping[i].class == LEDGER_STACKS) &&
            s->mapping[i].kind == TAPE_MEMORY_ANONYMOUS && s->mapping[i].resident >= DOUBTFUL)
            return true;
    return false;
}
