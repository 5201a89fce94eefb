/* SPDX-License-Identifier: MIT */
#include "memory_sample.h"

#include <string.h>
#include <time.h>

#include "allocator.h"
#include "config.h"
#include "maps.h"
#include "owned.h"
#include "recorder.h"
#include "smaps.h"
#include "stream_slow.h"
#include "sys.h"
#include "tape/blobs.h"
#include "tape/memory.h"

#define LEAST_NS    UINT64_C(50000000)        /* between two */
#define USUAL       100                       /* they take one part in so many of the time, */
#define GROWING     10                        /* this while the process grows by one part in 16, */
#define RELEASING   3                         /* and this when it then gives much back */
#define PARTS_BYTES ((size_t)4 * 1024 * 1024) /* of all parts; memory is used as far as needed */
#define SMALL       (UINT64_C(16) << 20)      /* a process has none while it is short and below, */
#define SMALL_LAST  (UINT64_C(8) << 20)       /* nor one at its end below this */

/* Parts of a sample, one behind the other: length (u32), room for a head, mappings. */
struct sample {
    struct smaps smaps;
    struct range *stack; /* their tops, as `start` */
    size_t stacks, first_stack, stacks_bytes;
    struct range range[RANGES_MOST]; /* the recorder's own memory */
    size_t ranges, first;            /* first: those before lie in front of all mappings to come */
    size_t at, part;                 /* end of the parts; where the one that grows begins */
    size_t name, name_length;        /* of the mapping before in the part; 0: none */
    uint64_t end;                    /* of that mapping; 0: a part begins */
    bool full;
    uint8_t parts[PARTS_BYTES];
};
#define SHORT_NAME 32 /* where there are very many mappings */
#define PART_FRONT (sizeof(uint32_t) + TAPE_MEMORY_HEAD_BYTES)

bool memory_sample_is_due(struct recorder *r, bool releases) {
    if (config.memory == 0 || sys_confined())
        return false;
    uint64_t now = sys_clock(CLOCK_MONOTONIC), high = atomic_load(&r->memory_high);
    if (now < r->start_mono + LEAST_NS && atomic_load(&r->resident) < SMALL)
        return false;
    return now >= atomic_load(&r->memory_usual) ||
           (now >= atomic_load(releases ? &r->memory_releasing : &r->memory_growing) &&
            atomic_load(&r->resident) > high + high / 16);
}

/* ---- one mapping -------------------------------------------------------------------------- */

static uint8_t kind_of(const struct map_entry *e, const char *name) {
    if (strncmp(name, "[heap]", 6) == 0)
        return TAPE_MEMORY_BRK;
    if (e->kind == MAP_MAIN_STACK)
        return TAPE_MEMORY_STACK;
    if (e->inode != 0)
        return TAPE_MEMORY_FILE;
    return e->kind == MAP_NOT_MEMORY ? TAPE_MEMORY_OTHER : TAPE_MEMORY_ANONYMOUS;
}

/* Whether most of it is the recorder's: the kernel joins neighbours. Both are in order of their
 * addresses, so what lies in front of this mapping is never looked at again. */
static bool is_own(struct sample *s, const struct map_entry *e) {
    uint64_t own = 0;
    while (s->first < s->ranges && s->range[s->first].end <= e->start)
        s->first++;
    for (size_t i = s->first; i < s->ranges && s->range[i].start < e->end; i++) {
        uint64_t low = s->range[i].start > e->start ? s->range[i].start : e->start;
        uint64_t high = s->range[i].end < e->end ? s->range[i].end : e->end;
        own += high > low ? high - low : 0;
    }
    return own * 2 > e->end - e->start;
}

