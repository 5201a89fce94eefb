/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>

#include "sys.h"

/* Frames without call frame information: a frame pointer is believed only this near (bytes). */
#define GUESS_REACH 0x4000

/* Of a thread's own stack: the most that is looked at, and how far ahead of sp (bytes). */
#define OWN_STACK_MAX   (UINT64_C(64) << 20)
#define OWN_STACK_AHEAD (UINT64_C(32) << 10)

#define FIRST_CAP 256

enum step { STEP_ON, STEP_END, STEP_CUT, STEP_FULL, STEP_SIGNAL, STEP_CHECK };

struct state {
    uint64_t pc, sp, fp;
};

/* The next part of the first memory: whole pages, since parts move when they grow. */
static void *take(uint8_t **memory, size_t bytes) {
    void *p = *memory;
    *memory += (bytes + 4095) / 4096 * 4096;
    return p;
}

void unwind_init(struct unwind *u, void *memory) {
    uint8_t *at = memory;
    u->cap = FIRST_CAP;
    u->row_cap = 512;
    u->index_shift = 64 - 10;
    u->module_cap = 4096 / sizeof *u->modules;
    u->rows = take(&at, u->row_cap * sizeof *u->rows);
    u->index = take(&at, 2 * u->row_cap * sizeof *u->index);
    u->seen = take(&at, u->cap * sizeof *u->seen);
    u->words = take(&at, 3 * u->cap * sizeof *u->words);
    u->fresh = take(&at, u->cap * sizeof *u->fresh);
    u->modules = take(&at, 4096);
    u->scratch = take(&at, sizeof *u->scratch);
    u->text = take(&at, UNWIND_TEXT);
}

_Static_assert(3 + 1 + 2 + 3 + 5 + 1 + 1 + 1 <= UNWIND_FIRST_BYTES / 4096 &&
                   512 * sizeof(struct row) <= 3 * 4096 &&
                   FIRST_CAP * sizeof(struct unwind_seen) <= 2 * 4096 &&
                   FIRST_CAP * 3 * sizeof(struct unwind_word) <= 3 * 4096 &&
                   FIRST_CAP * sizeof(struct unwind_fresh) <= 5 * 4096 &&
                   sizeof(struct cfi_scratch) <= 4096 && UNWIND_TEXT <= 4096,
               "the parts fit the first memory");

void unwind_reset(struct unwind *u) {
    memset(u->index, 0, 2 * u->row_cap * sizeof *u->index);
    u->row_count = 0;
    u->first = 0;
    u->module_count = 0;
    u->depth = 0;
    u->valid = false;
}

void unwind_new_thread(struct unwind *u, uint32_t tid) {
    u->depth = 0;
    u->valid = false;
    u->tid = tid;
    memset(u->range, 0, sizeof u->range);
    u->range_next = 0;
}

/* Above sp on the calling thread's own stack: the end of the main thread's lies behind the
 * program's name, that of any other thread's at the thread's own data. 0: sp is on no such stack.
 */
static uint64_t own_stack_end(uint64_t sp) {
    uint64_t main = (getauxval(AT_EXECFN) | 4095) + 1,
             self = (uint64_t)pthread_self() & ~UINT64_C(7);
    uint64_t to_main = main - sp, to_self = self - sp; /* huge when below sp */
    uint64_t nearest = to_main < to_self ? to_main : to_self;
    return nearest <= OWN_STACK_MAX ? sp + nearest : 0;
}

/*
 * The part of the thread's own stack from sp on, found without a file: it is what can be read from
 * there to the stack's end. Behind a seccomp filter the kernel cannot be asked, and is not.
 * Frames further in come here again: a few pages more are taken in where they are stack as well.
 */
