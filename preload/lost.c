/* SPDX-License-Identifier: MIT */
#include "lost.h"

#include <string.h>

#include "sys.h"
#include "tape/format.h"

#define FIRST_ROOM 4096

/* What a pointer lies in; the greater one counts. */
enum lies { LIES_NOWHERE, LIES_FREED, LIES_LATELY_FREED, LIES_BLOCK, LIES_POOL_MEMORY, LIES_POOL };

static void *get(size_t n, size_t size) {
    return sys_map(tape_align(n * size, 4096));
}

static void give_back(void *p, size_t n, size_t size) {
    if (p != NULL)
        sys_unmap(p, tape_align(n * size, 4096));
}

/* ---- sorting: libc's qsort allocates ------------------------------------------------------ */

/* Whole records that begin with the number they are sorted by. */
static uint64_t key_at(const char *base, size_t size, size_t i) {
    uint64_t key;
    memcpy(&key, base + i * size, sizeof key);
    return key;
}

static void sift(char *base, size_t size, size_t root, size_t n) {
    char moved[64];
    memcpy(moved, base + root * size, size);
    uint64_t key = key_at(moved, size, 0);
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && key_at(base, size, child + 1) > key_at(base, size, child))
            child++;
        if (key_at(base, size, child) <= key)
            break;
        memcpy(base + root * size, base + child * size, size);
    }
    memcpy(base + root * size, moved, size);
}

static void sort(void *records, size_t size, size_t n) {
    char *base = records, moved[64];
    for (size_t i = n / 2; i-- > 0;)
        sift(base, size, i, n);
    for (size_t i = n; i-- > 1;) {
        memcpy(moved, base, size);
        memcpy(base, base + i * size, size);
        memcpy(base + i * size, moved, size);
        sift(base, size, 0, i);
    }
}
_Static_assert(sizeof(struct candidate) <= 64 && sizeof(struct pointer) <= 64, "fit moved");

