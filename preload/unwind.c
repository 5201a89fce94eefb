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

#define FIRST_CAP 255 /* frames; one less than a power of two, for the one in front of them */

#define unlikely(x) __builtin_expect(!!(x), 0)

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

/* Bytes of the four arrays for `cap` frames. */
static size_t seen_bytes(size_t cap) {
    return (cap + 1) * sizeof(struct unwind_seen);
}
static size_t words_bytes(size_t cap) {
    return (UNWIND_FRAME_WORDS * cap + 1) * sizeof(struct unwind_word);
}
static size_t fresh_bytes(size_t cap) {
    return cap * sizeof(struct unwind_fresh);
}
static size_t fresh_words_bytes(size_t cap) {
    return UNWIND_FRAME_WORDS * cap * sizeof(struct unwind_word);
}

static const uint64_t no_word = 0;

void unwind_init(struct unwind *u, void *memory) {
    uint8_t *at = memory;
    u->cap = FIRST_CAP;
    u->row_cap = 512;
    u->index_shift = 64 - 10;
    u->module_cap = 4096 / sizeof *u->modules;
    u->rows = take(&at, u->row_cap * sizeof *u->rows);
    u->index = take(&at, 2 * u->row_cap * sizeof *u->index);
    u->seen = take(&at, seen_bytes(FIRST_CAP));
    *u->seen++ = (struct unwind_seen){.sp = UINT64_MAX};
    u->words = take(&at, words_bytes(FIRST_CAP));
    *u->words++ = (struct unwind_word){.at = &no_word, .value = ~no_word};
    u->fresh = take(&at, fresh_bytes(FIRST_CAP));
    u->fresh_words = take(&at, fresh_words_bytes(FIRST_CAP));
    u->modules = take(&at, 4096);
    u->scratch = take(&at, sizeof *u->scratch);
    u->text = take(&at, UNWIND_TEXT);
}

_Static_assert(3 + 1 + 2 + 3 + 2 + 3 + 1 + 1 + 1 <= UNWIND_FIRST_BYTES / 4096 &&
                   512 * sizeof(struct row) <= 3 * 4096 &&
                   (FIRST_CAP + 1) * sizeof(struct unwind_seen) <= 2 * 4096 &&
                   (FIRST_CAP * UNWIND_FRAME_WORDS + 1) * sizeof(struct unwind_word) <= 3 * 4096 &&
                   FIRST_CAP * sizeof(struct unwind_fresh) <= 2 * 4096 &&
                   sizeof(struct cfi_scratch) <= 4096 && UNWIND_TEXT <= 4096,
               "the parts fit the first memory");

void unwind_reset(struct unwind *u) {
    memset(u->index, 0, 2 * u->row_cap * sizeof *u->index);
    u->row_count = 0;
    u->rows[0].address = 0; /* predicted until there is a row, and no return address */
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
    uint32_t cap = u->cap * 2 + 1;
    void *fresh = sys_remap(u->fresh, fresh_bytes(u->cap), fresh_bytes(cap));
    if (fresh == NULL)
        return false;
    u->fresh = fresh;
    struct unwind_word *fresh_words =
        sys_remap(u->fresh_words, fresh_words_bytes(u->cap), fresh_words_bytes(cap));
    if (fresh_words == NULL)
        return false;
    for (uint32_t i = 0; i < u->fresh_count; i++)
        u->fresh[i].words = fresh_words + (u->fresh[i].words - u->fresh_words);
    u->fresh_words = fresh_words;
    struct unwind_word *words = sys_remap(u->words - 1, words_bytes(u->cap), words_bytes(cap));
    if (words == NULL)
        return false;
    u->words = words + 1;
    struct unwind_seen *seen = sys_remap(u->seen - 1, seen_bytes(u->cap), seen_bytes(cap));
    if (seen == NULL)
        return false;
    u->seen = seen + 1;
    u->cap = cap;
    return true;
}

/* Reads a word of the stack that the walk depends on, and remembers it. */
static inline bool read_word(struct unwind_word **word, const struct unwind_range *r, uint64_t low,
                             uint64_t at, uint64_t *value) {
    if (at < low || at > r->high - 8 || (at & 7) != 0)
        return false;
    *value = *(const uint64_t *)at;
    *(*word)++ = (struct unwind_word){(const uint64_t *)at, *value};
    return true;
}

