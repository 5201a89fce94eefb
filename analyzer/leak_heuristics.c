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

static bool word_at(const struct leak_graph *g, uint64_t address, uint64_t *value) {
    const struct tape_word *w = address % 8 == 0 ? heap_image_word(g->image, address) : NULL;
    if (w != NULL)
        *value = w->value;
    return w != NULL;
}

static bool is_stdstring(const struct leak_graph *g, const struct leak_block *b, uint64_t pointer) {
    uint64_t length, capacity;
    return pointer == b->address + 24 && word_at(g, b->address + 8, &capacity) &&
           24 + capacity + 1 == b->size && word_at(g, b->address, &length) && length <= capacity;
}

/* What lies behind the block's first word, which is not 0. */
static bool is_counted(const struct leak_graph *g, const struct leak_block *b, uint64_t pointer,
                       uint64_t *count, uint64_t *rest) {
    *rest = b->size - 8;
    return pointer == b->address + 8 && word_at(g, b->address, count) && *count != 0;
}

/* In a module, but not in what it can write to. */
static bool in_constant_data(const struct leak_graph *g, uint64_t address) {
    bool found = false;
    for (size_t i = 0; i < g->module_count && !found; i++)
        found = address >= g->module[i].start && address < g->module[i].end;
    for (uint32_t i = 0; i < g->image->region_count && found; i++)
        found = g->image->region[i].is.kind == TAPE_REGION_REGISTERS ||
                address - g->image->region[i].is.start >= g->image->region[i].is.length;
    return found && address % 8 == 0;
}

static bool has_two_tables(const struct leak_graph *g, const struct leak_block *b,
                           uint64_t pointer) {
    uint64_t inner, first;
    return word_at(g, pointer, &inner) && word_at(g, b->address, &first) &&
           in_constant_data(g, inner) && in_constant_data(g, first);
}

bool leak_heuristics_hold(const struct leak_graph *g, const struct leak_block *b,
                          uint64_t pointer) {
    uint64_t count, rest;
    unsigned set = g->heuristics;
    if ((set & 1U << LEAK_STDSTRING) && is_stdstring(g, b, pointer))
        return true;
    if ((set & (1U << LEAK_LENGTH64 | 1U << LEAK_NEWARRAY)) &&
        is_counted(g, b, pointer, &count, &rest))
        if (((set & 1U << LEAK_LENGTH64) && count == rest) ||
            ((set & 1U << LEAK_NEWARRAY) && rest % count == 0))
            return true;
    return (set & 1U << LEAK_MULTIPLE_INHERITANCE) && has_two_tables(g, b, pointer);
}
