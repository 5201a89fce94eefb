/* SPDX-License-Identifier: MIT */
/*
 * Nothing here allocates, locks, or calls a function of libc that may: other threads of the process
 * were anywhere when it was copied.
 */
#include "image_look.h"

#include <string.h>
#include <time.h>

#include "allocator.h"
#include "owned.h"
#include "real.h"
#include "sys_image.h"
#include "tape/format.h"

#define STACK_BYTES (64 * 1024)
#define TEXT_BYTES  REGIONS_SCRATCH
#define WAIT_NS     UINT64_C(1000000000)

/* ---- memory ------------------------------------------------------------------------------- */

static void *part(uint8_t **p, size_t bytes) {
    void *q = *p;
    *p += tape_align(bytes, 64);
    return q;
}

static struct image *provide(size_t room) {
    size_t share_bytes = sizeof(struct image_share) + room * sizeof(struct region);
    size_t bytes = sizeof(struct image) +
                   room * (sizeof(struct map_entry) + sizeof(struct target) + sizeof(uint64_t)) +
                   2 * RANGES_MOST * sizeof(struct range) +
                   IMAGE_THREADS * sizeof(struct seen_thread) + SCAN_BUFFER + REGIONS_SCRATCH +
                   sizeof(struct tables) + SCAN_ASIDE * (sizeof(struct tape_word) + 2 * 8) +
                   STACK_BYTES + 1024;
    struct image_share *share = sys_map_shared(tape_align(share_bytes, 4096));
    if (share == NULL)
        return NULL;
    uint8_t *p = sys_map(tape_align(bytes, 4096));
    if (p == NULL) {
        sys_unmap(share, tape_align(share_bytes, 4096));
        return NULL;
    }
    struct image *m = part(&p, sizeof *m);
    m->share = share;
    m->share_bytes = tape_align(share_bytes, 4096);
    m->bytes = tape_align(bytes, 4096);
    m->room = room;
    m->map = part(&p, room * sizeof *m->map);
    m->target = part(&p, room * sizeof *m->target);
    m->starts = part(&p, room * sizeof *m->starts);
    m->owned = part(&p, RANGES_MOST * sizeof *m->owned);
    m->mapped = part(&p, RANGES_MOST * sizeof *m->mapped);
    m->thread = part(&p, IMAGE_THREADS * sizeof *m->thread);
    m->buffer = part(&p, SCAN_BUFFER);
    m->scratch = part(&p, REGIONS_SCRATCH);
    m->tables = part(&p, sizeof *m->tables);
    m->aside = part(&p, SCAN_ASIDE * sizeof *m->aside);
    m->clues = part(&p, 2 * SCAN_ASIDE * sizeof *m->clues);
    m->stack_top = p + STACK_BYTES;
    return m;
}

/* Most of it is never touched. Where memory is limited fewer mappings must do. */
struct image *image_provide(void) {
    struct image *m = NULL;
    for (size_t room = 65536; m == NULL && room >= 1024; room /= 8)
        m = provide(room);
    return m;
}

void image_free(struct image *m) {
    sys_unmap(m->share, m->share_bytes);
    sys_unmap(m, m->bytes);
}

/* ---- looking ------------------------------------------------------------------------------ */

static void say_why(struct image *m, const char *why) {
    if (m->share->why[0] == 0)
        strncpy(m->share->why, why, sizeof m->share->why - 1);
}

static void count_events(struct image *m) {
    uint64_t streams = m->counts != NULL ? m->counts[0] : 0;
    for (uint64_t i = 0; i < streams && i < IMAGE_STREAMS; i++)
        m->share->events[i] =
            __atomic_load_n(&m->counts[(i + 1) * IMAGE_COUNTS_STRIDE], __ATOMIC_ACQUIRE);
    m->share->streams = streams;
    if (m->counts != NULL && m->counts[IMAGE_COUNTS_MORE] != 0)
        say_why(m, "there were more than 4,095 streams of events");
}

/* How memory can be read without a fault that the program would see. */
static struct memory choose_memory(const struct image *m) {
    extern char __libc_single_threaded;
    struct memory memory = {.pid = sys_pid()};
    uint64_t word;
    if (memory_read(&memory, (uint64_t)m, &word, sizeof word) == sizeof word)
        return memory;
    memory.direct = m->frozen || __libc_single_threaded;
    memory.none = !memory.direct || memory_read(&memory, (uint64_t)m, &word, 8) != 8;
    return memory;
}