/* From the state on return into a frame to that of its caller. `f` takes the words read. */
static enum step step(const struct row *row, const struct unwind_range *r, struct state *s,
                      struct unwind_word **f) {
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
                              struct unwind_word **word) {
    const struct unwind_range *now = unwind_check_range(u, r, s->sp);
    uint64_t fp = s->fp;
    if (now == NULL)
        return STEP_CUT;
    *r = *now;
    r->own = true;
    if (!read_word(word, r, s->sp, fp + 8, &s->pc) || !read_word(word, r, s->sp, fp, &s->fp))
        return STEP_CUT;
    s->sp = fp + 16;
    return s->pc != 0 ? STEP_ON : STEP_END;
}

/* Puts the fresh frames up to `f`, with words up to `word`, on top of the first `keep` remembered
 * ones. Returns the number of frames, counted from the root, that read the same as before. */
static inline uint32_t commit(struct unwind *u, uint32_t keep, bool valid,
                              const struct unwind_fresh *f, const struct unwind_word *word) {
    const struct unwind_fresh *const first = u->fresh, *other = f;
    const struct unwind_word *const first_word = u->fresh_words, *from = word;
    const struct row *const rows = u->rows;
    struct unwind_seen *to = u->seen + keep, *const old_end = u->seen + u->depth, *same = to;
    uint32_t words = to[-1].words & ~UNWIND_FP_LIVE, live = to[-1].words >> 31;
    u->depth = keep + (uint32_t)(f - first);
    u->valid = valid;
    u->stats.captures++;
    u->stats.frames += u->depth;
    while (same < old_end && other > first && other[-1].row == same->row) {
        same++;
        other--;
    }
    uint32_t result = (uint32_t)(same - u->seen);
    struct unwind_word *end = u->words + words;
    while (from > first_word) /* read first = compared first = on top */
        *end++ = *--from;
    while (f > first) {
        f--;
        const struct row *row = &rows[f->row];
        live = row->fp_used | (row->fp_kept & live);
        to->sp = f->sp;
        to->fp = f->fp;
        to->row = f->row;
        to->words = (words + (uint32_t)(word - f->words)) | live << 31;
        to++;
    }
    return result;
}

/* The row of `pc`, which `previous` (NULL: the last capture) did not predict: that of the
 * remembered frame `seen`, which may be the same one, or by the index. The prediction is mended.
 * Rows may move. */
static inline uint32_t find_row(struct unwind *u, uint64_t pc, const struct unwind_seen *seen,
                                struct row *previous) {
    uint32_t row = seen->row;
    if (u->rows[row].address != pc) {
        uint32_t at = u->index[unwind_slot(u, pc)];
        row = at - 1;
        if (unlikely(at == 0 || u->rows[row].address != pc)) {
            size_t number = previous != NULL ? (size_t)(previous - u->rows) : 0;
            row = unwind_find_row(u, pc);
            if (unlikely(row == UINT32_MAX))
                return row;
            if (previous != NULL)
                previous = u->rows + number;
        }
    }
    *(previous != NULL ? &previous->next : &u->first) = row;
    return row;
}

