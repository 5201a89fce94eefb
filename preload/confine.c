/* SPDX-License-Identifier: MIT */
/*
 * What a program does to itself that puts files out of the recorder's reach: a seccomp filter, a
 * change of user, another root. Before it happens a reserve is mapped, a part of the tape with its
 * blocks allocated; what comes behind is recorded into that, and counted lost when it is full.
 *
 * A filter that was there when the program was executed (a container's, a service manager's) lets
 * the loader open and map files, so it is not taken for one that forbids the recorder to.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "real.h"
#include "recorder.h"
#include "stream.h"
#include "sys.h"

#define EXPORT __attribute__((visibility("default")))

#define RESERVE_BYTES (UINT64_C(32) << 20) /* some ten million events */
#define CONTROLS      256                  /* threads that may start behind a filter */
#define TURN_PAUSES   100000000            /* seconds: far more than installing a filter takes */
#define QUIET_YIELDS  1000000              /* far more than a flush takes */

/* ---- the reserve -------------------------------------------------------------------------- */

void *recorder_take_control(struct recorder *r) {
    uint32_t left = atomic_load(&r->controls_left);
    do {
        if (left == 0)
            return NULL;
    } while (!atomic_compare_exchange_weak(&r->controls_left, &left, left - 1));
    return r->controls + (size_t)(left - 1) * STREAM_CONTROL_BYTES;
}

static void make_controls(struct recorder *r) {
    size_t bytes = (size_t)CONTROLS * STREAM_CONTROL_BYTES;
    uint8_t *p = sys_map(bytes);
    if (p == NULL)
        return;
    if (!sys_zero_in_child(p, bytes)) {
        sys_unmap(p, bytes);
        return;
    }
    r->controls = p;
    atomic_store(&r->controls_left, CONTROLS);
}

/* On the stream's own stack. */
static void make_reserve(void *arg) {
    struct recorder *r = arg;
    unsigned none = 0;
    if (!atomic_compare_exchange_strong(&r->reserve_state, &none, 1))
        return;
    uint64_t at = 0, bytes = RESERVE_BYTES;
    uint8_t *p = NULL;
    while (p == NULL && bytes >= TAPE_SEGMENT_ALIGN) {
        if (recorder_may_grow(r, bytes))
            p = tape_extend(r, bytes, &at);
        if (p == NULL)
            bytes /= 2;
    }
    if (p != NULL) {
        r->reserve = p;
        r->reserve_at = at;
        r->reserve_bytes = bytes;
        atomic_store(&r->reserve_left, bytes);
    }
    if (r->controls == NULL)
        make_controls(r);
    for (uint32_t i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->worker[i];
        unsigned idle = 0;
        if (atomic_compare_exchange_strong(&w->busy, &idle, 1)) {
            worker_provide(w);
            worker_release(w);
        }
    }
    atomic_store(&r->reserve_state, 2);
}

bool recorder_is_borrowed(void) {
    struct recorder *r = atomic_load(&recorder);
    return r != NULL && atomic_load(&r->state) != RECORDER_NEW && !sys_confined() &&
           r->pid != sys_pid();
}

static void provide(void) {
    if (sys_confined() || recorder_is_borrowed())
        return;
    struct stream *s = stream_attach();
    struct recorder *r = atomic_load(&recorder);
    if (s == NULL || s->busy != 0 || atomic_load(&r->state) != RECORDER_ON)
        return;
    stream_call_idle(s, make_reserve, r);
    unwind_find_range(&s->unwind, (uint64_t)__builtin_frame_address(0)); /* /proc may go as well */
}

/* ---- filters ------------------------------------------------------------------------------ */

/* One attempt at a time and in turn, so that one that fails does not undo another's that
 * succeeded. The turn of a thread that died in between is passed over. */
static atomic_uint tickets, turn;

/* Whether a thread may be inside a system call of ours. */
static bool others_call(struct recorder *r) {
    bool call = atomic_load(&r->attaching) != 0;
    for (struct stream *s = atomic_load(&r->streams); s != NULL && !call; s = s->next)
        call = __atomic_load_n(&s->calling, __ATOMIC_SEQ_CST);
    return call;
}

/* Sets the level and waits until every call of another thread that began before has ended: a
 * filter may be for all threads. Returns the level before. */
static unsigned confine(unsigned level) {
    unsigned ticket = atomic_fetch_add(&tickets, 1);
    for (int i = 0; (int)(atomic_load(&turn) - ticket) < 0 && i < TURN_PAUSES; i++)
        arch_pause();
    atomic_store(&turn, ticket);
    if (recorder_is_borrowed())
        return level;
    provide();
    unsigned before = sys_confine(level);
    struct recorder *r = atomic_load(&recorder);
    if (r == NULL)
        return before;
    for (int i = 0; others_call(r) && i < QUIET_YIELDS; i++) {
        arch_pause();
        if (before == SYS_FREE) /* nothing forbids it yet */
            arch_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    return before;
}

/* No filter has been installed when `result` is an error; a positive one may be a descriptor. */
static long filtered(long result, unsigned level, unsigned before) {
    if (result < 0 && level != before)
        sys_confine(before);
    atomic_fetch_add(&turn, 1);
    return result;
}

static unsigned level_of(bool strict) {
    return strict ? SYS_STRICT : SYS_FILTERED;
}

/* In strict mode the kernel also forbids the thread to read the time-stamp counter. */
static unsigned begin_filter(unsigned level) {
    unsigned before = confine(level);
    struct recorder *r = atomic_load(&recorder);
    if (r != NULL)
        atomic_store(&r->several_streams, true); /* the coarse clock may be a system call */
    if (level == SYS_STRICT && r != NULL && !recorder_is_borrowed())
        recorder_forbid_clock(r);
    return before;
}

/* Whether by name or by number: PR_SET_TSC makes every later rdtsc SIGSEGV. */
static void note_prctl(unsigned long option, unsigned long how) {
    struct recorder *r = atomic_load(&recorder);
    if (option == PR_SET_TSC && how == PR_TSC_SIGSEGV && r != NULL && !recorder_is_borrowed())
        recorder_forbid_clock(r);
}

EXPORT int prctl(int option, ...) {
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
    unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);
    if (real.prctl == NULL)
        real_resolve();
    note_prctl((unsigned long)option, a);
    if (option != PR_SET_SECCOMP) {
        int result = real.prctl(option, a, b, c, d);
        if (option == PR_SET_NAME)
            stream_renamed();
        return result;
    }
    unsigned level = level_of(a == SECCOMP_MODE_STRICT), before = begin_filter(level);
    return (int)filtered(real.prctl(option, a, b, c, d), level, before);
}

