/* SPDX-License-Identifier: MIT */
#include "python.h"

#include <pthread.h>
#include <string.h>

#include "python_layout.h"
#include "sys.h"

#define NONE       UINT32_MAX
#define FIRST_ROOM 1024                /* frames; loops */
#define FRAMES_MAX (UINT32_C(1) << 24) /* more are no list of frames */

/* A Python frame as it was found. */
struct found {
    uint64_t code;
    int64_t instruction; /* code units from the code's start, -1: before the first */
    uint32_t entry;
};

/* Frames that one run of the interpreter's loop has on the stack. */
struct found_loop {
    uint64_t cframe; /* lies in the loop's native frame */
    uint32_t first, count;
};

/* The same in the stack that was handed out. */
struct loop {
    uint32_t native; /* native frames that stand further out, the loop's own included */
    uint32_t count;
};

struct python_stack {
    struct python_codes *codes;
    /* The stack handed out last, outermost first. Of a Python frame: sp is the entry of its code,
     * fp the instruction. */
    struct unwind_seen *mixed;
    uint32_t depth, room;
    struct loop *loop; /* in it, outermost first */
    uint32_t loop_count;
    /* What is found now, innermost first. */
    struct found *found;
    struct found_loop *found_loop;
    uint32_t found_count, found_loop_count;
    uint32_t found_room, loop_room, found_loop_room;
    uint32_t entered; /* outermost native frame in the interpreter's module, NONE: there is none */
    uint64_t generation;
    uint8_t *scratch; /* of the reader; NULL: not needed yet */
};

/* ---- memory ------------------------------------------------------------------------------- */

static void *own_map(size_t bytes) {
    void *p = sys_map(bytes);
    if (p != NULL)
        sys_absent_in_child(p, bytes);
    return p;
}

/* Room for `want` elements of `size` bytes; a power of two of them, whole pages. */
static bool grow(void **p, uint32_t *room, uint32_t want, size_t size) {
    if (want <= *room)
        return true;
    uint32_t more = *room != 0 ? *room : FIRST_ROOM;
    while (more < want)
        more *= 2;
    void *now = *room != 0 ? sys_remap(*p, *room * size, more * size) : own_map(more * size);
    if (now == NULL)
        return false;
    *p = now;
    *room = more;
    return true;
}

#define GROW(p, room, want) grow((void **)&(p), &(room), (want), sizeof *(p))

static struct python_stack *make(void) {
    struct python_stack *p = own_map(4096);
    if (p == NULL)
        return NULL;
    p->codes = python_codes_new();
    p->entered = NONE;
    if (p->codes != NULL && GROW(p->mixed, p->room, 1) && GROW(p->found, p->found_room, 1) &&
        GROW(p->loop, p->loop_room, 1) && GROW(p->found_loop, p->found_loop_room, 1))
        return p;
    sys_unmap(p, 4096); /* the rest is lost where memory is out */
    return NULL;
}

struct python_codes *python_codes_of(const struct python_stack *p) {
    return p->codes;
}

/* ---- what the interpreter knows ----------------------------------------------------------- */