/* The first record whose number is not below `key`. */
static size_t find(const void *records, size_t size, size_t n, uint64_t key) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (key_at(records, size, middle) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- candidates --------------------------------------------------------------------------- */

/* Pool blocks alive, in order of the addresses. */
struct pools {
    uint64_t *address;
    size_t count, room;
};

static bool list_pools(struct pools *p, const struct blocks *t) {
    *p = (struct pools){.room = t->pools};
    if (t->pools == 0)
        return true;
    p->address = get(p->room, sizeof *p->address);
    if (p->address == NULL)
        return false;
    for (size_t i = 0; i < t->capacity && p->count < p->room; i++)
        if (block_kind(&t->slot[i]) == BLOCK_OF_POOL && t->slot[i].state == BLOCK_LIVE)
            p->address[p->count++] = block_address(&t->slot[i]);
    sort(p->address, sizeof *p->address, p->count);
    return true;
}

/* Whether a pool block lives in b. One that is older than b, or than its end, does not. */
static bool holds_pool(const struct pools *p, struct blocks *t, const struct block *b) {
    bool holds = false;
    uint64_t first = block_address(b) + (block_kind(b) == BLOCK_OF_POOL);
    size_t i = find(p->address, sizeof *p->address, p->count, first);
    for (; i < p->count && p->address[i] < block_end(b); i++) {
        struct block *inner = blocks_find(t, p->address[i], BLOCK_OF_POOL);
        if (inner == NULL || inner->state != BLOCK_LIVE)
            continue;
        if (inner->stamp < b->stamp)
            blocks_end(t, inner);
        else
            holds |= b->state != BLOCK_FREED;
    }
    return holds;
}

static bool is_candidate(const struct pools *p, struct blocks *t, const struct block *b,
                         uint64_t begun) {
    return b->key != 0 && b->state == BLOCK_LIVE && b->stamp > begun &&
           (p->count == 0 || !holds_pool(p, t, b));
}

static void add_candidates(struct lost *l, const struct pools *p, struct blocks *t, uint64_t begun,
                           size_t room) {
    for (size_t i = 0; i < t->capacity && l->count < room; i++) {
        const struct block *b = &t->slot[i];
        if (is_candidate(p, t, b, begun))
            l->candidate[l->count++] = (struct candidate){.start = block_address(b),
                                                          .stamp = b->stamp,
                                                          .size = b->size,
                                                          .pool = block_kind(b) == BLOCK_OF_POOL,
                                                          .kept = block_is_ignored(b)};
    }
    sort(l->candidate, sizeof *l->candidate, l->count);
}

static size_t count_since(const struct blocks *t, uint64_t begun) {
    size_t n = 0;
    for (size_t i = 0; i < t->capacity; i++)
        n += t->slot[i].key != 0 && t->slot[i].state == BLOCK_LIVE && t->slot[i].stamp > begun;
    return n;
}

static size_t unkept(const struct lost *l) {
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        n += !l->candidate[i].kept;
    return n;
}

static uint64_t candidate_end(const struct candidate *c) {
    return c->start + (c->size != 0 ? c->size : 1);
}

bool lost_collect(struct lost *l, struct blocks *t, uint64_t begun) {
    struct pools pools;
    memset(l, 0, sizeof *l);
    l->collected = t->settled;
    if (!list_pools(&pools, t)) {
        l->failed = true;
        return false;
    }
    for (size_t i = 0; pools.count != 0 && i < t->capacity; i++)
        if (t->slot[i].key != 0 && block_kind(&t->slot[i]) == BLOCK_OF_HEAP)
            holds_pool(&pools, t, &t->slot[i]);
    size_t room = count_since(t, begun);
    if (room != 0) {
        l->room = room;
        l->candidate = get(room, sizeof *l->candidate);
        l->target = get(room, sizeof *l->target);
        l->failed = l->candidate == NULL || l->target == NULL;
    }
    if (room != 0 && !l->failed)
        add_candidates(l, &pools, t, begun, room);
    give_back(pools.address, pools.room, sizeof *pools.address);
    for (size_t i = 0; i < l->count; i++)
        l->target[i] = (struct target){l->candidate[i].start, candidate_end(&l->candidate[i])};
    return !l->failed && unkept(l) != 0;
}

void lost_free(struct lost *l) {
    give_back(l->candidate, l->room, sizeof *l->candidate);
    give_back(l->target, l->room, sizeof *l->target);
    give_back(l->pointer, l->pointer_room, sizeof *l->pointer);
    memset(l, 0, sizeof *l);
}

/* The candidate that the address lies in, from 1; 0: in none. */
static uint32_t candidate_of(const struct lost *l, uint64_t address) {
    size_t i = find(l->candidate, sizeof *l->candidate, l->count, address + 1);
    return i != 0 && address < candidate_end(&l->candidate[i - 1]) ? (uint32_t)i : 0;
}

/* ---- words -------------------------------------------------------------------------------- */

static bool make_room(struct lost *l, size_t more) {
    if (l->pointers + more <= l->pointer_room)
        return true;
    size_t room = l->pointer_room != 0 ? l->pointer_room * 2 : FIRST_ROOM;
    while (room < l->pointers + more)
        room *= 2;
    size_t had = tape_align(l->pointer_room * sizeof *l->pointer, 4096);
    struct pointer *p = l->pointer == NULL
                            ? get(room, sizeof *p)
                            : sys_remap(l->pointer, had, tape_align(room * sizeof *p, 4096));
    if (p == NULL)
        return false;
    l->pointer = p;
    l->pointer_room = room;
    return true;
}

static bool is_root(const struct region *r) {
    return r->is.kind != TAPE_REGION_OTHER && r->is.kind != TAPE_REGION_ALLOCATOR;
}

bool lost_add_words(struct lost *l, const struct region *region, const struct scan_words *words) {
    if (!make_room(l, words->words)) {
        l->failed = true;
        return false;
    }
    const struct tape_word *word = words->word;
    for (uint32_t i = 0; i < words->runs; i++) {
        uint32_t number = words->run[i].region;
        for (uint32_t n = words->run[i].count; n > 0; n--, word++) {
            uint32_t to = candidate_of(l, word->value);
            if (to == 0)
                continue;
            if (is_root(&region[number]))
                l->candidate[to - 1].kept = true;
            else
                l->pointer[l->pointers++] =
                    (struct pointer){.address = word->address, .to = to - 1, .region = number};
        }
    }
    return true;
}

/* ---- what they lie in --------------------------------------------------------------------- */

struct placing {
    struct lost *l;
    struct blocks *t;
    const struct region *region;
    size_t regions; /* those in memory, in order of the addresses */
    enum lost_trust trust;
    uint64_t trusted_from;
    struct pools pools;
    uint8_t *used; /* by region: blocks of which kinds ever began there, bits */
};
#define USED_BY(kind) (1u << (kind))

static enum lies lies_in(const struct placing *p, const struct block *b) {
    if (b->state == BLOCK_FREED)
        return b->stamp > p->l->collected || b->stamp < p->trusted_from ? LIES_LATELY_FREED
                                                                        : LIES_FREED;
    if (block_kind(b) == BLOCK_OF_POOL)
        return LIES_POOL;
    return p->pools.count != 0 && holds_pool(&p->pools, p->t, b) ? LIES_POOL_MEMORY : LIES_BLOCK;
}

static void place_in(const struct placing *p, const struct block *b) {
    struct pointer *pointer = p->l->pointer;
    size_t n = p->l->pointers;
    if (block_end(b) <= pointer[0].address || block_address(b) > pointer[n - 1].address)
        return;
    size_t i = find(pointer, sizeof *pointer, n, block_address(b));
    if (i == n || pointer[i].address >= block_end(b))
        return;
    enum lies lies = lies_in(p, b);
    for (; i < n && pointer[i].address < block_end(b); i++)
        if (pointer[i].lies < lies)
            pointer[i].lies = (uint8_t)lies;
}

static void note_use(const struct placing *p, const struct block *b) {
    bool trace = block_kind(b) == BLOCK_TRACE;
    uint64_t at = trace ? b->ignored : block_address(b);
    size_t i = find(p->region, sizeof *p->region, p->regions, at + 1);
    if (i == 0 || at - p->region[i - 1].is.start >= p->region[i - 1].is.length)
        return;
    p->used[i - 1] |= USED_BY(trace ? BLOCK_OF_HEAP : block_kind(b));
}

/* The allocator's state of a block that lives, and of nothing: what else there is in its memory.
 * A pool's own memory, where the block's neighbours are, may have pointers to other memory in it
 * that count, but its lists are none of the program's. */
static bool keeps(const struct placing *p, const struct pointer *w) {
    bool of_heap = !p->l->candidate[w->to].pool;
    unsigned used;
    switch ((enum lies)w->lies) {
    case LIES_BLOCK:
    case LIES_POOL:
    case LIES_LATELY_FREED:
        return true;
    case LIES_POOL_MEMORY:
        return of_heap;
    case LIES_FREED:
        return p->trust == LOST_EVERYTHING;
    case LIES_NOWHERE:
        break;
    }
    if (p->trust != LOST_NOTHING)
        return true;
    used = p->used[w->region];
    if (p->region[w->region].is.kind == TAPE_REGION_ALLOCATOR || (used & USED_BY(BLOCK_OF_HEAP)))
        return false;
    return of_heap || used == 0;
}

/* Candidates may have been freed while we looked. */
static void check_candidates(const struct placing *p) {
    for (size_t i = 0; i < p->l->count; i++) {
        struct candidate *c = &p->l->candidate[i];
        const struct block *b =
            blocks_find(p->t, c->start, c->pool ? BLOCK_OF_POOL : BLOCK_OF_HEAP);
        c->gone = b == NULL || b->state != BLOCK_LIVE || b->stamp != c->stamp;
        c->kept |= !c->gone && block_is_ignored(b);
    }
}

static void place(struct placing *p) {
    struct lost *l = p->l;
    sort(l->pointer, sizeof *l->pointer, l->pointers);
    for (size_t i = 0; i < p->t->capacity; i++) {
        const struct block *b = &p->t->slot[i];
        if (b->key == 0)
            continue;
        if (block_kind(b) != BLOCK_TRACE)
            place_in(p, b);
        if (p->trust == LOST_NOTHING)
            note_use(p, b);
    }
    for (size_t i = 0; i < l->pointers; i++) {
        uint32_t from = candidate_of(l, l->pointer[i].address);
        if ((from == 0 || l->candidate[from - 1].gone) && keeps(p, &l->pointer[i]))
            l->candidate[l->pointer[i].to].kept = true;
    }
}

bool lost_place_words(struct lost *l, struct blocks *t, const struct region *region, size_t regions,
                      enum lost_trust trust, uint64_t trusted_from) {
    struct placing p = {.l = l,
                        .t = t,
                        .region = region,
                        .regions = regions,
                        .trust = trust,
                        .trusted_from = trusted_from};
    check_candidates(&p);
    if (l->pointers == 0)
        return true;
    while (p.regions > 0 && region[p.regions - 1].registers != NULL)
        p.regions--;
    p.used = get(regions + 1, sizeof *p.used);
    bool done = p.used != NULL && list_pools(&p.pools, t);
    if (done)
        place(&p);
    give_back(p.used, regions + 1, sizeof *p.used);
    give_back(p.pools.address, p.pools.room, sizeof *p.pools.address);
    return done;
}

/* ---- following them ----------------------------------------------------------------------- */

size_t lost_all(const struct lost *l) {
    size_t bytes = 0;
    for (size_t i = 0; i < l->count; i++)
        if (!l->candidate[i].kept && !l->candidate[i].gone)
            bytes += l->candidate[i].size;
    return bytes;
}

bool lost_follow(struct lost *l, size_t *bytes) {
    *bytes = 0;
    size_t depth = 0;
    uint32_t *stack = get(l->count, sizeof *stack);
    if (stack == NULL)
        return false;
    for (size_t i = 0; i < l->count; i++)
        if (l->candidate[i].kept)
            stack[depth++] = (uint32_t)i;
    while (depth > 0) {
        const struct candidate *c = &l->candidate[stack[--depth]];
        size_t i = find(l->pointer, sizeof *l->pointer, l->pointers, c->start);
        for (; !c->gone && i < l->pointers && l->pointer[i].address < candidate_end(c); i++) {
            struct candidate *to = &l->candidate[l->pointer[i].to];
            if (!to->kept) {
                to->kept = true;
                stack[depth++] = l->pointer[i].to;
            }
        }
    }
    *bytes = lost_all(l);
    give_back(stack, l->count, sizeof *stack);
    return true;
}