/* Tops of the stacks of threads that have streams, as far as these know them, in order. */
static void list_stacks(struct sample *s, const struct recorder *r) {
    size_t room = 0;
    for (const struct stream *t = atomic_load(&r->streams); t != NULL; t = t->next)
        room += UNWIND_RANGES;
    s->stacks_bytes = (room * sizeof *s->stack + 4095) / 4096 * 4096;
    s->stack = room != 0 ? sys_map(s->stacks_bytes) : NULL;
    if (s->stack == NULL)
        return;
    for (const struct stream *t = atomic_load(&r->streams); t != NULL; t = t->next)
        for (unsigned i = 0; i < UNWIND_RANGES && s->stacks < room; i++)
            if (t->owner != 0 && t->unwind.range[i].high != 0)
                s->stack[s->stacks++] = (struct range){t->unwind.range[i].high, 0};
    ranges_sort(s->stack, s->stacks);
}

/* Mappings come in order, too. */
static bool holds_stack(struct sample *s, const struct map_entry *e) {
    while (s->first_stack < s->stacks && s->stack[s->first_stack].start <= e->start)
        s->first_stack++;
    return s->first_stack < s->stacks && s->stack[s->first_stack].start <= e->end;
}

static void begin_part(struct sample *s) {
    s->part = s->at;
    s->at += PART_FRONT;
    s->end = s->name = 0;
}

static void end_part(struct sample *s) {
    uint32_t length = (uint32_t)(s->at - s->part);
    memcpy(s->parts + s->part, &length, sizeof length);
}

static void put_mapping(struct sample *s, struct tape_memory_mapping *m) {
    uint8_t *to = s->parts + s->at;
    if (s->name != 0 && s->name_length == m->name_len &&
        memcmp(s->parts + s->name, m->name, m->name_len) == 0)
        m->bits &= (uint8_t)~TAPE_MEMORY_NAMED;
    uint8_t *p = tape_put_memory_mapping(to, m, s->end);
    s->at = (size_t)(p - s->parts);
    if ((m->bits & TAPE_MEMORY_NAMED) != 0) {
        s->name = s->at - m->name_len;
        s->name_length = m->name_len;
    } else if (m->kind != TAPE_MEMORY_FILE && m->kind != TAPE_MEMORY_OTHER) {
        s->name = 0; /* the name before is of the mapping before alone */
    }
    s->end = m->end;
}

static void found(struct smaps *from) {
    struct sample *s = from->context;
    const char *name;
    const struct map_entry e = maps_entry(from->line, &name);
    struct tape_memory_mapping m = {.start = e.start,
                                    .end = e.end,
                                    .kind = kind_of(&e, name),
                                    .resident = from->resident,
                                    .anonymous = from->anonymous,
                                    .swapped = from->swapped};
    m.bits = (uint8_t)((e.read ? TAPE_MEMORY_READ : 0) | (e.write ? TAPE_MEMORY_WRITE : 0) |
                       (e.execute ? TAPE_MEMORY_EXECUTE : 0) | (e.shared ? TAPE_MEMORY_SHARED : 0) |
                       (is_own(s, &e) ? TAPE_MEMORY_OWN : 0) |
                       (m.kind != TAPE_MEMORY_FILE && holds_stack(s, &e) ? TAPE_MEMORY_THREAD : 0));
    if (m.kind == TAPE_MEMORY_FILE || m.kind == TAPE_MEMORY_OTHER) {
        m.bits |= TAPE_MEMORY_NAMED;
        m.name_len = strlen(name);
        m.name = name;
        size_t most = s->at < PARTS_BYTES / 2 ? TAPE_MEMORY_NAME : SHORT_NAME;
        if (m.name_len > most) {
            m.name += m.name_len - most;
            m.name_len = most;
        }
    }
    if (s->at + PART_FRONT + TAPE_MEMORY_MAPPING_BYTES > PARTS_BYTES) {
        s->full = true;
        return;
    }
    size_t bytes = TAPE_MEMORY_MAPPING_BYTES - TAPE_MEMORY_NAME + m.name_len;
    if (s->at + bytes - s->part > TAPE_BLOB_MAX) {
        end_part(s);
        begin_part(s);
    }
    put_mapping(s, &m);
}

static void feed(void *context, const char *text, size_t bytes) {
    struct sample *s = context;
    smaps_feed(&s->smaps, text, bytes);
}

/* ---- a sample ----------------------------------------------------------------------------- */

