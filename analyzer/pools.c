/* SPDX-License-Identifier: MIT */
#include "pools.h"

#include <stdlib.h>

#include "diag.h"

#define PAGE 4096

struct pool_link {
    uint32_t next, previous; /* places + 1; 0: the last, the first */
};

void pools_free(struct pools *p) {
    live_free(&p->live);
    live_free(&p->page);
    free(p->link);
    *p = (struct pools){0};
}

/* What stands for a page in a map whose addresses differ from 8 bytes on; not 0. */
static uint64_t page_key(uint64_t address) {
    return (address & ~(uint64_t)(PAGE - 1)) + 8;
}

static uint32_t place_of(const struct pools *p, const struct block *b) {
    return (uint32_t)(b - p->live.pool) + 1;
}

static void link_block(struct pools *p, const struct block *b) {
    if (p->link_room < p->live.room) {
        p->link_room = p->live.room;
        p->link = xrealloc(p->link, p->link_room * sizeof *p->link);
    }
    bool is_new;
    uint32_t place = place_of(p, b);
    struct block *page = live_add(&p->page, page_key(b->address), &is_new);
    if (is_new)
        *page = (struct block){.address = page_key(b->address)};
    p->link[place - 1] = (struct pool_link){.next = page->stack};
    if (page->stack != 0)
        p->link[page->stack - 1].previous = place;
    page->stack = place;
}

static void unlink_block(struct pools *p, const struct block *b) {
    struct pool_link l = p->link[place_of(p, b) - 1];
    if (l.next != 0)
        p->link[l.next - 1].previous = l.previous;
    if (l.previous != 0)
        p->link[l.previous - 1].next = l.next;
    else if (l.next != 0)
        live_find(&p->page, page_key(b->address))->stack = l.next;
    else
        live_take(&p->page, page_key(b->address));
}

struct block *pools_add(struct pools *p, uint64_t address, bool *is_new) {
    if (p->live.slot == NULL) {
        live_init(&p->live);
        live_init(&p->page);
    }
    struct block *b = live_add(&p->live, address, is_new);
    if (*is_new) {
        b->address = address;
        link_block(p, b);
    }
    return b;
}

struct block *pools_find(const struct pools *p, uint64_t address) {
    return p->live.count != 0 ? live_find(&p->live, address) : NULL;
}

const struct block *pools_take(struct pools *p, uint64_t address) {
    const struct block *b = pools_find(p, address);
    if (b == NULL)
        return NULL;
    unlink_block(p, b);
    return live_take(&p->live, address);
}

static const struct block *within_page(const struct pools *p, uint32_t place, uint64_t start,
                                       uint64_t end) {
    for (; place != 0; place = p->link[place - 1].next) {
        const struct block *b = &p->live.pool[place - 1];
        if (b->address >= start && b->address < end)
            return b;
    }
    return NULL;
}

const struct block *pools_within(const struct pools *p, uint64_t start, uint64_t end) {
    const struct block *page, *found = NULL;
    if (p->live.count == 0 || start >= end)
        return NULL;
    uint64_t pages = (end - 1) / PAGE - start / PAGE + 1;
    if (pages > p->page.count) { /* a large block: rather all pages that have any */
        for (size_t i = 0; i <= p->page.mask && found == NULL; i++)
            if ((page = live_at(&p->page, i)) != NULL)
                found = within_page(p, page->stack, start, end);
        return found;
    }
    for (uint64_t i = 0; i < pages && found == NULL; i++)
        if ((page = live_find(&p->page, page_key(start + i * PAGE))) != NULL)
            found = within_page(p, page->stack, start, end);
    return found;
}

bool pools_fill(const struct pools *p, const struct block *b) {
    uint64_t end = b->size <= UINT64_MAX - b->address ? b->address + b->size : UINT64_MAX;
    bool inner = b->op == TAPE_OP_POOL_ALLOC; /* it does not lie in itself */
    return pools_within(p, b->address + inner, end) != NULL;
}