static inline uint64_t word(const uint8_t *at) {
    return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

/* The calling thread's state, as PyGILState_GetThisThreadState() finds it; 0: it has none. */
static uint64_t own_state(const uint8_t *runtime) {
    int ready;
    pthread_key_t key;
    memcpy(&ready, runtime + PY_RUNTIME_KEY_READY, sizeof ready);
    memcpy(&key, runtime + PY_RUNTIME_KEY, sizeof key);
    return ready != 0 ? (uint64_t)pthread_getspecific(key) : 0;
}

/* Another thread takes threads' states and frames away when it ends the interpreter. */
static bool others_end(const uint8_t *runtime, uint64_t state) {
    uint64_t by = word(runtime + PY_RUNTIME_FINALIZING);
    return by != 0 && by != state;
}

/* Nobody can end the interpreter now: this thread holds the GIL, or it is the one that may. */
static bool steady(const uint8_t *runtime, uint64_t state) {
    return word(runtime + PY_RUNTIME_CURRENT) == state ||
           word(runtime + PY_RUNTIME_MAIN_THREAD) == (uint64_t)pthread_self();
}

/* Whether frames of the interpreter's own module are on the stack. Without them it may be gone. */
static bool is_entered(struct python_stack *p, const struct unwind *u, uint32_t same,
                       const struct python_interpreter *i) {
    if (p->entered < same)
        return true;
    p->entered = NONE;
    for (uint32_t n = same; n < u->depth; n++) {
        if (u->rows[u->seen[n].row].address - i->start < i->end - i->start) {
            p->entered = n;
            return true;
        }
    }
    return i->always;
}

/* A handler may have interrupted the interpreter anywhere: its frames need not be in order. */
static bool is_interrupted(const struct unwind *u) {
    for (uint32_t n = 0; !u->valid && n < u->depth; n++)
        if (u->rows[u->seen[n].row].cfa == ROW_SIGNAL)
            return true;
    return false;
}

/* ---- finding the frames ------------------------------------------------------------------- */

/* Adds the frame to those found unless its function has not begun: as tracebacks do. */
static bool add_frame(struct python_stack *p, const struct python_reader *in,
                      const uint8_t *frame) {
    struct found f;
    uint64_t instruction;
    struct python_code code;
    memcpy(&f.code, frame + PY_FRAME_CODE, sizeof f.code);
    memcpy(&instruction, frame + PY_FRAME_INSTRUCTION, sizeof instruction);
    code = python_code(p->codes, in, f.code);
    f.entry = code.entry;
    f.instruction = (int64_t)(instruction - (f.code + PY_CODE_INSTRUCTIONS)) / 2;
    if (f.entry == PYTHON_NO_CODE || f.instruction < -1 || f.instruction > INT32_MAX)
        return false;
    if (f.instruction < code.begins && frame[PY_FRAME_OWNER] != PY_FRAME_OWNED_BY_GENERATOR)
        return true;
    if (p->found_count == p->found_room && !GROW(p->found, p->found_room, p->found_count + 1))
        return false;
    p->found[p->found_count++] = f;
    return true;
}

/* From *frame outwards up to the frame `end`, which is not of this loop. */
static bool add_frames(struct python_stack *p, const struct python_reader *in, uint64_t *frame,
                       uint64_t end) {
    uint8_t copy[PY_FRAME_BYTES];
    while (*frame != end && *frame != 0) {
        const uint8_t *f = (const uint8_t *)*frame;
        if (!in->direct) {
            if (!python_read_copy(in, *frame, copy, sizeof copy))
                return false;
            f = copy;
        }
        if (p->found_count > FRAMES_MAX || !add_frame(p, in, f))
            return false;
        memcpy(frame, f + PY_FRAME_PREVIOUS, sizeof *frame);
    }
    return true;
}

/* All loops of this thread and their frames; false, with what was found so far, when something
 * cannot be read. low, high: where the innermost loop's record must lie to be this thread's. */
static bool find_frames(struct python_stack *p, const struct python_reader *in, uint64_t state,
                        uint64_t low, uint64_t high) {
    uint64_t cframe, frame, previous, end;
    if (!python_read(in, state + PY_THREAD_CFRAME, &cframe, sizeof cframe) || cframe < low ||
        cframe > high - PY_CFRAME_BYTES || cframe % 8 != 0 ||
        !python_read(in, cframe + PY_CFRAME_FRAME, &frame, sizeof frame))
        return false;
    for (; cframe != 0; cframe = previous, frame = end) {
        end = 0;
        if (!python_read(in, cframe + PY_CFRAME_PREVIOUS, &previous, sizeof previous) ||
            (previous != 0 && !python_read(in, previous + PY_CFRAME_FRAME, &end, sizeof end)))
            return false;
        struct found_loop loop = {.cframe = cframe, .first = p->found_count};
        if (!add_frames(p, in, &frame, end))
            return false;
        loop.count = p->found_count - loop.first;
        if (loop.count == 0)
            continue;
        if (!GROW(p->found_loop, p->found_loop_room, p->found_loop_count + 1))
            return false;
        p->found_loop[p->found_loop_count++] = loop;
    }
    return true;
}

/* The frames of the calling thread, of which `u` has just captured the stack. */
static void find(struct python_stack *p, struct python_reader *in, struct unwind *u,
                 const uint8_t *runtime) {
    uint64_t state = own_state(runtime);
    if (state == 0 || u->depth == 0 || others_end(runtime, state) || is_interrupted(u))
        return;
    uint64_t sp = u->seen[u->depth - 1].sp;
    const struct unwind_range *stack = unwind_find_range(u, sp);
    if (stack == NULL)
        return;
    in->direct = steady(runtime, state);
    if (!in->direct && p->scratch == NULL && (p->scratch = own_map(PYTHON_SCRATCH)) == NULL)
        return;
    in->scratch = p->scratch;
    python_codes_begin(p->codes);
    find_frames(p, in, state, sp, stack->high);
    if (!in->direct && (others_end(runtime, state) || own_state(runtime) != state)) /* meanwhile */
        p->found_count = p->found_loop_count = 0;
}

/* ---- the two together --------------------------------------------------------------------- */

/* How far a new stack is put together. */
struct merge {
    struct python_stack *python;
    struct unwind *unwind;
    const struct python_reader *in;
    uint32_t same;   /* native frames that are those of the stack before */
    uint32_t native; /* native frames taken so far */
    uint32_t at;     /* frames of both kinds */
    uint32_t loops;
    bool equal;      /* all of them are as in the stack before */
    uint32_t result; /* how many were, when !equal */
};

/* How many native frames stand outside of the Python frames of a loop: its own is the last. */
static uint32_t find_loop(const struct merge *m, uint64_t cframe) {
    const struct unwind *u = m->unwind;
    for (uint32_t n = m->native; n < u->depth; n++)
        if (u->seen[n].sp <= cframe)
            return n + 1;
    return m->native; /* on another stack than the walk has seen */
}

/* Native frames up to `end`; `known`: in the stack before, so many stood outside of the next loop,
 * or all of them. */
static void take_native(struct merge *m, uint32_t end, uint32_t known, bool last) {
    const struct unwind *u = m->unwind;
    struct unwind_seen *mixed = m->python->mixed;
    if (m->equal && (last || known != end || m->same < end)) {
        uint32_t until = m->same < known ? m->same : known;
        if (until > end)
            until = end;
        m->at += until - m->native;
        m->native = until;
        m->result = m->at;
        m->equal = false;
    }
    if (m->equal)
        m->at += end - m->native;
    else
        for (uint32_t n = m->native; n < end; n++)
            mixed[m->at++] = (struct unwind_seen){.row = u->seen[n].row};
    m->native = end;
}

/* The Python frames of a loop; `known`: how many it had in the stack before. False: out of memory.
 */
static bool take_loop(struct merge *m, const struct found_loop *loop, uint32_t known) {
    struct python_stack *p = m->python;
    for (uint32_t i = loop->count; i-- != 0; m->at++) {
        const struct found *f = &p->found[loop->first + i];
        struct unwind_seen *to = &p->mixed[m->at];
        if (m->equal && loop->count - i <= known && to->sp == f->entry &&
            to->fp == (uint64_t)f->instruction)
            continue;
        if (m->equal)
            m->result = m->at;
        m->equal = false;
        uint64_t address = python_code_address(p->codes, m->in, f->entry, f->code, f->instruction);
        uint32_t row = unwind_find_row(m->unwind, address);
        if (row == UINT32_MAX)
            return false;
        *to = (struct unwind_seen){.sp = f->entry, .fp = (uint64_t)f->instruction, .row = row};
    }
    if (m->equal && loop->count != known) {
        m->equal = false;
        m->result = m->at;
    }
    return true;
}

/* How many of the outermost frames are those of the stack before; NONE: out of memory. */
static uint32_t put_together(struct python_stack *p, struct unwind *u,
                             const struct python_reader *in, uint32_t same) {
    struct merge m = {.python = p, .unwind = u, .in = in, .same = same, .equal = true};
    for (uint32_t k = p->found_loop_count; k-- != 0; m.loops++) {
        const struct found_loop *found = &p->found_loop[k];
        struct loop known = {.native = UINT32_MAX};
        if (m.loops < p->loop_count)
            known = p->loop[m.loops];
        uint32_t end = find_loop(&m, found->cframe);
        take_native(&m, end, known.native, false);
        if (!take_loop(&m, found, known.count))
            return NONE;
        p->loop[m.loops] = (struct loop){end, found->count};
    }
    take_native(&m, u->depth, m.loops < p->loop_count ? p->loop[m.loops].native : UINT32_MAX, true);
    p->loop_count = m.loops;
    p->depth = m.at;
    return m.result;
}

struct unwind_captured python_add(struct python_stack **at, struct unwind *u, uint32_t same,
                                  uint64_t generation) {
    const struct python_interpreter i = python_interpreter();
    struct python_stack *p = *at;
    if (p == NULL) {
        if (i.runtime == NULL || (p = make()) == NULL)
            return (struct unwind_captured){u->seen, u->depth, same};
        *at = p;
        same = 0; /* no stack was handed out from here before */
    }
    if (p->generation != generation) {
        p->generation = generation;
        p->depth = p->loop_count = same = 0;
        p->entered = NONE;
    }
    struct python_reader in = {.direct = true};
    p->found_count = p->found_loop_count = 0;
    if (i.runtime != NULL && is_entered(p, u, same, &i))
        find(p, &in, u, i.runtime);
    if (GROW(p->mixed, p->room, u->depth + p->found_count) &&
        GROW(p->loop, p->loop_room, p->found_loop_count + 1) &&
        (same = put_together(p, u, &in, same)) != NONE)
        return (struct unwind_captured){p->mixed, p->depth, same};
    p->depth = p->loop_count = 0; /* the native frames alone, with nothing to compare them to */
    p->entered = NONE;
    p->generation = ~generation;
    return (struct unwind_captured){u->seen, u->depth, 0};
}
