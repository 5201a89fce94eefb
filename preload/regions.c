/* SPDX-License-Identifier: MIT */
#include "regions.h"

#include <elf.h>
#include <string.h>

#include "allocator_state.h"
#include "control_block.h"
#include "sys_image.h"

#define PAGE UINT64_C(4096)

/* ---- pieces ------------------------------------------------------------------------------- */

static void add(struct regions *r, uint64_t start, uint64_t end, struct region region) {
    if (start >= end)
        return;
    if (r->count == r->room) {
        r->full = true;
        return;
    }
    region.is.start = start;
    region.is.length = end - start;
    r->region[r->count++] = region;
}

/* The same without what lies in [from, to), which is returned as done. */
static uint64_t add_before(struct regions *r, uint64_t start, uint64_t end, uint64_t from,
                           uint64_t to, struct region region) {
    if (to <= start || from >= end)
        return start;
    add(r, start, from, region);
    return to < end ? to : end;
}

/* The first range that ends behind start. */
static size_t find_range(const struct range *range, size_t count, uint64_t start) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (range[middle].end <= start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Without what is the recorder's own, and without the state of libc's allocator. */
static void add_others(struct regions *r, uint64_t start, uint64_t end, struct region region) {
    size_t low = find_range(r->owned, r->owneds, start);
    for (; low < r->owneds && r->owned[low].start < end; low++)
        start = add_before(r, start, end, r->owned[low].start, r->owned[low].end, region);
    start = add_before(r, start, end, r->hole[0], r->hole[1], region);
    add(r, start, end, region);
}

/* The kernel makes one mapping of the allocator's and of others that lie side by side. */
static void add_memory(struct regions *r, uint64_t start, uint64_t end, struct region region) {
    struct region allocators = region;
    allocators.is.kind = TAPE_REGION_ALLOCATOR;
    for (size_t i = find_range(r->mapped, r->mappeds, start);
         i < r->mappeds && r->mapped[i].start < end; i++) {
        uint64_t from = r->mapped[i].start > start ? r->mapped[i].start : start;
        uint64_t to = r->mapped[i].end < end ? r->mapped[i].end : end;
        add_others(r, start, from, region);
        add_others(r, from, to, allocators);
        start = to;
    }
    add_others(r, start, end, region);
}

/*
 * A block that glibc has mapped for itself begins a page with its header: nothing, then the size,
 * of whole pages, and a bit that says so. The kernel makes one mapping of it and of what lies
 * beside it: the main thread's static data, memory that the program has mapped. As a region of its
 * own such memory is told from that where blocks lie.
 */
static uint64_t mapped_block_end(const struct regions *r, uint64_t at, uint64_t end) {
    uint64_t head[2];
    if (!r->peek(r->context, at, head, sizeof head) || head[0] != 0 || (head[1] & 7) != 2)
        return 0;
    uint64_t bytes = head[1] & ~UINT64_C(7);
    return bytes % PAGE == 0 && bytes != 0 && bytes <= end - at ? at + bytes : 0;
}

static void add_blocks(struct regions *r, uint64_t start, uint64_t end, struct region region) {
    struct sys_pages pages[64];
    for (uint64_t at = start, next; at<end; at = next> start ? next : start) {
        size_t n = sys_pages(r->pagemap, at, end, pages, 64, &next);
        for (size_t i = 0; i < n; i++) {
            uint64_t page = pages[i].start > start ? pages[i].start : start;
            while (page < pages[i].end) {
                uint64_t behind = mapped_block_end(r, page, end);
                if (behind != 0) {
                    add_memory(r, start, page, region);
                    add_memory(r, page, behind, region);
                    start = behind;
                }
                page = behind != 0 ? behind : page + PAGE;
            }
        }
    }
    add_memory(r, start, end, region);
}

static void add_anonymous(struct regions *r, uint64_t start, uint64_t end, struct region region) {
    if (r->mapped_blocks)
        add_blocks(r, start, end, region);
    else
        add_memory(r, start, end, region);
}

/* ---- modules ------------------------------------------------------------------------------ */

static bool same_file(const struct map_entry *a, const struct map_entry *b) {
    return a->kind == MAP_OF_FILE && b->kind == MAP_OF_FILE && a->inode == b->inode &&
           a->device == b->device;
}

static const struct map_entry *find_map(const struct regions *r, uint64_t address) {
    return maps_find(r->map, r->maps, address);
}

/* Where the data of the loaded module ends that a mapping belongs to, zeroes behind the file's part
 * included; 0 when it is a mapping of some other file. */
static uint64_t module_end(const struct regions *r, const struct map_entry *m) {
    const struct map_entry *base = m;
    while (base > r->map && !(base->offset == 0 && same_file(base, m)) && m - base < 64)
        base--;
    uint8_t head[4096];
    if (base->offset != 0 || !same_file(base, m) || !base->read ||
        !r->peek(r->context, base->start, head, sizeof head))
        return 0;
    Elf64_Ehdr elf;
    memcpy(&elf, head, sizeof elf);
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phentsize != sizeof(Elf64_Phdr) ||
        elf.e_phoff > sizeof head || elf.e_phnum > (sizeof head - elf.e_phoff) / sizeof(Elf64_Phdr))
        return 0;
    uint64_t low = UINT64_MAX, high = 0;
    for (unsigned i = 0; i < elf.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, head + elf.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD)
            continue;
        if (segment.p_vaddr < low)
            low = segment.p_vaddr & -PAGE;
        if (segment.p_vaddr + segment.p_memsz > high)
            high = segment.p_vaddr + segment.p_memsz;
    }
    uint64_t end = base->start + ((high + PAGE - 1) & -PAGE) - low;
    return low < high && end > m->start ? end : 0;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static const struct seen_thread *find_thread(const struct regions *r, uint64_t tid) {
    for (size_t i = 0; i < r->threads; i++)
        if (r->thread[i].tid == tid)
            return &r->thread[i];
    return NULL;
}

