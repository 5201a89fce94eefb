/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <time.h>

#include "sys_image.h"

#define PAGE   4096u
#define ENOUGH (SCAN_ASIDE / 2) /* of what is kept aside: a buffer's words may yet come */

/* ---- words -------------------------------------------------------------------------------- */

static bool holds_blocks(const struct region *r) {
    return r->is.kind == TAPE_REGION_OTHER || r->is.kind == TAPE_REGION_ALLOCATOR;
}

static void collect_targets(struct scan *s) {
    s->targets = 0;
    s->found = s->target;
    for (size_t i = 0; i < s->count && s->only == NULL; i++) {
        const struct tape_image_region *r = &s->region[i].is;
        if (!holds_blocks(&s->region[i]))
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
    s->file_low = s->low;
    s->file_high = s->high;
    for (size_t i = 0; i < s->tables->maps; i++) {
        const struct map_entry *m = &s->tables->map[i];
        if (m->kind == MAP_OF_FILE && m->start < s->file_low)
            s->file_low = m->start;
        if (m->kind == MAP_OF_FILE && m->end > s->file_high)
            s->file_high = m->end;
    }
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

/* A word of the run that was begun last. */
static inline bool put_word(struct scan *s, uint32_t region, uint64_t address, uint64_t value) {
    if (s->out->words == SCAN_WORDS && !begin_run(s, region))
        return false;
    s->out->word[s->out->words++] = (struct tape_word){address, value};
    s->out->run[s->out->runs - 1].count++;
    return true;
}

/* Where blocks lie an object's tables of functions are of interest, too. Among themselves they take
 * hardly any room on the tape, so they are kept aside. */
static bool look_at(struct scan *s, uint32_t region, uint64_t address, const uint64_t *word,
                    size_t count) {
    bool blocks = holds_blocks(&s->region[region]);
    uint64_t low = blocks ? s->file_low : s->low;
    uint64_t span = (blocks ? s->file_high : s->high) - low;
    struct target hit = s->hit;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = word[i];
        if (__builtin_expect(value - low >= span, 1))
            continue;
        if (value - hit.start >= hit.end - hit.start) {
            if (!find_target(s, value)) {
                if (blocks && tables_hold(s->tables, value))
                    s->aside[s->asides++] = (struct tape_word){address + i * 8, value};
                continue;
            }
            hit = s->hit;
        }
        if (!put_word(s, region, address + i * 8, value))
            return false;
        if (s->only == NULL)
            clues_note(&s->clues, value);
    }
    s->scanned += count * 8;
    return true;
}

/* ---- beside the pointers ------------------------------------------------------------------ */

/* The words in front of a pointer, as far as they lie in its region. One read through the kernel
 * for each piece of it tells whether the others can be made in place. */
static bool read_clues(struct scan *s, const struct region *r, uint64_t pointer, uint64_t *word) {
    uint64_t inside = (pointer - r->is.start) / 8, piece = (pointer - 8) / SCAN_BUFFER;
    size_t missing = inside < CLUES_WORDS ? CLUES_WORDS - (size_t)inside : 0;
    uint64_t from = pointer - (CLUES_WORDS - missing) * 8;
    bool here = s->in_place && !r->shared && piece == s->piece && from / SCAN_BUFFER == piece;
    for (size_t i = 0; i < missing; i++)
        word[i] = UINT64_MAX; /* no size of anything */
    if (here)
        for (size_t i = missing; i < CLUES_WORDS; i++)
            word[i] = ((const uint64_t *)from)[i - missing];
    else if (memory_read(s->memory, from, word + missing, pointer - from) != pointer - from)
        return false;
    s->piece = piece;
    return true;
}

static bool put_clues_in(struct scan *s, uint32_t number, size_t first, size_t end) {
    const struct region *r = &s->region[number];
    uint64_t word[CLUES_WORDS], behind = r->is.start + r->is.length, put = 0;
    s->piece = UINT64_MAX;
    if (!begin_run(s, number))
        return false;
    for (size_t k = first; k < end; k++) {
        uint64_t pointer = s->clues.pointer[k], from = pointer - CLUES_WORDS * 8;
        if (!read_clues(s, r, pointer, word))
            continue;
        unsigned wanted = clues_judge(word, behind - pointer, s->headers);
        for (unsigned i = 0; i < CLUES_WORDS; i++)
            if ((wanted >> i & 1) != 0 && from + i * 8 > put) {
                put = from + i * 8;
                if (!put_word(s, number, put, word[i]))
                    return false;
            }
    }
    end_run(s);
    return true;
}

/* What lies in front of the pointers noted so far. */
static bool put_clues(struct scan *s) {
    size_t first = 0, end;
    clues_sort(&s->clues);
    for (uint32_t i = 0; i < s->count && first < s->clues.count; i++) {
        const struct region *r = &s->region[i];
        if (!holds_blocks(r))
            continue;
        while (first < s->clues.count && s->clues.pointer[first] < r->is.start)
            first++;
        for (end = first;
             end < s->clues.count && s->clues.pointer[end] - r->is.start < r->is.length;)
            end++;
        if (first < end && !put_clues_in(s, i, first, end))
            return false;
        first = end;
    }
    s->clues.count = 0;
    return true;
}

/* The tables found in a region, as a run of their own. */
static bool put_tables(struct scan *s, uint32_t region) {
    if (s->asides == 0)
        return true;
    if (!begin_run(s, region))
        return false;
    for (size_t i = 0; i < s->asides; i++)
        if (!put_word(s, region, s->aside[i].address, s->aside[i].value))
            return false;
    s->asides = 0;
    end_run(s);
    return true;
}

/* In the middle of a region's run. */
static bool make_room(struct scan *s, uint32_t region) {
    if (s->clues.count < ENOUGH && s->asides < ENOUGH)
        return true;
    end_run(s);
    return put_tables(s, region) && (s->clues.count < ENOUGH || put_clues(s)) &&
           begin_run(s, region);
}

/* ---- regions ------------------------------------------------------------------------------ */

static bool look_at_pages(struct scan *s, uint32_t region, uint64_t at, uint64_t end) {
    while (at < end) {
        if (sys_clock(CLOCK_MONOTONIC) >= s->deadline) {
            s->late = true;
            return true;
        }
        size_t bytes = end - at < SCAN_BUFFER ? (size_t)(end - at) : SCAN_BUFFER;
        /* One word through the kernel tells whether the mapping can be read (protection keys). */
        bool here = s->in_place && !s->region[region].shared;
        size_t got = memory_read(s->memory, at, s->buffer, here ? 8 : bytes);
        if (here && got == 8)
            got = bytes;
        if (!make_room(s, region))
            return false;
        if (!look_at(s, region, at, here ? (const uint64_t *)at : s->buffer, got / 8))
            return false;
        at += got;
        if (got < bytes) { /* a page that cannot be read */
            s->region[region].is.flags |= TAPE_REGION_PARTLY;
            at = (at / PAGE + 1) * PAGE;
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
        if (n == 0 && at < last && sys_clock(CLOCK_MONOTONIC) >= s->deadline)
            s->late = true;
    }
    if (s->late)
        s->region[number].is.flags |= TAPE_REGION_PARTLY;
    end_run(s);
    return put_tables(s, number);
}

bool scan_run(struct scan *s) {
    collect_targets(s);
    /* Roots first: should the time not be enough, they are what matters most. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->count; i++) {
            bool second = holds_blocks(&s->region[i]);
            if (second != (pass == 1))
                continue;
            if (s->late)
                s->region[i].is.flags |= TAPE_REGION_PARTLY;
            else if (!scan_region(s, (uint32_t)i))
                return false;
        }
    if (!put_clues(s))
        return false;
    s->words += s->out->words;
    return true;
}
