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

/* Blocks that begin in a range: all of them, or whether there is one. */
struct gathering {
    const struct pools *pools;
    uint64_t start, end;
    uint64_t *address;
    size_t count, room;
    bool all;
};

static void gather_page(struct gathering *g, const struct block *page) {
    for (uint32_t place = page->stack; place != 0; place = g->pools->link[place - 1].next) {
        uint64_t address = g->pools->live.pool[place - 1].address;
        if (address < g->start || address >= g->end)
            continue;
        if (g->all && g->count == g->room) {
            g->room = g->room != 0 ? 2 * g->room : 64;
            g->address = xrealloc(g->address, g->room * sizeof *g->address);
        }
        if (g->all)
            g->address[g->count] = address;
        g->count++;
        if (!g->all)
            return;
    }
}

static void gather(struct gathering *g) {
    const struct live *pages = &g->pools->page;
    const struct block *page;
    if (g->pools->live.count == 0 || g->start >= g->end)
        return;
    uint64_t count = (g->end - 1) / PAGE - g->start / PAGE + 1;
    bool long_range = count > pages->mask; /* rather all pages that there are */
    for (uint64_t i = 0; i <= (long_range ? pages->mask : count - 1) && (g->all || g->count == 0);
         i++) {
        page = long_range ? live_at(pages, i) : live_find(pages, page_key(g->start + i * PAGE));
        if (page != NULL)
            gather_page(g, page);
    }
}

bool pools_any(const struct pools *p, uint64_t start, uint64_t end) {
    struct gathering g = {.pools = p, .start = start, .end = end};
    gather(&g);
    return g.count != 0;
}

size_t pools_within(const struct pools *p, uint64_t start, uint64_t end, uint64_t **address) {
    struct gathering g = {.pools = p, .start = start, .end = end, .all = true};
    gather(&g);
    *address = g.address;
    return g.count;
}

bool pools_fill(const struct pools *p, const struct block *b) {
    uint64_t end = b->size <= UINT64_MAX - b->address ? b->address + b->size : UINT64_MAX;
    bool inner = b->op == TAPE_OP_POOL_ALLOC; /* it does not lie in itself */
    return pools_any(p, b->address + inner, end);
}
