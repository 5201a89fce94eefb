/* SPDX-License-Identifier: MIT */
#include "massif.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "completeness.h"
#include "diag.h"
#include "massif_pages.h"
#include "option_value.h"

const struct massif_options massif_defaults = {
    .unit = MASSIF_MS,
    .threshold = 1.0,
    .detailed_freq = 10,
    .max_snapshots = 100,
    .depth = 30,
    .heap_admin = 8,
    .alignment = 16,
};

/* ---- following the heap ------------------------------------------------------------------- */

/* The heap as massif counts it. A resize is one change: its two halves come at one instant. */
struct heap {
    const struct massif_options *options;
    uint64_t change, bytes, extra;
    uint64_t traffic;   /* bytes allocated and freed so far, extra included */
    bool resizing;      /* the old block is gone, the new one is to follow */
    uint64_t old_total; /* of the block that is resized */
};

uint64_t massif_extra(const struct massif_options *o, uint64_t size) {
    uint64_t over = size % o->alignment;
    return o->heap_admin + (over != 0 ? o->alignment - over : 0);
}

static void heap_alloc(struct heap *h, uint64_t size) {
    uint64_t extra = massif_extra(h->options, size), total = size + extra;
    h->bytes += size;
    h->extra += extra;
    if (h->resizing)
        h->traffic += total > h->old_total ? total - h->old_total : h->old_total - total;
    else
        h->traffic += total;
    h->resizing = false;
    h->change++;
}

/* True when the change is complete. */
static bool heap_free(struct heap *h, uint64_t size, bool resize) {
    uint64_t extra = massif_extra(h->options, size);
    h->bytes -= size;
    h->extra -= extra;
    h->resizing = resize;
    h->old_total = size + extra;
    if (resize)
        return false;
    h->traffic += size + extra;
    h->change++;
    return true;
}

static struct massif_snapshot heap_snapshot(const struct heap *h, uint64_t now) {
    return (struct massif_snapshot){.change = h->change,
                                    .clock = h->options->unit == MASSIF_B ? h->traffic : now,
                                    .heap = h->bytes,
                                    .extra = h->extra};
}

/* ---- first pass: choosing ----------------------------------------------------------------- */

struct choice {
    struct heap heap;
    struct massif_selection selection;
    struct massif_snapshot peak; /* change 0: there was none */
};

static void choose_on_alloc(void *context, const struct block *b) {
    struct choice *c = context;
    heap_alloc(&c->heap, b->size);
    struct massif_snapshot now = heap_snapshot(&c->heap, b->born);
    if (now.heap > c->peak.heap)
        c->peak = now;
    massif_selection_offer(&c->selection, &now);
}

static void choose_on_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                           bool resize) {
    (void)thread;
    struct choice *c = context;
    if (!heap_free(&c->heap, b->size, resize))
        return;
    struct massif_snapshot snapshot = heap_snapshot(&c->heap, now);
    massif_selection_offer(&c->selection, &snapshot);
}

static void choose_on_pages(void *context, uint32_t stack, uint64_t bytes, bool comes,
                            uint64_t now) {
    const struct block b = {.size = bytes, .stack = stack, .born = now};
    if (comes)
        choose_on_alloc(context, &b);
    else
        choose_on_free(context, &b, now, 0, false);
}

/* The selection with the end of the run and the peak in their places, and with trees assigned. */
static void finish_choice(struct massif *m, struct choice *c, uint64_t end_time) {
    struct massif_selection *s = &c->selection;
    m->snapshot = xmalloc((s->count + 2) * sizeof *m->snapshot);
    bool peak_done = c->peak.change == 0;
    c->peak.peak = true;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!peak_done && c->peak.change <= s->snapshot[i].change) {
            m->snapshot[m->count++] = c->peak;
            peak_done = true;
            if (c->peak.change == s->snapshot[i].change)
                continue;
        }
        m->snapshot[m->count++] = s->snapshot[i];
    }
    if (!peak_done)
        m->snapshot[m->count++] = c->peak;
    struct massif_snapshot end = heap_snapshot(&c->heap, end_time);
    const struct massif_snapshot *last = &m->snapshot[m->count - 1];
    if (end.clock < last->clock)
        end.clock = last->clock;
    if (end.change != last->change || end.clock != last->clock)
        m->snapshot[m->count++] = end;
    for (uint32_t i = 0; i < m->count; i++)
        m->snapshot[i].detailed =
            m->snapshot[i].peak || i % m->options.detailed_freq == m->options.detailed_freq - 1;
}

/* ---- second pass: trees ------------------------------------------------------------------- */

struct filling {
    struct heap heap;
    struct massif *massif;
    struct tree_site *live; /* by stack: what lives now */
    uint32_t stacks;
    uint32_t next; /* snapshot to come */
};

static void fill_tree(struct filling *f, struct massif_snapshot *s) {
    struct tree_site *sites = xmalloc((f->stacks != 0 ? f->stacks : 1) * sizeof *sites);
    size_t count = 0;
    for (uint32_t i = 0; i < f->stacks; i++)
        if (f->live[i].blocks != 0)
            sites[count++] = (struct tree_site){i, f->live[i].bytes, f->live[i].blocks};
    uint64_t threshold = option_share(f->massif->options.threshold, s->heap + s->extra);
    if (threshold == 0 && s->heap + s->extra == 0)
        threshold = 1;
    struct tree_options options = {.lone_in_full = true,
                                   .threshold = threshold,
                                   .depth = f->massif->options.depth};
    s->tree = tree_build(f->massif->names, sites, count, &options);
    free(sites);
}