uint32_t unwind_capture(struct unwind *u, uint64_t pc, uint64_t sp, uint64_t fp) {
    const uint64_t start = sp;
    const struct unwind_range *range = &u->range[0]; /* nearly always */
    if (unlikely(sp - range->low >= range->high - range->low))
        range = unwind_find_range(u, sp);
    /* No range: the innermost frame is all there is. */
    uint64_t high = range != NULL && sp % 8 == 0 ? range->high : 0;
    struct row *rows = u->rows, *previous = NULL;
    /* The innermost remembered frame that is not further in than the walk is top[-1]. */
    const struct unwind_seen *top = u->seen + (u->valid ? u->depth : 0);
    uint32_t changed = UINT32_MAX; /* lowest word known to differ: frames above cannot match */
    struct unwind_range checked;
    struct unwind_fresh *f = u->fresh, *limit = f + (u->cap - u->depth);
    struct unwind_word *word = u->fresh_words;
    enum step how = STEP_CUT;
    uint32_t row = u->first;
    bool valid = true;
    for (;;) {
        while (top[-1].sp < sp)
            top--;
        if (rows[row].address != pc) {
            row = find_row(u, pc, &top[-1], previous);
            if (unlikely(row == UINT32_MAX))
                break;
            rows = u->rows;
        }
        const struct unwind_seen *seen = &top[-1];
        if (seen->sp == sp && seen->row == row) {
            uint32_t count = seen->words & ~UNWIND_FP_LIVE;
            if ((seen->fp == fp || (seen->words & UNWIND_FP_LIVE) == 0) && count <= changed) {
                const struct unwind_word *const words = u->words, *w = words + count;
                while (*w[-1].at == w[-1].value)
                    w--;
                if (w == words)
                    return commit(u, (uint32_t)(top - u->seen), true, f, word);
                changed = (uint32_t)(w - words) - 1;
            }
        }
        if (unlikely(f == limit)) {
            size_t at = (size_t)(top - u->seen), read = (size_t)(word - u->fresh_words);
            u->fresh_count = (uint32_t)(f - u->fresh);
            bool grown = unwind_grow(u);
            f = u->fresh + u->fresh_count;
            word = u->fresh_words + read;
            top = u->seen + at;
            limit = u->fresh + (u->cap - u->depth);
            if (!grown)
                break;
        }
        struct row *r = &rows[row];
        f->sp = sp;
        f->fp = fp;
        f->words = word;
        f->row = row;
        f++;
        previous = r;
        if (__builtin_expect(r->quick != ROW_NOT_QUICK, 1)) {
            sp += (uint64_t)(int64_t)r->cfa_offset;
            if (unlikely(sp > high))
                break;
            const uint64_t *at = (const uint64_t *)sp - 1;
            pc = *at;
            word->at = at;
            word->value = pc;
            word++;
            if (r->quick == ROW_QUICK_FP) {
                at = (const uint64_t *)sp + r->fp_at;
                fp = *at;
                word->at = at;
                word->value = fp;
                word++;
            }
            row = r->next;
            if (unlikely(pc == 0)) {
                how = STEP_END;
                break;
            }
            continue;
        }
        if (high == 0)
            break;
        if (r->cfa == ROW_GUESS && !r->in_module)
            unwind_recheck_guess(u, r);
        struct state s = {pc, sp, fp};
        struct unwind_word *behind = word;
        how = step(r, range, &s, &behind);
        word = behind;
        if (how == STEP_SIGNAL) {
            /* The chain runs over two stacks and an exact pc: right this once, not remembered. */
            u->stats.signal_chains++;
            valid = false;
            top = u->seen;
            how = step_signal(u, &range, &s) ? STEP_ON : STEP_CUT;
            high = how == STEP_ON && s.sp % 8 == 0 ? range->high : 0;
        } else if (how == STEP_CHECK) {
            /* Not remembered: the words could not be compared without another look. */
            valid = false;
            top = u->seen;
            checked = *range;
            range = &checked;
            how = step_checked(u, &checked, &s, &word);
            high = checked.high;
        } else if (how == STEP_FULL) {
            u->stats.full_walks++;
            valid = false;
            how = unwind_full(u, start) ? STEP_END : STEP_CUT;
            f = u->fresh + u->fresh_count;
            word = u->fresh_words;
        }
        if (how != STEP_ON)
            break;
        how = STEP_CUT;
        pc = s.pc;
        sp = s.sp;
        fp = s.fp;
        row = r->next;
    }
    if (how == STEP_CUT) {
        u->stats.truncated++;
        valid = false;
    }
    return commit(u, 0, valid, f, word);
}

uint32_t unwind_adopt(struct unwind *u, const uint64_t *addresses, uint32_t count) {
    u->fresh_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = unwind_find_row(u, addresses[i]);
        if (row == UINT32_MAX || !unwind_grow(u)) {
            u->stats.truncated++;
            break;
        }
        u->fresh[u->fresh_count++] = (struct unwind_fresh){.row = row, .words = u->fresh_words};
    }
    return commit(u, 0, false, u->fresh + u->fresh_count, u->fresh_words);
}