/* A stack that is known to be one thread's alone: what lies below its stack pointer is dead. */
static void add_stack(struct regions *r, const struct map_entry *m, uint64_t end, uint64_t tid) {
    const struct seen_thread *seen = find_thread(r, tid);
    struct region stack = {.is = {.kind = TAPE_REGION_STACK, .tid = tid}};
    uint64_t start = m->start;
    if (seen == NULL)
        stack.is.flags = TAPE_REGION_REGISTERS_UNSEEN;
    else if (seen->sp >= m->start + ARCH_RED_ZONE && seen->sp < end)
        start = (seen->sp - ARCH_RED_ZONE) & ~UINT64_C(7);
    add_others(r, start, end, stack);
}

/* Whether the mapping is the stack of a thread, living or not, and what is to be said is said. A
 * stack that libc made has a guard below; one that the program brought along may hold other things,
 * and is taken whole. */
static bool add_thread_stack(struct regions *r, const struct map_entry *m) {
    if (m == r->map || m[-1].end != m->start || m[-1].read || m[-1].write || r->tid_at == 0)
        return false;
    uint64_t block = control_block_find(r, m);
    if (block == 0)
        return false;
    int32_t tid; /* 0: ended; -1: and joined */
    if (!r->peek(r->context, block + r->tid_at, &tid, sizeof tid))
        return false;
    uint64_t end = (block + CONTROL_BLOCK_BYTES + PAGE - 1) & -PAGE;
    if (tid > 0)
        add_stack(r, m, end, (uint64_t)tid);
    else /* libc keeps the table of thread-local storage for the next thread that gets the stack */
        add(r, block + CONTROL_BLOCK_TABLE, block + CONTROL_BLOCK_TABLE + 8,
            (struct region){.is = {.kind = TAPE_REGION_STACK}});
    add_anonymous(r, end, m->end, (struct region){.is = {.kind = TAPE_REGION_OTHER}});
    return true;
}

/* ---- all ---------------------------------------------------------------------------------- */

static bool is_looked_at(const struct map_entry *m) {
    if (!m->read || m->kind == MAP_NOT_MEMORY)
        return false;
    /* What is anonymous and cannot be written now may have been before. */
    return m->write || (m->kind == MAP_ANONYMOUS_MEMORY && !m->execute);
}

struct modules {
    const struct map_entry *self, *libc, *real;
};

static enum tape_region_kind kind_of_module(const struct modules *known,
                                            const struct map_entry *m) {
    bool allocator = known->real != NULL && same_file(known->real, m) &&
                     (known->libc == NULL || !same_file(known->libc, m));
    return allocator ? TAPE_REGION_ALLOCATOR : TAPE_REGION_MODULE;
}

static void add_registers(struct regions *r) {
    for (size_t i = 0; i < r->threads; i++) {
        struct region registers = {.is = {.kind = TAPE_REGION_REGISTERS, .tid = r->thread[i].tid},
                                   .registers = r->thread[i].regs};
        add(r, 0, ARCH_REGS * 8, registers);
    }
}

void regions_make(struct regions *r) {
    struct modules known = {find_map(r, r->self), find_map(r, r->libc), find_map(r, r->real)};
    r->mapped_blocks =
        known.libc != NULL && known.real != NULL && same_file(known.libc, known.real);
    const struct map_entry *module = NULL; /* the one whose data may go on in the next mapping */
    uint64_t end = 0;
    for (size_t i = 0; i < r->maps; i++) {
        const struct map_entry *m = &r->map[i];
        uint64_t start = m->start;
        struct region region = {.is = {.kind = TAPE_REGION_OTHER}, .shared = m->shared};
        if (m->kind == MAP_OF_FILE && (m->write || module == NULL || !same_file(module, m))) {
            end = m->shared ? 0 : module_end(r, m);
            module = end != 0 ? m : NULL;
        }
        if (!is_looked_at(m))
            continue;
        if (m->kind == MAP_MAIN_STACK) {
            add_stack(r, m, m->end, r->pid);
            continue;
        }
        if (module != NULL && start < end && (m->kind == MAP_ANONYMOUS_MEMORY || module == m)) {
            uint64_t part = m->end < end ? m->end : end;
            region.is.kind = kind_of_module(&known, module);
            if (known.libc != NULL && same_file(known.libc, module) && r->hole[0] == 0)
                allocator_state_find(r, start, part);
            if (known.self == NULL || !same_file(known.self, module))
                add_others(r, start, part, region);
            start = part;
            region.is.kind = TAPE_REGION_OTHER;
        }
        if (start == m->start && m->kind == MAP_ANONYMOUS_MEMORY && !m->shared &&
            add_thread_stack(r, m))
            continue;
        if (m->kind == MAP_ANONYMOUS_MEMORY && !m->shared)
            add_anonymous(r, start, m->end, region);
        else
            add_memory(r, start, m->end, region);
    }
    add_registers(r);
}
