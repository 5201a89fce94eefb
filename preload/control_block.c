/* SPDX-License-Identifier: MIT */
#include "control_block.h"

#include "sys_image.h"

#define AT_END     8192                 /* bytes at a mapping's end in which it mostly lies */
#define STACK_MOST (UINT64_C(64) << 20) /* bytes that are searched for it when it is not there */

/* glibc's thread control block begins with its own address, and has it again two words on. It lies
 * at the end of the stack, and stays there when the thread has ended and the stack is kept for the
 * next one. 0: there is none in [from, to), which fits the scratch memory. */
static uint64_t find_block_in(const struct regions *r, uint64_t from, uint64_t to, uint64_t end) {
    const uint64_t *words = (const uint64_t *)(const void *)r->scratch;
    size_t count = (to - from) / 8;
    if (!r->peek(r->context, from, r->scratch, count * 8))
        return 0;
    for (size_t i = 0; i + 8 <= count; i += 8) { /* it is aligned to a cache line */
        uint64_t at = from + i * 8;
        if (words[i] == at && words[i + 2] == at && at + CONTROL_BLOCK_BYTES <= end)
            return at;
    }
    return 0;
}

/* Other memory may lie so close behind the stack that the kernel has made one mapping of both. */
uint64_t control_block_find(const struct regions *r, const struct map_entry *m) {
    uint64_t from = m->end - m->start > AT_END ? m->end - AT_END : m->start;
    uint64_t found = find_block_in(r, from, m->end, m->end);
    uint64_t end = m->end - m->start > STACK_MOST ? m->start + STACK_MOST : m->end;
    struct sys_pages pages[64];
    for (uint64_t at = m->start, next; found == 0 && at < end; at = next) {
        size_t n = sys_pages(r->pagemap, at, end, pages, 64, &next);
        for (size_t i = 0; i < n; i++)
            for (uint64_t page = pages[i].start; found == 0 && page < pages[i].end;) {
                uint64_t part = pages[i].end - page;
                if (part > REGIONS_SCRATCH)
                    part = REGIONS_SCRATCH;
                found = find_block_in(r, page, page + part, m->end);
                page += part;
            }
    }
    return found;
}
