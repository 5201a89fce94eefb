/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "ledger_classify.h"

/* Live blocks are walked through for a sample only where their number is in proportion to what was
 * replayed: the run's cost stays of the order of its events. */
#define WALK_FREE   (UINT64_C(4) << 20)
#define WALK_EVENTS 2

const struct ledger_class_info ledger_class_info[LEDGER_CLASSES] = {
    [LEDGER_HEAP] = {"heap", "heap"},
    [LEDGER_DIRECT] = {"direct", "direct mappings"},
    [LEDGER_STACKS] = {"stacks", "thread stacks"},
    [LEDGER_DATA] = {"module_data", "module data"},
    [LEDGER_FILES] = {"file_pages", "file pages"},
    [LEDGER_SHARED] = {"shared", "shared memory"},
    [LEDGER_OWN] = {"recorder", "the recorder"},
    [LEDGER_KERNEL] = {"kernel", "kernel's own"},
    [LEDGER_RESIDUAL] = {"unexplained", "not explained"},
};

/* Ranges that were found to hold blocks of the heap, in order: an allocator keeps what it has
 * mapped. */
struct known {
    uint64_t start, end;
};

struct pass {
    struct ledger ledger; /* first: what others see */
    struct tape_file *tape;
    struct replay *replay;
    struct mappings *direct;   /* the replay's */
    struct seen_sample sample; /* parts that have come so far */
    uint64_t next_part;
    uint64_t walked; /* live blocks, by all walks */
    struct known *known;
    size_t known_count, known_room;
    uint64_t thinning; /* one row in so many is kept */
};

/* ---- reading a sample --------------------------------------------------------------------- */

static size_t keep_name(struct seen_sample *s, const char *name, size_t length) {
    if (s->text_bytes == 0)
        s->text_bytes = 1;
    if (s->text_bytes + length + 1 > s->text_room) {
        s->text_room = 2 * (s->text_bytes + length + 1);
        s->text = xrealloc(s->text, s->text_room);
        s->text[0] = 0;
    }
    size_t at = s->text_bytes;
    memcpy(s->text + at, name, length);
    s->text[at + length] = 0;
    s->text_bytes += length + 1;
    return at;
}

static bool read_part(struct seen_sample *s, const struct tape_event *e,
                      struct tape_memory_head *head) {
    struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
    struct tape_memory_mapping m = {.end = 0};
    size_t name = 0;
    uint8_t kind = 0;
    tape_get_memory_head(&in, head);
    while (in.error == TAPE_OK && tape_in_left(&in) != 0) {
        if (tape_get_memory_mapping(&in, &m, m.end) != TAPE_OK)
            break;
        if (m.name != NULL)
            name = keep_name(s, m.name, m.name_len);
        else if (m.kind != kind || (m.kind != TAPE_MEMORY_FILE && m.kind != TAPE_MEMORY_OTHER))
            name = 0;
        kind = m.kind;
        if (s->count == s->room) {
            s->room = s->room != 0 ? 2 * s->room : 256;
            s->mapping = xrealloc(s->mapping, s->room * sizeof *s->mapping);
        }
        s->mapping[s->count++] = (struct seen_mapping){.start = m.start,
                                                       .end = m.end,
                                                       .resident = m.resident,
                                                       .anonymous = m.anonymous,
                                                       .swapped = m.swapped,
                                                       .kind = m.kind,
                                                       .bits = m.bits,
                                                       .name = name};
    }
    return in.error == TAPE_OK;
}

/* ---- where blocks lie --------------------------------------------------------------------- */

static void note_known(struct pass *p, const struct seen_mapping *m) {
    if (p->known_count == p->known_room) {
        p->known_room = p->known_room != 0 ? 2 * p->known_room : 64;
        p->known = xrealloc(p->known, p->known_room * sizeof *p->known);
    }
    p->known[p->known_count++] = (struct known){m->start, m->end};
}

static bool mark_mapping(void *context, const struct block *b) {
    struct pass *p = context;
    struct seen_mapping *m = seen_find(&p->sample, b->address);
    if (m != NULL && m->kind == TAPE_MEMORY_ANONYMOUS)
        m->holds_blocks = true;
    return true;
}

