/* SPDX-License-Identifier: MIT */
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"

void modules_free(struct modules *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        free(m->module[i]->path);
        free(m->module[i]);
    }
    free(m->module);
    free(m->by_start);
    free(m->unload);
}

/* Number of modules that begin below `start`, or at it in a generation below `generation`. */
static uint32_t rank(const struct modules *m, uint64_t start, uint64_t generation) {
    uint32_t low = 0, high = m->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct module *x = m->module[m->by_start[mid]];
        if (x->start < start || (x->start == start && x->generation < generation))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t unload_rank(const struct modules *m, uint64_t start, uint64_t generation) {
    size_t low = 0, high = m->unload_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct unload *u = &m->unload[mid];
        if (u->start < start || (u->start == start && u->generation < generation))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool same(const struct module *x, const struct module *y) {
    return x->start == y->start && x->end == y->end && x->bias == y->bias &&
           x->build_id_len == y->build_id_len &&
           memcmp(x->build_id, y->build_id, x->build_id_len) == 0 && strcmp(x->path, y->path) == 0;
}

/* The generation from which what was loaded at `start` in `generation` is gone, as far as known. */
static uint64_t gone_from(const struct modules *m, uint64_t start, uint64_t generation) {
    size_t i = generation < UINT64_MAX ? unload_rank(m, start, generation + 1) : m->unload_count;
    return i < m->unload_count && m->unload[i].start == start ? m->unload[i].generation
                                                              : UINT64_MAX;
}

void modules_add(struct modules *m, const struct module *new) {
    uint64_t gone = gone_from(m, new->start, new->generation);
    for (uint32_t i = rank(m, new->start, 0); i < m->count; i++) {
        struct module *old = m->module[m->by_start[i]];
        if (old->start != new->start)
            break;
        /* The same if nothing was unloaded between the two announcements. */
        if (old->gone == gone && same(old, new)) {
            if (old->generation > new->generation)
                old->generation = new->generation;
            return;
        }
    }
    if (m->count == m->room) {
        m->room = m->room != 0 ? m->room * 2 : 16;
        m->module = xrealloc(m->module, m->room * sizeof *m->module);
        m->by_start = xrealloc(m->by_start, m->room * sizeof *m->by_start);
    }
    uint32_t at = rank(m, new->start, new->generation);
    memmove(m->by_start + at + 1, m->by_start + at, (m->count - at) * sizeof *m->by_start);
    m->by_start[at] = m->count;
    struct module *copy = m->module[m->count++] = xmalloc(sizeof *copy);
    *copy = *new;
    copy->path = xstrdup(new->path);
    copy->gone = gone;
    if (new->end - new->start > m->longest)
        m->longest = new->end - new->start;
}

void modules_unload(struct modules *m, uint64_t start, uint64_t generation) {
    size_t at = unload_rank(m, start, generation);
    if (at < m->unload_count && m->unload[at].start == start &&
        m->unload[at].generation == generation)
        return;
    if (m->unload_count == m->unload_room) {
        m->unload_room = m->unload_room != 0 ? m->unload_room * 2 : 16;
        m->unload = xrealloc(m->unload, m->unload_room * sizeof *m->unload);
    }
    memmove(m->unload + at + 1, m->unload + at, (m->unload_count - at) * sizeof *m->unload);
    m->unload[at] = (struct unload){start, generation};
    m->unload_count++;
    for (uint32_t i = rank(m, start, 0); i < m->count; i++) {
        struct module *x = m->module[m->by_start[i]];
        if (x->start != start || x->generation >= generation)
            break;
        if (x->gone > generation)
            x->gone = generation;
    }
}

uint32_t modules_find(const struct modules *m, uint64_t address, uint64_t generation, bool any) {
    uint32_t other = UINT32_MAX;
    for (uint32_t i = rank(m, address, UINT64_MAX); i > 0; i--) {
        uint32_t index = m->by_start[i - 1];
        const struct module *x = m->module[index];
        if (address - x->start >= m->longest)
            break;
        if (address >= x->end)
            continue;
        if (x->generation <= generation && generation < x->gone)
            return index;
        if (other == UINT32_MAX)
            other = index;
    }
    return any ? other : UINT32_MAX;
}
