/* SPDX-License-Identifier: MIT */
#include "leak_heuristics.h"

#include <string.h>

static const char *const names[LEAK_HEURISTICS] = {
    [LEAK_STDSTRING] = "stdstring",
    [LEAK_LENGTH64] = "length64",
    [LEAK_NEWARRAY] = "newarray",
    [LEAK_MULTIPLE_INHERITANCE] = "multipleinheritance",
};

static unsigned parse_one(const char *word, size_t length) {
    if (length == 3 && memcmp(word, "all", 3) == 0)
        return LEAK_HEURISTICS_ALL;
    for (int i = 0; i < LEAK_HEURISTICS; i++)
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0)
            return 1U << i;
    return 0;
}

bool leak_heuristics_parse(const char *text, unsigned *set) {
    unsigned found = 0;
    if (strcmp(text, "none") != 0)
        for (const char *end = ","; *end == ','; text = end + 1) {
            end = strchrnul(text, ',');
            unsigned one = parse_one(text, (size_t)(end - text));
            if (one == 0)
                return false;
            found |= one;
        }
    *set = found;
    return true;
}

/* The word at an address inside the block. */
static bool word_at(const struct leak_graph *g, uint32_t block, uint64_t address, uint64_t *value) {
    const struct tape_word *word = g->image->memory + g->words[block].first;
    size_t low = 0, high = g->words[block].count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (word[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == g->words[block].count || word[low].address != address)
        return false;
    *value = word[low].value;
    return true;
}

static bool is_stdstring(const struct leak_graph *g, uint32_t block) {
    uint64_t length, capacity, start = g->block[block].address;
    return word_at(g, block, start + 8, &capacity) && 24 + capacity + 1 == g->block[block].size &&
           word_at(g, block, start, &length) && length <= capacity;
}

/* The block's first word says how much follows. */
static bool is_counted(const struct leak_graph *g, uint32_t block) {
    uint64_t count, rest = g->block[block].size - 8;
    if (!word_at(g, block, g->block[block].address, &count) || count == 0)
        return false;
    return ((g->heuristics & 1U << LEAK_LENGTH64) != 0 && count == rest) ||
           ((g->heuristics & 1U << LEAK_NEWARRAY) != 0 && rest % count == 0);
}

/* In what was mapped of a module's file, and in no memory that blocks may lie in. That a table of
 * functions lies there is for the writer to know. */
static bool in_module(const struct leak_graph *g, uint64_t address) {
    bool found = false;
    for (size_t i = 0; i < g->module_count && !found; i++)
        found = address >= g->module[i].start && address < g->module[i].end;
    for (uint32_t i = 0; i < g->image->region_count && found; i++) {
        const struct tape_image_region *r = &g->image->region[i].is;
        found = (r->kind != TAPE_REGION_OTHER && r->kind != TAPE_REGION_ALLOCATOR) ||
                address - r->start >= r->length;
    }
    return found && address % 8 == 0;
}

static bool has_two_tables(const struct leak_graph *g, uint32_t block, uint64_t pointer) {
    uint64_t inner, first;
    return word_at(g, block, g->block[block].address, &first) && in_module(g, first) &&
           word_at(g, block, pointer, &inner) && in_module(g, inner);
}

bool leak_heuristics_hold(const struct leak_graph *g, uint32_t block, uint64_t pointer) {
    uint64_t inside = pointer - g->block[block].address;
    if (inside == 24 && (g->heuristics & 1U << LEAK_STDSTRING) != 0 && is_stdstring(g, block))
        return true;
    if (inside == 8 && is_counted(g, block))
        return true;
    return inside % 8 == 0 && (g->heuristics & 1U << LEAK_MULTIPLE_INHERITANCE) != 0 &&
           has_two_tables(g, block, pointer);
}
