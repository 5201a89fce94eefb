/* SPDX-License-Identifier: MIT */
#include "tables.h"

#define WORDS 21 /* as far as memcheck looks */

static bool is_function(const struct tables *t, uint64_t value) {
    const struct map_entry *m = maps_find(t->map, t->maps, value);
    return m != NULL && m->kind == MAP_OF_FILE && m->execute;
}

static bool look(const struct tables *t, uint64_t value) {
    const struct map_entry *m = maps_find(t->map, t->maps, value);
    uint64_t word[WORDS];
    if (m == NULL || m->kind != MAP_OF_FILE || !m->read)
        return false;
    size_t bytes = m->end - value < sizeof word ? (size_t)(m->end - value) : sizeof word;
    size_t words = memory_read(t->memory, value, word, bytes) / 8, functions = 0;
    for (size_t i = 0; i < words && functions < 2; i++)
        if (word[i] != 0) {
            if (!is_function(t, word[i]))
                return false;
            functions++;
        }
    return functions == 2;
}

bool tables_hold(struct tables *t, uint64_t value) {
    if (value % 8 != 0 || value == 0)
        return false;
    uint64_t *known = &t->known[(value / 8 ^ value >> 14) % TABLES_KNOWN];
    if ((*known & ~UINT64_C(1)) != value)
        *known = value | look(t, value);
    return (*known & 1) != 0;
}