static void find_regions(struct image *m, struct memory *memory, long pagemap) {
    struct regions r = {
        .pid = m->pid,
        .self = (uint64_t)(void *)&image_look,
        .libc = real_libc(),
        .real = (uint64_t)(void *)real.malloc,
        .tid_at = m->tid_at,
        .thread = m->thread,
        .threads = m->threads,
        .peek = memory_peek,
        .context = memory,
        .pagemap = pagemap,
        .map = m->map,
        .owned = m->owned,
        .owneds = ranges_list(&owned, m->owned),
        .mapped = m->mapped,
        .mappeds = ranges_list(&allocator_mapped, m->mapped),
        .scratch = m->scratch,
        .region = m->share->region,
        .room = m->room,
    };
    bool all;
    r.maps = maps_read(m->map, m->room, (char *)m->scratch, TEXT_BYTES, &all);
    if (r.maps == 0)
        say_why(m, "/proc/self/maps could not be read");
    else if (!all)
        say_why(m, "there were too many mappings");
    regions_make(&r);
    if (r.full)
        say_why(m, "there were too many mappings");
    m->share->regions = r.count;
    m->maps = r.maps;
    m->headers = r.mapped_blocks;
}

struct scan_words *image_look(struct image *m,
                              struct scan_words *(*take)(void *, struct scan_words *),
                              void *context, bool proc) {
    struct image_share *share = m->share;
    struct memory memory = choose_memory(m);
    share->blind = memory.none;
    if (memory.none)
        say_why(m, "the system does not let memory be read");
    count_events(m);
    if (!m->all_threads)
        say_why(m, "there were more than 1,024 threads");
    long pagemap = proc ? sys_open_proc("/proc/self/pagemap") : -1;
    find_regions(m, &memory, pagemap);
    atomic_store(&share->ready, 1);
    *m->tables =
        (struct tables){.memory = &memory, .map = m->map, .maps = m->only == NULL ? m->maps : 0};
    struct scan s = {
        .memory = &memory,
        .pagemap = pagemap,
        /* A copy has no page tables of its own for what is shared. */
        .pagemap_of_shared = proc ? sys_open_pagemap(m->pid) : -1,
        .region = share->region,
        .count = share->regions,
        .target = m->target,
        .only = m->only,
        .only_count = m->only_count,
        .in_place = m->frozen && !m->careful,
        .buffer = m->buffer,
        .deadline = m->deadline,
        .tables = m->tables,
        .aside = m->aside,
        .clues = {.pointer = m->clues, .spare = m->clues + SCAN_ASIDE},
        .headers = m->headers,
        .full = take,
        .context = context,
        .out = &share->slot[0].words,
    };
    bool done = scan_run(&s);
    share->words = s.words;
    share->scanned = s.scanned;
    if (s.late)
        say_why(m, "it took longer than HEAPTAPE_IMAGE_SECONDS");
    return done ? s.out : NULL;
}

/* ---- the copy ----------------------------------------------------------------------------- */

static void say(struct image_share *share) {
    atomic_fetch_add(&share->said, 1);
    sys_wake_word(&share->said);
}

/* The other slot, when the process has taken what was in it. If the process is gone, so are we. */
static struct scan_words *give(void *context, struct scan_words *words) {
    const struct image *m = context;
    struct image_share *share = m->share;
    unsigned full = words == &share->slot[1].words, next = full ^ 1;
    atomic_store(&share->slot[full].full, 1);
    say(share);
    while (atomic_load(&share->slot[next].full) != 0) {
        sys_wait_word(&share->slot[next].full, 1, WAIT_NS);
        if (sys_ppid() != m->pid)
            return NULL;
    }
    share->slot[next].words.runs = share->slot[next].words.words = 0;
    return &share->slot[next].words;
}

void image_copy(void *arg) {
    struct image *m = arg;
    sys_copy_begins();
    struct scan_words *rest = image_look(m, give, m, true);
    if (rest == NULL)
        return;
    give(m, rest);
    atomic_store(&m->share->finished, 1);
    say(m->share);
}