static struct unwind_range own_stack(uint64_t sp, uint32_t tid) {
    uint64_t low = sp & ~UINT64_C(4095), high = own_stack_end(sp), page = high & ~UINT64_C(4095);
    if (high == 0)
        return (struct unwind_range){0};
    if (sys_confined())
        return (struct unwind_range){low, high, true};
    /* Of the main thread, what lies below its data is somebody else's stack. */
    bool own = tid != sys_pid() || high != ((uint64_t)pthread_self() & ~UINT64_C(7));
    uint64_t ahead = low - OWN_STACK_AHEAD;
    if (sys_readable(ahead, page + (high != page ? 4096 : 0) - ahead))
        return (struct unwind_range){ahead, high, own};
    if (sys_readable(low, page + (high != page ? 4096 : 0) - low))
        return (struct unwind_range){low, high, own};
    return (struct unwind_range){0};
}

const struct unwind_range *unwind_find_range(struct unwind *u, uint64_t sp) {
    for (unsigned i = 0; i < UNWIND_RANGES; i++)
        if (sp - u->range[i].low < u->range[i].high - u->range[i].low)
            return &u->range[i];
    struct unwind_range found = own_stack(sp, u->tid);
    if (found.high == 0 && !sys_find_mapping(sp, &found.low, &found.high, u->text, UNWIND_TEXT))
        return NULL;
    unsigned slot = 0;
    while (slot < UNWIND_RANGES && u->range[slot].high != found.high)
        slot++;
    if (slot == UNWIND_RANGES)
        slot = u->range_next++ % UNWIND_RANGES;
    u->range[slot] = found;
    return &u->range[slot];
}

const struct unwind_range *unwind_check_range(struct unwind *u, const struct unwind_range *range,
                                              uint64_t sp) {
    uint64_t from = sp & ~UINT64_C(4095);
    if (sys_confined())
        return NULL;
    if (sys_readable(from, ((range->high + 4095) & ~UINT64_C(4095)) - from))
        return range;
    for (unsigned i = 0; i < UNWIND_RANGES; i++)
        if (u->range[i].high == range->high)
            u->range[i] = (struct unwind_range){0};
    return unwind_find_range(u, sp);
}

bool unwind_grow(struct unwind *u) {
    if (u->depth + u->fresh_count < u->cap)
        return true;
    uint32_t cap = u->cap * 2;
    void *fresh = sys_remap(u->fresh, u->cap * sizeof *u->fresh, cap * sizeof *u->fresh);
    if (fresh == NULL)
        return false;
    u->fresh = fresh;
    void *words = sys_remap(u->words, 3 * u->cap * sizeof *u->words, 3 * cap * sizeof *u->words);
    if (words == NULL)
        return false;
    u->words = words;
    void *seen = sys_remap(u->seen, u->cap * sizeof *u->seen, cap * sizeof *u->seen);
    if (seen == NULL)
        return false;
    u->seen = seen;
    u->cap = cap;
    return true;
}

/* Reads a word of the stack that the walk depends on, and remembers it. */
static inline bool read_word(struct unwind_fresh *f, const struct unwind_range *r, uint64_t low,
                             uint64_t at, uint64_t *value) {
    if (at < low || at > r->high - 8 || (at & 7) != 0)
        return false;
    *value = *(const uint64_t *)at;
    f->word[f->words++] = (struct unwind_word){(const uint64_t *)at, *value};
    return true;
}

/* From the state on return into a frame to that of its caller. `f` takes the words read. */
static inline enum step step(const struct row *row, const struct unwind_range *r, struct state *s,
                             struct unwind_fresh *f) {
    uint64_t cfa, fp = s->fp, low = s->sp - ARCH_RED_ZONE;
    if (low < r->low)
        low = r->low;
    switch (row->cfa) {
    case ROW_SP:
        cfa = s->sp + (uint64_t)(int64_t)row->cfa_offset;
        break;
    case ROW_FP:
        cfa = s->fp + (uint64_t)(int64_t)row->cfa_offset;
        break;
    case ROW_FP_DEREF:
        if (!read_word(f, r, low, s->fp + (uint64_t)(int64_t)row->cfa_offset, &cfa))
            return STEP_CUT;
        break;
    case ROW_SP_DEREF:
        if (!read_word(f, r, low, s->sp + (uint64_t)(int64_t)row->cfa_offset, &cfa))
            return STEP_CUT;
        break;
    case ROW_GUESS:
        if (s->fp < s->sp || s->fp - s->sp > GUESS_REACH)
            return STEP_END; /* as at the root of a coroutine made by makecontext */
        if (!r->own)
            return STEP_CHECK;
        cfa = s->fp + 16;
        break;
    case ROW_SIGNAL:
        return STEP_SIGNAL;
    case ROW_END:
        return STEP_END;
    default:
        return STEP_FULL;
    }
    if (cfa <= s->sp || !read_word(f, r, low, cfa - 8, &s->pc))
        return STEP_CUT;
    if (row->fp != ROW_FP_KEPT) {
        uint64_t base = row->fp == ROW_FP_AT_CFA ? cfa : s->fp;
        if (!read_word(f, r, low, base + (uint64_t)((int64_t)row->fp_at * 8), &fp))
            fp = 0; /* an epilogue that has popped it; leads nowhere, if anybody asks */
    }
    s->sp = cfa;
    s->fp = fp;
    return s->pc != 0 ? STEP_ON : STEP_END;
}

