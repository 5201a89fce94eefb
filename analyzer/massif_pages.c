/* SPDX-License-Identifier: MIT */
#include "massif_pages.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "mappings.h"
#include "names.h"
#include "tape/memory.h"

#define PAGE      UINT64_C(4096)
#define HEADER    UINT64_C(16)          /* in front of a block of glibc's */
#define OWN_PAGES (UINT64_C(128) << 10) /* blocks from here on may have a mapping of their own */

struct massif_pages {
    massif_pages_changed *changed;
    void *context;
    bool libc;               /* the allocator's pages have no events: they follow from its blocks */
    struct mappings *direct; /* by events: the replay's */
    struct mappings *derived; /* the allocator's */
    uint64_t direct_bytes, derived_bytes;
    uint64_t other; /* by samples: what neither has */
    uint64_t samples;
    bool began;                 /* `other` was told */
    uint64_t sample, next_part; /* bytes of the parts that have come; the part to come */
};

/* Nobody knows before the first sample what the process had beside its own mappings and its heap:
 * it is taken to have been there from the start, as modules are. */
static void begin(struct massif_pages *p) {
    if (p->began)
        return;
    p->began = true;
    if (p->other != 0)
        p->changed(p->context, 0, p->other, true, 0);
}

static void tell(struct massif_pages *p, uint32_t stack, uint64_t bytes, bool comes, uint64_t now) {
    begin(p);
    if (bytes != 0)
        p->changed(p->context, stack, bytes, comes, now);
}

/* Reserved addresses are no memory. */
static void direct_changed(void *context, const struct mapping *m, bool comes, uint64_t now) {
    struct massif_pages *p = context;
    uint64_t bytes = m->end - m->start;
    if ((m->flags & TAPE_MAPPING_NO_ACCESS) != 0)
        return;
    p->direct_bytes += comes ? bytes : 0 - bytes;
    tell(p, m->stack, bytes, comes, now);
}

static void derived_changed(void *context, const struct mapping *m, bool comes, uint64_t now) {
    struct massif_pages *p = context;
    uint64_t bytes = m->end - m->start;
    p->derived_bytes += comes ? bytes : 0 - bytes;
    tell(p, m->stack, bytes, comes, now);
}

/* ---- the allocator's pages ---------------------------------------------------------------- */

static uint64_t page_down(uint64_t address) {
    return address & ~(PAGE - 1);
}

/* A block of glibc's that has a mapping of its own begins 16 bytes behind a page's start. */
static bool has_own_pages(const struct block *b) {
    return b->size >= OWN_PAGES && b->address % PAGE == HEADER;
}

/* Adds the pages of [start, end) that no mapping has. */
static void cover(struct massif_pages *p, uint64_t start, uint64_t end, uint32_t stack,
                  uint64_t now) {
    while (start < end) {
        uint64_t gap = mappings_next_gap(p->derived, start), behind;
        if (gap >= end)
            return;
        behind = mappings_gap_end(p->derived, gap);
        const struct tape_event e = {.op = TAPE_OP_MMAP,
                                     .address = gap,
                                     .size = (behind < end ? behind : end) - gap};
        mappings_take(p->derived, &e, now, 0, stack);
        start = gap + e.size;
    }
}

static void on_alloc(void *context, const struct block *b) {
    struct massif_pages *p = context;
    uint64_t start = page_down(b->address - HEADER),
             end = page_down(b->address + b->size + PAGE - 1);
    if (p->libc && b->size <= UINT64_MAX / 2 && mappings_next_gap(p->direct, start) == start)
        cover(p, start, end, b->stack, b->born);
}