/* ---- users and roots ---------------------------------------------------------------------- */

/* A change of the effective user. When the old one cannot come back the files are handed over,
 * and are then most often still to be opened: the reserve is not needed. */
struct change {
    bool real, for_good;
    uid_t from, to;
};

static void give_files(void *arg) {
    const struct change *c = arg;
    struct recorder *r = atomic_load(&recorder);
    sys_give(r->tape_path, &r->tape_file, c->to);
    if (atomic_load(&r->tail_state) == 2)
        sys_give(r->tail_path, &r->tail_file, c->to);
}

/* Cuts the reserve off again if nothing was taken from it and the file can be reached. Only while
 * the process has had one thread: another might be adding to the file behind the reserve. */
static void release_reserve(void *arg) {
    struct recorder *r = arg;
    uint64_t bytes = r->reserve_bytes, end = r->reserve_at + bytes;
    if (atomic_load(&r->next_stream) != 1 || bytes == 0 ||
        !atomic_compare_exchange_strong(&r->reserve_left, &bytes, 0))
        return;
    if (atomic_load(&r->tape_end) != end ||
        sys_truncate(r->tape_path, &r->tape_file, r->reserve_at) != 0) {
        atomic_store(&r->reserve_left, bytes);
        return;
    }
    atomic_store(&r->tape_end, r->reserve_at);
    sys_unmap(r->reserve, bytes);
    r->reserve = NULL;
    atomic_store(&r->reserve_state, 0);
}

static void on_own_stack(void (*fn)(void *), void *arg) {
    struct stream *s = stream_self;
    struct recorder *r = atomic_load(&recorder);
    if (r == NULL || s->magic != STREAM_MAGIC || s->busy != 0 || sys_confined() ||
        recorder_is_borrowed() || atomic_load(&r->state) != RECORDER_ON)
        return;
    stream_call_idle(s, fn, arg);
}

static struct change begin_change(uid_t to, bool for_good) {
    struct change c = {.from = geteuid(), .to = to, .for_good = for_good};
    c.real = to != (uid_t)-1 && to != c.from;
    if (c.real) {
        provide();
        if (for_good)
            on_own_stack(give_files, &c);
    }
    return c;
}

static int end_change(const struct change *c, int result) {
    if (c->real && c->for_good) {
        if (result != 0) {
            struct change back = {.to = c->from};
            on_own_stack(give_files, &back);
        }
        on_own_stack(release_reserve, atomic_load(&recorder));
    }
    return result;
}

EXPORT int setuid(uid_t uid) {
    if (real.setuid == NULL)
        real_resolve();
    struct change c = begin_change(uid, geteuid() == 0);
    return end_change(&c, real.setuid(uid));
}

EXPORT int seteuid(uid_t uid) {
    if (real.seteuid == NULL)
        real_resolve();
    struct change c = begin_change(uid, false);
    return end_change(&c, real.seteuid(uid));
}

EXPORT int setreuid(uid_t ruid, uid_t uid) {
    if (real.setreuid == NULL)
        real_resolve();
    struct change c = begin_change(uid, ruid == uid);
    return end_change(&c, real.setreuid(ruid, uid));
}

EXPORT int setresuid(uid_t ruid, uid_t uid, uid_t suid) {
    if (real.setresuid == NULL)
        real_resolve();
    struct change c = begin_change(uid, ruid == uid && suid == uid);
    return end_change(&c, real.setresuid(ruid, uid, suid));
}

EXPORT int chroot(const char *path) {
    provide();
    if (real.chroot == NULL)
        real_resolve();
    return real.chroot(path);
}

/* ---- the same by number ------------------------------------------------------------------- */

/* From arch_*.c, where all other numbers go straight on to libc, on the caller's own frame: some
 * calls return twice. */
long confine_syscall(const long a[7]) {
    if (real_syscall == NULL)
        real_resolve();
    unsigned level = SYS_FREE;
    switch (a[0]) {
    case SYS_seccomp:
        if (a[1] == SECCOMP_SET_MODE_STRICT || a[1] == SECCOMP_SET_MODE_FILTER)
            level = level_of(a[1] == SECCOMP_SET_MODE_STRICT);
        break;
    case SYS_prctl:
        if (a[1] == PR_SET_SECCOMP)
            level = level_of(a[2] == SECCOMP_MODE_STRICT);
        note_prctl((unsigned long)a[1], (unsigned long)a[2]);
        break;
    case SYS_setuid:
        begin_change((uid_t)a[1], false);
        break;
    case SYS_setreuid:
    case SYS_setresuid:
        begin_change((uid_t)a[2], false);
        break;
    default:
        provide();
        break;
    }
    if (level == SYS_FREE)
        return real_syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    unsigned before = begin_filter(level);
    return filtered(real_syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]), level, before);
}
