/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <string.h>
#include <time.h>

#include "sys_image.h"

#define PAGE 4096u

/* ---- reading ------------------------------------------------------------------------------ */

size_t memory_read(const struct memory *m, uint64_t from, void *to, size_t bytes) {
    if (m->none)
        return 0;
    if (!m->direct) {
        long n = sys_read_memory(m->pid, from, to, bytes);
        return n > 0 ? (size_t)n : 0;
    }
    size_t done = 0;
    while (done < bytes) {
        uint64_t at = from + done, part = PAGE - at % PAGE;
        if (part > bytes - done)
            part = bytes - done;
        if (!sys_readable(at & ~(uint64_t)(PAGE - 1), PAGE))
            break;
        memcpy((char *)to + done, (const void *)at, part);
        done += part;
    }
    return done;
}

bool memory_peek(void *context, uint64_t from, void *to, size_t bytes) {
    return memory_read(context, from, to, bytes) == bytes;
}

/* ---- words -------------------------------------------------------------------------------- */

static void collect_targets(struct scan *s) {
    s->targets = 0;
    s->found = s->target;
    for (size_t i = 0; i < s->count && s->only == NULL; i++) {
        const struct tape_image_region *r = &s->region[i].is;
        if (r->kind != TAPE_REGION_OTHER && r->kind != TAPE_REGION_ALLOCATOR)
            continue;
        uint64_t end = r->start + r->length;
        if (s->targets > 0 && s->target[s->targets - 1].end == r->start)
            s->target[s->targets - 1].end = end;
        else
            s->target[s->targets++] = (struct target){r->start, end};
    }
    if (s->only != NULL) {
        s->found = s->only;
        s->targets = s->only_count;
    }
    s->low = s->targets > 0 ? s->found[0].start : 0;
    s->high = s->targets > 0 ? s->found[s->targets - 1].end : 0;
}

/* Whether value lies in a target, which is remembered. */
static bool find_target(struct scan *s, uint64_t value) {
    size_t low = 0, high = s->targets;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->found[middle].end <= value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == s->targets || s->found[low].start > value)
        return false;
    s->hit = s->found[low];
    return true;
}

static bool hand_over(struct scan *s) {
    s->words += s->out->words;
    s->out = s->full(s->context, s->out);
    return s->out != NULL;
}

/* The words that follow are of this region. */
static bool begin_run(struct scan *s, uint32_t region) {
    if ((s->out->runs == SCAN_RUNS || s->out->words == SCAN_WORDS) && !hand_over(s))
        return false;
    s->out->run[s->out->runs++] = (struct tape_word_run){region, 0};
    return true;
}

/* An empty run takes no room. */
static void end_run(struct scan *s) {
    if (s->out->runs > 0 && s->out->run[s->out->runs - 1].count == 0)
        s->out->runs--;
}

static bool look_at(struct scan *s, uint32_t region, uint64_t address, const uint64_t *word,
                    size_t count) {
    uint64_t low = s->low, span = s->high - s->low;
    struct target hit = s->hit;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = word[i];
        if (__builtin_expect(value - low >= span, 1))
            continue;
        if (value - hit.start >= hit.end - hit.start) {
            if (!find_target(s, value))
                continue;
            hit = s->hit;
        }
        struct scan_words *out = s->out;
        if (out->words == SCAN_WORDS) {
            if (!begin_run(s, region))
                return false;
            out = s->out;
        }
        out->word[out->words++] = (struct tape_word){address + i * 8, value};
        out->run[out->runs - 1].count++;
    }
    s->scanned += count * 8;
    return true;
}

/* ---- regions ------------------------------------------------------------------------------ */

static bool look_at_pages(struct scan *s, uint32_t region, uint64_t at, uint64_t end) {
    while (at < end) {
        size_t bytes = end - at < SCAN_BUFFER ? (size_t)(end - at) : SCAN_BUFFER;
        /* One word through the kernel tells whether the mapping can be read (protection keys). */
        bool here = s->in_place && !s->region[region].shared;
        size_t got = memory_read(s->memory, at, s->buffer, here ? 8 : bytes);
        if (here && got == 8)
            got = bytes;
        if (!look_at(s, region, at, here ? (const uint64_t *)at : s->buffer, got / 8))
            return false;
        at += got;
        if (got < bytes) /* a page that cannot be read */
            at = (at / PAGE + 1) * PAGE;
        if (sys_clock(CLOCK_MONOTONIC) >= s->deadline) {
            s->late = true;
            return true;
        }
    }
    return true;
}

static bool scan_region(struct scan *s, uint32_t number) {
    const struct region *r = &s->region[number];
    if (!begin_run(s, number))
        return false;
    if (r->registers != NULL) {
        bool go_on = look_at(s, number, r->is.start, r->registers, r->is.length / 8);
        end_run(s);
        return go_on;
    }
    uint64_t start = r->is.start, end = r->is.start + r->is.length;
    uint64_t at = start & ~(uint64_t)(PAGE - 1), last = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    struct sys_pages pages[64];
    while (at < last && !s->late) {
        size_t n =
            sys_pages(r->shared ? s->pagemap_of_shared : s->pagemap, at, last, pages, 64, &at);
        for (size_t i = 0; i < n && !s->late; i++) {
            uint64_t from = pages[i].start > start ? pages[i].start : start;
            uint64_t to = pages[i].end < end ? pages[i].end : end;
            if (!look_at_pages(s, number, from, to))
                return false;
        }
        if (n == 0 && sys_clock(CLOCK_MONOTONIC) >= s->deadline)
            s->late = true;
    }
    end_run(s);
    return true;
}

bool scan_run(struct scan *s) {
    collect_targets(s);
    /* Roots first: should the time not be enough, they are what matters most. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->count && !s->late; i++) {
            uint32_t kind = s->region[i].is.kind;
            bool second = kind == TAPE_REGION_OTHER || kind == TAPE_REGION_ALLOCATOR;
            if (second == (pass == 1) && !scan_region(s, (uint32_t)i))
                return false;
        }
    s->words += s->out->words;
    return true;
}