static void on_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                    bool realloc) {
    struct massif_pages *p = context;
    (void)thread, (void)realloc;
    if (!p->libc || !has_own_pages(b))
        return;
    uint64_t start = b->address - HEADER;
    const struct tape_event e = {.op = TAPE_OP_MUNMAP,
                                 .address = start,
                                 .size = b->address + b->size - start};
    mappings_take(p->derived, &e, now, 0, 0);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void end_sample(struct massif_pages *p, uint64_t now) {
    begin(p);
    uint64_t known = p->direct_bytes + p->derived_bytes;
    uint64_t other = p->sample > known ? p->sample - known : 0;
    if (other > p->other)
        tell(p, 0, other - p->other, true, now);
    else
        tell(p, 0, p->other - other, false, now);
    p->other = other;
    p->samples++;
}

/* Not the recorder's own, the kernel's, and what cannot be accessed. */
static bool counts(const struct tape_memory_mapping *m, bool own) {
    return !own && (m->bits & TAPE_MEMORY_OWN) == 0 && m->kind != TAPE_MEMORY_OTHER &&
           (m->bits & (TAPE_MEMORY_READ | TAPE_MEMORY_WRITE | TAPE_MEMORY_EXECUTE)) != 0;
}

static void on_memory(void *context, const struct tape_event *e, uint64_t now) {
    struct massif_pages *p = context;
    struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
    struct tape_memory_head head;
    struct tape_memory_mapping m = {.end = 0};
    bool own = false; /* by the name of the mapping */
    if (e->address == 0)
        p->sample = p->next_part = 0;
    if (e->address != p->next_part++ || tape_get_memory_head(&in, &head) != TAPE_OK) {
        p->next_part = UINT64_MAX;
        return;
    }
    while (in.error == TAPE_OK && tape_in_left(&in) != 0) {
        if (tape_get_memory_mapping(&in, &m, m.end) != TAPE_OK)
            return;
        if (m.name != NULL) {
            char *name = names_printable(m.name, m.name_len);
            own = strncmp(names_base(name), "libheaptape", 11) == 0;
            free(name);
        } else if (m.kind != TAPE_MEMORY_FILE) {
            own = false;
        }
        p->sample += counts(&m, own) ? m.end - m.start : 0;
    }
    if (head.last)
        end_sample(p, now);
}

static struct massif_pages *new_pages(struct tape_file *tape, struct replay *replay,
                                      massif_pages_changed *changed, void *context) {
    struct massif_pages *p = xcalloc(1, sizeof *p);
    const char *allocator = tape_file_process(tape)->allocator;
    p->changed = changed;
    p->context = context;
    p->libc = allocator == NULL || strncmp(names_base(allocator), "libc", 4) == 0;
    p->direct = replay_mappings(replay);
    p->derived = mappings_new();
    mappings_watch(p->direct, direct_changed, p);
    mappings_watch(p->derived, derived_changed, p);
    replay_observe(replay, &(struct observer){.context = p,
                                              .on_alloc = on_alloc,
                                              .on_free = on_free,
                                              .on_memory = on_memory});
    return p;
}

/* ---- the first sample --------------------------------------------------------------------- */

struct first {
    struct massif_pages *pages;
    struct replay *replay;
};

static void pass_over(void *context, uint32_t stack, uint64_t bytes, bool comes, uint64_t now) {
    (void)context, (void)stack, (void)bytes, (void)comes, (void)now;
}

/* Behind the pages' own. */
static void end_with_sample(void *context, const struct tape_event *e, uint64_t now) {
    struct first *f = context;
    (void)e, (void)now;
    if (f->pages->samples != 0)
        replay_halt(f->replay);
}

static uint64_t first_other(struct tape_file *tape) {
    struct first f = {.replay = replay_new(tape)};
    f.pages = new_pages(tape, f.replay, pass_over, NULL);
    replay_observe(f.replay, &(struct observer){.context = &f, .on_memory = end_with_sample});
    replay_run(f.replay, UINT64_MAX);
    uint64_t other = f.pages->other;
    massif_pages_free(f.pages);
    replay_free(f.replay);
    return other;
}

struct massif_pages *massif_pages_new(struct tape_file *tape, struct replay *replay,
                                      massif_pages_changed *changed, void *context) {
    struct massif_pages *p = new_pages(tape, replay, changed, context);
    p->other = first_other(tape);
    return p;
}

void massif_pages_free(struct massif_pages *p) {
    if (p == NULL)
        return;
    mappings_free(p->derived);
    free(p);
}