static bool step_signal(struct unwind *u, const struct unwind_range **r, struct state *s) {
    uint64_t sp = s->sp;
    if (sp + ARCH_SIGNAL_PC > (*r)->high - 8 || (sp & 7) != 0)
        return false;
    s->pc = *(const uint64_t *)(sp + ARCH_SIGNAL_PC) + 1; /* exact: looked up at address - 1 */
    s->fp = *(const uint64_t *)(sp + ARCH_SIGNAL_FP);
    s->sp = *(const uint64_t *)(sp + ARCH_SIGNAL_SP);
    *r = unwind_find_range(u, s->sp); /* the handler may have had a stack of its own */
    return *r != NULL;
}

/*
 * A frame pointer that is believed without call frame information may hold anything, and what is
 * known of a stack that is not the thread's own may be old: a coroutine's can be unmapped, and a
 * smaller one mapped in its place. The rest of the walk keeps to what is there now. As ROW_GUESS in
 * step(), which must stay small.
 */
static enum step step_checked(struct unwind *u, struct unwind_range *r, struct state *s,
                              struct unwind_fresh *f) {
    const struct unwind_range *now = unwind_check_range(u, r, s->sp);
    uint64_t fp = s->fp;
    if (now == NULL)
        return STEP_CUT;
    *r = *now;
    r->own = true;
    if (!read_word(f, r, s->sp, fp + 8, &s->pc) || !read_word(f, r, s->sp, fp, &s->fp))
        return STEP_CUT;
    s->sp = fp + 16;
    return s->pc != 0 ? STEP_ON : STEP_END;
}

/* Whether fp, as it is on return into a frame with this row, is read by this or an outer frame. */
static bool fp_live(const struct row *row, bool live_outside) {
    if (row->cfa == ROW_FP || row->cfa == ROW_FP_DEREF || row->cfa == ROW_GUESS ||
        row->fp == ROW_FP_AT_FP)
        return true;
    return row->fp == ROW_FP_KEPT && live_outside;
}

/* Puts the fresh frames on top of the first `keep` remembered ones. Returns the number of frames,
 * counted from the root, that read the same as before. */
static uint32_t commit(struct unwind *u, uint32_t keep, bool valid) {
    uint32_t n = u->fresh_count, same = keep;
    while (same < u->depth && n - (same - keep) > 0 &&
           u->fresh[n - 1 - (same - keep)].row == u->seen[same].row) {
        same++;
    }
    uint32_t words = keep == 0 ? 0 : u->seen[keep - 1].words & ~UNWIND_FP_LIVE;
    bool live = keep != 0 && (u->seen[keep - 1].words & UNWIND_FP_LIVE) != 0;
    for (uint32_t i = n; i-- > 0;) {
        const struct unwind_fresh *f = &u->fresh[i];
        for (uint32_t w = f->words; w-- > 0;)
            u->words[words++] = f->word[w]; /* read first = compared first = on top */
        live = fp_live(&u->rows[f->row], live);
        u->seen[keep++] = (struct unwind_seen){.sp = f->sp,
                                               .fp = f->fp,
                                               .row = f->row,
                                               .words = words | (live ? UNWIND_FP_LIVE : 0)};
    }
    u->depth = keep;
    u->valid = valid;
    return same;
}

