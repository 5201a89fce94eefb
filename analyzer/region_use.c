/* SPDX-License-Identifier: MIT */
#include "region_use.h"

#include <stdlib.h>

#include "diag.h"

static int by_start(const void *a, const void *b) {
    const struct region_span *s = a, *t = b;
    return s->start < t->start ? -1 : s->start > t->start;
}

void region_use_make(struct region_use *u, struct heap_image *image) {
    *u = (struct region_use){.image = image};
    u->span = xcalloc(image->region_count + 1UL, sizeof *u->span);
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct tape_image_region *r = &image->region[i].is;
        if (r->kind == TAPE_REGION_OTHER && r->length != 0)
            u->span[u->count++] =
                (struct region_span){.start = r->start, .end = r->start + r->length, .region = i};
    }
    if (u->count != 0)
        qsort(u->span, u->count, sizeof *u->span, by_start);
}

void region_use_free(struct region_use *u) {
    for (size_t i = 0; i < u->count; i++)
        free(u->span[i].page);
    free(u->span);
    *u = (struct region_use){0};
}

/* The page of an address in a span. */
static uint64_t page_of(const struct region_span *s, uint64_t address) {
    return (address - s->start) / REGION_USE_PAGE;
}

static bool lay_in(const struct region_span *s, uint64_t page) {
    return s->page != NULL && (s->page[page / 64] >> page % 64 & 1) != 0;
}

static void set_pages(struct region_span *s, uint64_t from, uint64_t to, bool used) {
    if (from < s->start)
        from = s->start;
    if (to > s->end)
        to = s->end;
    if (s->page == NULL)
        s->page = xcalloc(page_of(s, s->end - 1) / 64 + 1, sizeof *s->page);
    for (uint64_t page = page_of(s, from); page <= page_of(s, to - 1); page++)
        if (used)
            s->page[page / 64] |= UINT64_C(1) << page % 64;
        else
            s->page[page / 64] &= ~(UINT64_C(1) << page % 64);
}

static void set_used(struct region_use *u, uint64_t address, uint64_t size, bool used) {
    uint64_t end = size <= UINT64_MAX - address ? address + size : UINT64_MAX;
    if (u->count == 0)
        return;
    if (end == address)
        end++;
    const struct region_span *last = &u->span[u->last]; /* of nearly all blocks the same one */
    if (used && address >= last->start && end <= last->end &&
        lay_in(last, page_of(last, address)) && page_of(last, address) == page_of(last, end - 1))
        return;
    size_t low = 0, high = u->count;
    while (low < high) { /* the first that ends behind the block's start */
        size_t middle = low + (high - low) / 2;
        if (u->span[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < u->count && u->span[low].start < end; low++) {
        if (used || u->span[low].page != NULL)
            set_pages(&u->span[low], address, end, used);
        u->last = low;
    }
}

void region_use_note(struct region_use *u, uint64_t address, uint64_t size) {
    set_used(u, address, size, true);
}

void region_use_forget(struct region_use *u, uint64_t address, uint64_t size) {
    /* As glibc lays such a block: two words behind the start of a page. */
    if (address % REGION_USE_PAGE == 16 && size >= 128 * 1024)
        set_used(u, address, size, false);
}

static void note_alloc(void *context, const struct block *b) {
    region_use_note(context, b->address, b->size);
}

static void note_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                      bool realloc) {
    (void)now;
    (void)thread;
    (void)realloc;
    region_use_forget(context, b->address, b->size);
}

struct observer region_use_observer(struct region_use *u) {
    return (struct observer){.context = u,
                             .on_alloc = note_alloc,
                             .on_free = note_free,
                             .on_pool_alloc = note_alloc};
}

static void drop_used(struct heap_image *image, const struct region_span *s) {
    struct image_region *r = &image->region[s->region];
    size_t kept = r->first;
    for (size_t i = r->first; i < r->first + r->count; i++)
        if (!lay_in(s, page_of(s, image->word[i].address)))
            image->word[kept++] = image->word[i];
    r->count = kept - r->first;
}

bool *region_use_roots(const struct region_use *u) {
    bool *root = xcalloc(u->image->region_count + 1UL, sizeof *root);
    for (uint32_t i = 0; i < u->image->region_count; i++) {
        uint32_t kind = u->image->region[i].is.kind;
        root[i] = kind == TAPE_REGION_MODULE || kind == TAPE_REGION_STACK ||
                  kind == TAPE_REGION_REGISTERS || kind == TAPE_REGION_OTHER;
    }
    for (size_t i = 0; i < u->count; i++)
        if (u->span[i].page != NULL)
            drop_used(u->image, &u->span[i]);
    return root;
}