static void find_blocks(struct pass *p) {
    const struct replay_counts *c = replay_counts(p->replay);
    struct seen_sample *s = &p->sample;
    uint64_t blocks = c->live_blocks + c->inherited_blocks - c->inherited_freed_blocks;
    if (p->walked + blocks <= WALK_FREE + c->events * WALK_EVENTS) {
        p->walked += blocks;
        p->known_count = 0; /* what was unmapped since may be something else now */
        replay_each_live(p->replay, mark_mapping, p);
        for (size_t i = 0; i < s->count; i++)
            if (s->mapping[i].holds_blocks)
                note_known(p, &s->mapping[i]);
        return;
    }
    for (size_t i = 0, k = 0; i < s->count; i++) { /* both are in order of their addresses */
        struct seen_mapping *m = &s->mapping[i];
        while (k < p->known_count && p->known[k].end <= m->start)
            k++;
        m->holds_blocks =
            m->kind == TAPE_MEMORY_ANONYMOUS && k < p->known_count && p->known[k].start < m->end;
    }
}

/* ---- sums --------------------------------------------------------------------------------- */

/* Of the bytes of one mapping those of ranges within it, which cover so much of it. */
static uint64_t share(const struct seen_mapping *m, uint64_t covered) {
    uint64_t size = m->end - m->start;
    return covered >= size ? m->resident
                           : (uint64_t)((unsigned __int128)m->resident * covered / size);
}

static void sum_mapping(const struct pass *p, struct seen_mapping *m, struct ledger_row *row) {
    size_t count;
    const struct mapping *direct = mappings_list(p->direct, &count);
    row->resident += m->resident;
    row->swapped += m->swapped;
    switch (m->class) {
    case LEDGER_FILES:
        row->bytes[LEDGER_DATA] += m->anonymous;
        row->bytes[LEDGER_FILES] += m->resident - m->anonymous;
        break;
    case LEDGER_HEAP: /* neighbours that the kernel has joined */
        m->direct = share(m, ledger_direct_bytes(direct, count, m->start, m->end));
        row->bytes[LEDGER_DIRECT] += m->direct;
        row->bytes[LEDGER_HEAP] += m->resident - m->direct;
        break;
    case LEDGER_DIRECT:
        m->direct = share(m, ledger_direct_bytes(direct, count, m->start, m->end));
        row->bytes[LEDGER_DIRECT] += m->direct;
        row->bytes[LEDGER_RESIDUAL] += m->resident - m->direct;
        break;
    default:
        row->bytes[m->class] += m->resident;
    }
}

/* ---- rows over time ----------------------------------------------------------------------- */

static void add_row(struct pass *p, const struct ledger_row *row) {
    struct ledger *l = &p->ledger;
    if (l->rows == NULL) {
        l->rows = xcalloc(LEDGER_ROWS, sizeof *l->rows);
        p->thinning = 1;
    }
    if (l->samples++ % p->thinning != 0)
        return;
    if (l->row_count == LEDGER_ROWS) {
        for (size_t i = 0; i < LEDGER_ROWS / 2; i++)
            l->rows[i] = l->rows[2 * i];
        l->row_count = LEDGER_ROWS / 2;
        p->thinning *= 2;
    }
    l->rows[l->row_count++] = *row;
}

static int by_resident(const void *a, const void *b) {
    const struct ledger_site *s = a, *t = b;
    if (s->resident != t->resident)
        return s->resident < t->resident ? 1 : -1;
    return (s->stack > t->stack) - (s->stack < t->stack);
}

static int by_stack(const void *a, const void *b) {
    const struct ledger_site *s = a, *t = b;
    return (s->stack > t->stack) - (s->stack < t->stack);
}

/* Direct mappings of the sample by call stack: each has the share of its pages in what is resident
 * there. */
static void keep_sites(struct pass *p) {
    struct ledger *l = &p->ledger;
    const struct seen_sample *s = &p->sample;
    size_t count, at = 0;
    const struct mapping *direct = mappings_list(p->direct, &count);
    free(l->sites);
    l->sites = xcalloc(count + 1, sizeof *l->sites);
    l->site_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct mapping *d = &direct[i];
        if ((d->flags & TAPE_MAPPING_ALLOCATOR) != 0)
            continue;
        struct ledger_site site = {.stack = d->stack, .size = d->end - d->start, .ranges = 1};
        while (at < s->count && s->mapping[at].end <= d->start)
            at++;
        for (size_t k = at; k < s->count && s->mapping[k].start < d->end; k++) {
            const struct seen_mapping *m = &s->mapping[k];
            uint64_t low = d->start > m->start ? d->start : m->start;
            uint64_t high = d->end < m->end ? d->end : m->end;
            if (m->class == LEDGER_DIRECT || m->class == LEDGER_HEAP)
                site.resident += share(m, high - low);
        }
        l->sites[l->site_count++] = site;
    }
    qsort(l->sites, l->site_count, sizeof *l->sites, by_stack);
    size_t kept = 0;
    for (size_t i = 0; i < l->site_count; i++) {
        if (kept == 0 || l->sites[kept - 1].stack != l->sites[i].stack) {
            l->sites[kept++] = l->sites[i];
            continue;
        }
        l->sites[kept - 1].resident += l->sites[i].resident;
        l->sites[kept - 1].size += l->sites[i].size;
        l->sites[kept - 1].ranges++;
    }
    l->site_count = kept;
    qsort(l->sites, l->site_count, sizeof *l->sites, by_resident);
}