/* Fills the snapshots of the change just made. */
static void fill_due(struct filling *f) {
    struct massif *m = f->massif;
    for (; f->next < m->count && m->snapshot[f->next].change <= f->heap.change; f->next++)
        if (m->snapshot[f->next].detailed)
            fill_tree(f, &m->snapshot[f->next]);
}

/* Both passes number stacks alike, since they read the same events in the same order. */
static struct tree_site *live_of(struct filling *f, uint32_t stack) {
    if (stack >= f->stacks) {
        uint32_t room = stack + 1 > f->stacks * 2 ? stack + 1 : f->stacks * 2;
        f->live = xrealloc(f->live, room * sizeof *f->live);
        memset(f->live + f->stacks, 0, (room - f->stacks) * sizeof *f->live);
        f->stacks = room;
    }
    return &f->live[stack];
}

static void fill_on_alloc(void *context, const struct block *b) {
    struct filling *f = context;
    struct tree_site *live = live_of(f, b->stack);
    live->bytes += b->size;
    live->blocks++;
    heap_alloc(&f->heap, b->size);
    fill_due(f);
}

static void fill_on_free(void *context, const struct block *b, uint64_t now, uint32_t thread,
                         bool resize) {
    (void)now, (void)thread;
    struct filling *f = context;
    struct tree_site *live = live_of(f, b->stack);
    live->bytes -= b->size;
    live->blocks--;
    if (heap_free(&f->heap, b->size, resize))
        fill_due(f);
}

static void fill_on_pages(void *context, uint32_t stack, uint64_t bytes, bool comes, uint64_t now) {
    const struct block b = {.size = bytes, .stack = stack, .born = now};
    if (comes)
        fill_on_alloc(context, &b);
    else
        fill_on_free(context, &b, now, 0, false);
}

/* ---- both --------------------------------------------------------------------------------- */

struct massif *massif_new(struct tape_file *tape, const struct massif_options *options) {
    struct massif *m = xcalloc(1, sizeof *m);
    m->options = *options;
    if (options->pages) { /* pages are whole, and nobody's but the program's */
        m->options.heap_admin = 0;
        m->options.alignment = 1;
    }
    options = &m->options;
    struct choice c = {.heap = {.options = options}};
    /* Room for the peak and for the end. */
    massif_selection_init(&c.selection, options->max_snapshots - 2);
    struct massif_snapshot start = {.change = 0};
    massif_selection_offer(&c.selection, &start);
    struct observer choosing = {.context = &c,
                                .on_alloc = choose_on_alloc,
                                .on_free = choose_on_free};
    m->replay = replay_new(tape);
    struct massif_pages *pages = NULL;
    if (options->pages)
        pages = massif_pages_new(tape, m->replay, choose_on_pages, &c);
    else
        replay_observe(m->replay, &choosing);
    replay_run(m->replay, UINT64_MAX);
    massif_pages_free(pages);
    finish_choice(m, &c, replay_counts(m->replay)->end_time);
    massif_selection_free(&c.selection);

    /* Modules may be announced behind their frames' first use: names come from the first pass. */
    m->names =
        names_of_recording(replay_stacks(m->replay), &options->folding, tape_file_process(tape));
    struct filling f = {.heap = {.options = options}, .massif = m};
    fill_due(&f);
    struct observer filling = {.context = &f, .on_alloc = fill_on_alloc, .on_free = fill_on_free};
    struct replay *second = replay_new(tape);
    pages = NULL;
    if (options->pages)
        pages = massif_pages_new(tape, second, fill_on_pages, &f);
    else
        replay_observe(second, &filling);
    replay_run(second, UINT64_MAX);
    massif_pages_free(pages);
    replay_free(second);
    free(f.live);
    m->doubt = completeness_doubt(tape_file_health(tape));
    return m;
}

void massif_free(struct massif *m) {
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->count; i++)
        tree_free(m->snapshot[i].tree);
    free(m->snapshot);
    names_free(m->names);
    replay_free(m->replay);
    free(m->doubt);
    free(m);
}

uint64_t massif_time(const struct massif *m, const struct massif_snapshot *s) {
    return m->options.unit == MASSIF_MS ? s->clock / 1000000 : s->clock;
}

char *massif_label(const struct name *n, uint64_t address) {
    char *label;
    if (n->function != NULL && n->file != NULL && n->line != 0)
        label = xasprintf("0x%" PRIX64 ": %s (%s:%u)", address, n->function, names_base(n->file),
                          n->line);
    else if (n->module != NULL)
        label = xasprintf("0x%" PRIX64 ": %s (in %s)", address,
                          n->function != NULL ? n->function : "???", n->module);
    else
        label = xasprintf("0x%" PRIX64 ": %s", address, n->function != NULL ? n->function : "???");
    return label;
}

char *massif_arguments(const struct massif_options *o) {
    char *common = xasprintf("--time-unit=%s --threshold=%g --detailed-freq=%u --max-snapshots=%u "
                             "--depth=%u",
                             o->unit == MASSIF_MS ? "ms" : "B", o->threshold, o->detailed_freq,
                             o->max_snapshots, o->depth);
    char *all = o->pages ? xasprintf("%s --pages-as-heap=yes", common)
                         : xasprintf("%s --heap-admin=%" PRIu64 " --alignment=%" PRIu64, common,
                                     o->heap_admin, o->alignment);
    free(common);
    return all;
}

const char *massif_root_label(const struct massif_options *o) {
    return o->pages ? "(page allocation syscalls) mmap/mremap/brk, --alloc-fns, etc."
                    : "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";
}