uint32_t unwind_capture(struct unwind *u, uint64_t pc, uint64_t sp, uint64_t fp) {
    struct state s = {pc, sp, fp};
    const struct unwind_range *range = &u->range[0]; /* nearly always */
    if (__builtin_expect(sp - range->low >= range->high - range->low, 0))
        range = unwind_find_range(u, sp);
    uint32_t previous = UINT32_MAX; /* row before this one in the walk */
    int64_t top = u->valid ? (int64_t)u->depth - 1 : -1;
    uint32_t changed = UINT32_MAX; /* lowest word known to differ: frames above cannot match */
    struct unwind_range checked;
    enum step how = range != NULL ? STEP_ON : STEP_CUT;
    bool valid = true;
    u->stats.captures++;
    u->fresh_count = 0;
    for (;;) {
        uint32_t row = previous == UINT32_MAX ? u->first : u->rows[previous].next;
        while (top >= 0 && u->seen[top].sp < s.sp)
            top--;
        if (top >= 0 && u->seen[top].sp == s.sp && u->rows[u->seen[top].row].address == s.pc)
            row = u->seen[top].row;
        if (row >= u->row_count || u->rows[row].address != s.pc) {
            row = unwind_find_row(u, s.pc);
            if (row == UINT32_MAX) {
                how = STEP_CUT;
                break;
            }
        }
        if (previous == UINT32_MAX)
            u->first = row;
        else
            u->rows[previous].next = row;
        if (top >= 0 && u->seen[top].sp == s.sp && u->seen[top].row == row) {
            const struct unwind_seen *seen = &u->seen[top];
            uint32_t words = seen->words & ~UNWIND_FP_LIVE;
            if ((seen->fp == s.fp || (seen->words & UNWIND_FP_LIVE) == 0) && words <= changed) {
                const struct unwind_word *w = u->words + words;
                while (w > u->words && *w[-1].at == w[-1].value)
                    w--;
                if (w == u->words) {
                    u->stats.frames += u->fresh_count + (uint64_t)top + 1;
                    return commit(u, (uint32_t)top + 1, true);
                }
                changed = (uint32_t)(w - u->words) - 1;
            }
        }
        if (__builtin_expect(u->depth + u->fresh_count >= u->cap, 0) && !unwind_grow(u)) {
            how = STEP_CUT;
            break;
        }
        struct unwind_fresh *f = &u->fresh[u->fresh_count++];
        f->sp = s.sp;
        f->fp = s.fp;
        f->row = row;
        f->words = 0;
        if (how != STEP_ON)
            break; /* no range: the innermost frame is all there is */
        how = step(&u->rows[row], range, &s, f);
        previous = row;
        if (how == STEP_SIGNAL) {
            /* The chain runs over two stacks and an exact pc: right this once, not remembered. */
            u->stats.signal_chains++;
            valid = false;
            top = -1;
            how = step_signal(u, &range, &s) ? STEP_ON : STEP_CUT;
        } else if (how == STEP_CHECK) {
            /* Not remembered: the words could not be compared without another look. */
            struct state from = s;
            valid = false;
            top = -1;
            checked = *range;
            range = &checked;
            how = step_checked(u, &checked, &from, f);
            s = from;
        } else if (how == STEP_FULL) {
            u->stats.full_walks++;
            valid = false;
            how = unwind_full(u, sp) ? STEP_END : STEP_CUT;
        }
        if (how != STEP_ON)
            break;
    }
    if (how == STEP_CUT) {
        u->stats.truncated++;
        valid = false;
    }
    u->stats.frames += u->fresh_count;
    return commit(u, 0, valid);
}

uint32_t unwind_adopt(struct unwind *u, const uint64_t *addresses, uint32_t count) {
    u->stats.captures++;
    u->fresh_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = unwind_find_row(u, addresses[i]);
        if (row == UINT32_MAX || !unwind_grow(u)) {
            u->stats.truncated++;
            break;
        }
        u->fresh[u->fresh_count++] = (struct unwind_fresh){.row = row};
    }
    u->stats.frames += u->fresh_count;
    return commit(u, 0, false);
}
