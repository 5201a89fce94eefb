/* SPDX-License-Identifier: MIT */
#include "symbol_memo.h"

#include <stdlib.h>
#include <string.h>

struct known {
    uint64_t vaddr;
    uint32_t first, count; /* of the symbols */
};

struct symbol_memo {
    struct symbol *symbol;
    size_t symbols, room;
    size_t count;
    struct known known[];
};

struct symbol_memo *symbol_memo_new(size_t count) {
    return calloc(1, sizeof(struct symbol_memo) + count * sizeof(struct known));
}

void symbol_memo_free(struct symbol_memo *m) {
    if (m != NULL)
        free(m->symbol);
    free(m);
}

bool symbol_memo_add(struct symbol_memo *m, uint64_t vaddr, const struct symbol *symbol,
                     size_t count) {
    if (m->symbols + count > m->room) {
        size_t room = 2 * (m->symbols + count) + 64;
        struct symbol *more = reallocarray(m->symbol, room, sizeof *more);
        if (more == NULL)
            return false;
        m->symbol = more;
        m->room = room;
    }
    if (count != 0)
        memcpy(m->symbol + m->symbols, symbol, count * sizeof *symbol);
    m->known[m->count++] = (struct known){vaddr, (uint32_t)m->symbols, (uint32_t)count};
    m->symbols += count;
    return true;
}

bool symbol_memo_find(const struct symbol_memo *m, uint64_t vaddr, struct symbol *out,
                      size_t *count) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->known[mid].vaddr < vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == m->count || m->known[low].vaddr != vaddr)
        return false;
    *count = m->known[low].count;
    memcpy(out, m->symbol + m->known[low].first, *count * sizeof *out);
    return true;
}
