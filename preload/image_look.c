/* SPDX-License-Identifier: MIT */
/*
 * Nothing here allocates, locks, or calls a function of libc that may: other threads of the process
 * were anywhere when it was copied.
 */
#include "image_look.h"

#include <string.h>
#include <time.h>

#include "real.h"
#include "sys_image.h"
#include "tape/format.h"

#define STACK_BYTES  (64 * 1024)
#define TEXT_BYTES   REGIONS_SCRATCH
#define WAIT_NS      UINT64_C(1000000000)
#define COUNT_STRIDE 8

extern void *__libc_malloc(size_t);

/* ---- memory ------------------------------------------------------------------------------- */

static void *part(uint8_t **p, size_t bytes) {
    void *q = *p;
    *p += tape_align(bytes, 64);
    return q;
}

/* Most of it is never touched. Where memory is limited fewer mappings must do. */
bool image_provide(struct image *m) {
    for (m->room = 65536; m->room >= 1024; m->room /= 8) {
        m->share_bytes = tape_align(sizeof *m->share + m->room * sizeof(struct region), 4096);
        m->memory_bytes =
            tape_align(m->room * (sizeof(struct map_entry) + sizeof(struct target) + 8) +
                           OWNED_MOST * sizeof(struct owned_range) +
                           IMAGE_THREADS * sizeof(struct seen_thread) + SCAN_BUFFER +
                           REGIONS_SCRATCH + STACK_BYTES + 1024,
                       4096);
        m->share = sys_map_shared(m->share_bytes);
        m->memory = m->share != NULL ? sys_map(m->memory_bytes) : NULL;
        if (m->memory != NULL)
            break;
        if (m->share != NULL)
            sys_unmap(m->share, m->share_bytes);
    }
    if (m->memory == NULL)
        return false;
    uint8_t *p = m->memory;
    m->map = part(&p, m->room * sizeof *m->map);
    m->target = part(&p, m->room * sizeof *m->target);
    m->starts = part(&p, m->room * sizeof *m->starts);
    m->owned = part(&p, OWNED_MOST * sizeof *m->owned);
    m->thread = part(&p, IMAGE_THREADS * sizeof *m->thread);
    m->buffer = part(&p, SCAN_BUFFER);
    m->scratch = part(&p, REGIONS_SCRATCH);
    p += STACK_BYTES;
    m->stack_top = (void *)((uintptr_t)p & ~(uintptr_t)63);
    return true;
}

void image_free(struct image *m) {
    sys_unmap(m->memory, m->memory_bytes);
    sys_unmap(m->share, m->share_bytes);
}

/* ---- looking ------------------------------------------------------------------------------ */

static void say_why(struct image *m, const char *why) {
    if (m->share->why[0] == 0)
        strncpy(m->share->why, why, sizeof m->share->why - 1);
}

static void count_events(struct image *m) {
    uint64_t streams = m->counts != NULL ? m->counts[0] : 0;
    for (uint64_t i = 0; i < streams && i < IMAGE_STREAMS; i++)
        m->share->events[i] = __atomic_load_n(&m->counts[(i + 1) * COUNT_STRIDE], __ATOMIC_ACQUIRE);
    m->share->streams = streams;
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

static void find_regions(struct image *m, struct memory *memory) {
    struct regions r = {
        .pid = m->pid,
        .self = (uint64_t)(void *)&image_look,
        .libc = (uint64_t)(void *)&__libc_malloc,
        .real = (uint64_t)(void *)real.malloc,
        .tid_at = m->tid_at,
        .thread = m->thread,
        .threads = m->threads,
        .peek = memory_peek,
        .context = memory,
        .map = m->map,
        .owned = m->owned,
        .owneds = owned_list(m->owned),
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
}

struct scan_words *image_look(struct image *m,
                              struct scan_words *(*take)(void *, struct scan_words *),
                              void *context, bool proc) {
    struct image_share *share = m->share;
    struct memory memory = choose_memory(m);
    if (memory.none)
        say_why(m, "the system does not let memory be read");
    count_events(m);
    find_regions(m, &memory);
    atomic_store(&share->ready, 1);
    struct scan s = {
        .memory = &memory,
        .pagemap = proc ? sys_open_proc("/proc/self/pagemap") : -1,
        .region = share->region,
        .count = share->regions,
        .target = m->target,
        .buffer = m->buffer,
        .deadline = m->deadline,
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
    struct image_share *share = context;
    unsigned full = words == &share->slot[1].words, next = full ^ 1;
    atomic_store(&share->slot[full].full, 1);
    say(share);
    while (atomic_load(&share->slot[next].full) != 0)
        sys_wait_word(&share->slot[next].full, 1, WAIT_NS);
    share->slot[next].words.runs = share->slot[next].words.words = 0;
    return &share->slot[next].words;
}

void image_copy(void *arg) {
    struct image *m = arg;
    sys_copy_begins();
    struct scan_words *rest = image_look(m, give, m->share, true);
    if (rest != NULL)
        give(m->share, rest);
    atomic_store(&m->share->finished, 1);
    say(m->share);
}