static void drop_mappings(struct ledger *l) {
    for (size_t i = 0; i < l->mapping_count; i++)
        free(l->mappings[i].name);
    free(l->mappings);
    l->mappings = NULL;
    l->mapping_count = 0;
}

static void keep_peak(struct pass *p, const struct ledger_row *row) {
    struct ledger *l = &p->ledger;
    const struct seen_sample *s = &p->sample;
    l->peak = *row;
    drop_mappings(l);
    l->mappings = xcalloc(s->count + 1, sizeof *l->mappings);
    for (size_t i = 0; i < s->count; i++) {
        const struct seen_mapping *m = &s->mapping[i];
        l->mappings[l->mapping_count++] =
            (struct ledger_mapping){.start = m->start,
                                    .end = m->end,
                                    .resident = m->resident,
                                    .class = m->class,
                                    .name = m->name != 0 ? xstrdup(s->text + m->name) : NULL};
    }
    keep_sites(p);
}

/* ---- a sample ----------------------------------------------------------------------------- */

static bool allocator_is_libc(const struct pass *p) {
    const char *path = tape_file_process(p->tape)->allocator;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return path == NULL || strncmp(slash != NULL ? slash + 1 : path, "libc", 4) == 0;
}

static void take_sample(struct pass *p, uint64_t now) {
    size_t count;
    const struct mapping *direct = mappings_list(p->direct, &count);
    bool libc = allocator_is_libc(p);
    const struct replay_counts *c = replay_counts(p->replay);
    struct ledger_row row = {.time = now,
                             .live = c->live_bytes + c->inherited_bytes - c->inherited_freed_bytes};
    ledger_classify(&p->sample, direct, count, libc);
    if (ledger_is_doubtful(&p->sample)) {
        find_blocks(p);
        ledger_classify(&p->sample, direct, count, libc);
    }
    for (size_t i = 0; i < p->sample.count; i++)
        sum_mapping(p, &p->sample.mapping[i], &row);
    add_row(p, &row);
    if (row.resident > p->ledger.peak.resident)
        keep_peak(p, &row);
}

static void begin_sample(struct pass *p) {
    p->sample.count = p->sample.text_bytes = 0;
    p->next_part = 0;
}

static void on_memory(void *context, const struct tape_event *e, uint64_t now) {
    struct pass *p = context;
    struct tape_memory_head head = {0};
    if (e->address == 0)
        begin_sample(p);
    if (e->address != p->next_part || !read_part(&p->sample, e, &head)) {
        p->next_part = UINT64_MAX; /* a part is lost: what follows waits for the next sample */
        return;
    }
    p->next_part++;
    if (head.peak > p->ledger.peak_rss)
        p->ledger.peak_rss = head.peak;
    if (head.last) {
        take_sample(p, now);
        p->next_part = UINT64_MAX;
    }
}

struct ledger *ledger_new(struct tape_file *tape, struct replay *replay) {
    struct pass *p = xcalloc(1, sizeof *p);
    p->tape = tape;
    p->replay = replay;
    p->direct = replay_mappings(replay);
    replay_observe(replay, &(struct observer){.context = p, .on_memory = on_memory});
    return &p->ledger;
}

void ledger_finish(struct ledger *l) {
    struct pass *p = (struct pass *)l;
    const struct tape_process *process = tape_file_process(p->tape);
    l->counts = *mappings_counts(p->direct);
    l->inherited = replay_counts(p->replay)->inherited_known;
    if (process->peak_rss > l->peak_rss)
        l->peak_rss = process->peak_rss;
    free(p->sample.mapping);
    free(p->sample.text);
    free(p->known);
    p->sample = (struct seen_sample){0};
    p->known = NULL;
}

void ledger_free(struct ledger *l) {
    if (l == NULL)
        return;
    struct pass *p = (struct pass *)l;
    free(p->sample.mapping);
    free(p->sample.text);
    free(p->known);
    drop_mappings(l);
    free(l->sites);
    free(l->rows);
    free(p);
}