uint64_t memory_peak(void) {
    char text[2048];
    long n = sys_read_file("/proc/self/status", text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *p = strstr(text, "\nVmHWM:");
    uint64_t kib = 0;
    for (p = p != NULL ? p + strcspn(p, "0123456789") : ""; *p >= '0' && *p <= '9'; p++)
        kib = kib * 10 + (uint64_t)(*p - '0');
    return kib * 1024;
}

static void put_parts(struct stream *stream, struct sample *s, struct tape_memory_head *h) {
    uint32_t length, number = 0;
    for (size_t at = 0; at < s->at; at += length) {
        uint8_t head[TAPE_MEMORY_HEAD_BYTES];
        memcpy(&length, s->parts + at, sizeof length);
        h->last = at + length == s->at;
        size_t bytes = (size_t)(tape_put_memory_head(head, h) - head);
        uint8_t *start = s->parts + at + PART_FRONT - bytes;
        memcpy(start, head, bytes);
        struct stream_blob blob = {.stream = stream,
                                   .op = TAPE_OP_MEMORY,
                                   .address = number++,
                                   .bytes = start,
                                   .size = bytes + length - PART_FRONT};
        stream_put_blob(&blob);
    }
}

static void take(struct recorder *r, struct stream *stream) {
    uint64_t began = sys_clock(CLOCK_MONOTONIC);
    struct sample *s = sys_map(sizeof *s);
    if (s == NULL)
        return;
    s->smaps.found = found;
    s->smaps.context = s;
    list_stacks(s, r);
    s->ranges = ranges_list(&owned, s->range);
    begin_part(s);
    long result = sys_read_pieces("/proc/self/smaps", feed, s);
    smaps_end(&s->smaps);
    end_part(s);
    uint64_t now = sys_clock(CLOCK_MONOTONIC);
    struct tape_memory_head h = {.mono = began, .cost = now - began, .peak = memory_peak()};
    if (result >= 0 && !s->full)
        put_parts(stream, s, &h);
    if (s->stack != NULL)
        sys_unmap(s->stack, s->stacks_bytes);
    sys_unmap(s, sizeof *s);
    uint64_t cost = sys_clock(CLOCK_MONOTONIC) - began, resident = atomic_load(&r->resident);
    uint64_t least = now + LEAST_NS;
    atomic_store(&r->memory_usual, now + cost * USUAL > least ? now + cost * USUAL : least);
    atomic_store(&r->memory_growing, now + cost * GROWING);
    atomic_store(&r->memory_releasing, now + cost * RELEASING);
    if (resident > atomic_load(&r->memory_high))
        atomic_store(&r->memory_high, resident);
}

void memory_sample_take(void *arg) {
    struct recorder *r = atomic_load(&recorder);
    bool idle = false;
    if (!atomic_compare_exchange_strong(&r->memory_busy, &idle, true))
        return;
    take(r, arg);
    atomic_store(&r->memory_busy, false);
}

void memory_sample_last(struct stream *s) {
    struct recorder *r = atomic_load(&recorder);
    if (config.memory != 0 && !sys_confined() &&
        (sys_clock(CLOCK_MONOTONIC) >= r->start_mono + LEAST_NS ||
         atomic_load(&r->resident) >= SMALL_LAST || allocator_bypassed() != NULL))
        memory_sample_take(s);
}

static void look_before_fork(void *arg) {
    struct stream *s = arg;
    struct recorder *r = atomic_load(&recorder);
    if (recorder_stamp(r) - atomic_load(&r->sample_stamp) > SAMPLE_TICKS)
        stream_sample(s);
    if (memory_sample_is_due(r, false))
        memory_sample_take(s);
}

void memory_sample_before_fork(struct recorder *r) {
    struct stream *s = stream_self;
    if (config.memory != 0 && !sys_confined() && s->magic == STREAM_MAGIC && s->busy == 0 &&
        r->pid == sys_pid() && recorder_stamp(r) - atomic_load(&r->sample_stamp) > SAMPLE_TICKS)
        stream_call_idle(s, look_before_fork, s);
}
