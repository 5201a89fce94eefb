/* SPDX-License-Identifier: MIT */
#include "park.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "sys_image.h"

#define MOST    1024                 /* threads */
#define NEXT_NS UINT64_C(200000000)  /* how long to wait for one more */
#define ALL_NS  UINT64_C(3000000000) /* and for all of them, while they are about to come */
#define KEEP_NS UINT64_C(1000000000) /* at the end: as long as that may take */
#define ROUNDS  4  /* of asking for threads: those that are halted make no new ones */
#define TOP     64 /* SIGRTMAX as the kernel counts */
#define LOWEST  35 /* SIGRTMIN of glibc and musl */
#define CANCEL  32 /* glibc's own, for pthread_cancel */
#define ONSTACK 0x08000000ul
#define RESTART 0x10000000ul
#define INFO    0x00000004ul
#define RESTORE 0x04000000ul /* SA_RESTORER */

enum { SLOT_SENT = 1, SLOT_TAKEN, SLOT_PARKED };

struct slot {
    atomic_uint state;
    struct seen_thread seen;
};

/* One page range, made once and kept: a handler that comes late still finds it. */
static struct slot *slots;
static atomic_uint closed; /* not 0: who comes must wait while it is the same */
static unsigned closures;  /* so far: who is slow to leave one does not stay for the next */
static atomic_uint parked; /* how many do */
static atomic_bool claimed;
static _Atomic uint64_t kept_until; /* CLOCK_MONOTONIC; 0: until they are released */
static int signal_used;             /* 0: none */
static struct sys_action before;

/* Behind the gate's opening a signal that is still on its way finds nothing to do. */
static void park_here(int signal, void *info, void *context) {
    const siginfo_t *said = info;
    struct slot *slot = said->si_value.sival_ptr;
    (void)signal;
    if (said->si_code != SI_QUEUE || atomic_load(&closed) == 0 || slots == NULL || slot < slots ||
        slot >= slots + MOST)
        return;
    unsigned sent = SLOT_SENT;
    if (!atomic_compare_exchange_strong(&slot->state, &sent, SLOT_TAKEN))
        return;
    for (unsigned i = 0; i < ARCH_REGS; i++)
        memcpy(&slot->seen.regs[i], (const char *)context + arch_signal_offset[i], 8);
    slot->seen.sp = slot->seen.regs[ARCH_REG_SP];
    slot->seen.thread_pointer = arch_thread_pointer();
    unsigned closure = atomic_load(&closed), taken = SLOT_TAKEN;
    if (closure == 0 || !atomic_compare_exchange_strong(&slot->state, &taken, SLOT_PARKED))
        return;
    atomic_fetch_add(&parked, 1);
    sys_wake_word(&parked);
    while (atomic_load(&closed) == closure) {
        uint64_t until = atomic_load(&kept_until),
                 now = until != 0 ? sys_clock(CLOCK_MONOTONIC) : 0;
        if (until != 0 && now >= until)
            return;
        sys_wait_word(&closed, closure, until != 0 ? until - now : ALL_NS);
    }
}

static bool take_signal(int number) {
    struct sys_action mine = {park_here, ONSTACK | RESTART | INFO | RESTORE, arch_signal_return,
                              ~UINT64_C(0)};
    if (!sys_set_action(number, NULL, &before))
        return false;
    /* Programs that posix_spawn() has started begin with glibc's own signals ignored. */
    bool ignored = number == CANCEL && (uintptr_t)before.handler == 1;
    return (before.handler == NULL || ignored) && sys_set_action(number, &mine, NULL);
}

/* The one that glibc keeps for itself comes first, if it is not in use: the program can neither
 * have blocked it nor be waiting for it in sigwait, which would answer instead of the handler. */
static bool choose_signal(void) {
    signal_used = 0;
    if (take_signal(CANCEL))
        signal_used = CANCEL;
    for (int n = TOP; n >= LOWEST && signal_used == 0; n--)
        if (take_signal(n))
            signal_used = n;
    return signal_used != 0;
}

static bool known(const struct slot *slot, size_t count, uint32_t tid) {
    for (size_t i = 0; i < count; i++)
        if (slot[i].seen.tid == tid)
            return true;
    return false;
}

/* Signals the threads that were not known yet: how many there are now; *asked: of these signalled.
 */
static size_t ask(uint32_t pid, uint32_t self, size_t count, size_t *asked, bool *all) {
    static uint32_t tid[MOST];
    size_t n = sys_threads(pid, tid, MOST);
    bool found = false; /* another /proc than our own would not have us */
    *all = n <= MOST;
    if (n > MOST)
        n = MOST;
    for (size_t i = 0; i < n; i++)
        found |= tid[i] == self;
    for (size_t i = 0; i < n && found && count < MOST; i++) {
        if (tid[i] == self || known(slots, count, tid[i]))
            continue;
        struct slot *slot = &slots[count++];
        slot->seen.tid = tid[i];
        if (signal_used != CANCEL && sys_thread_blocks(pid, tid[i], signal_used))
            continue;
        atomic_store(&slot->state, SLOT_SENT);
        if (sys_queue_signal(pid, tid[i], signal_used, slot))
            ++*asked;
    }
    return count;
}

/* Whether one that was asked is about to come. (One that waits for a vfork child looks like it.) */
static bool some_run(uint32_t pid, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned state = atomic_load(&slots[i].state);
        if ((state == SLOT_SENT || state == SLOT_TAKEN) &&
            sys_thread_runs(pid, (uint32_t)slots[i].seen.tid))
            return true;
    }
    return false;
}

/* Waits for the threads that were asked, for as long as one after the other comes. */
static void await(uint32_t pid, size_t count, size_t asked, uint64_t end) {
    unsigned n, before_that = 0;
    uint64_t now = sys_clock(CLOCK_MONOTONIC), until = now + NEXT_NS;
    while ((n = atomic_load(&parked)) < asked && now < end) {
        if (now >= until) {
            if (!some_run(pid, count))
                break;
            until = now + NEXT_NS;
        }
        sys_wait_word(&parked, n, (until < end ? until : end) - now);
        now = sys_clock(CLOCK_MONOTONIC);
        if (atomic_load(&parked) != before_that) {
            before_that = atomic_load(&parked);
            until = now + NEXT_NS;
        }
    }
}

bool park_claim(void) {
    if (atomic_exchange(&kept_until, 0) != 0)
        park_release(); /* the last image is taken a second time */
    return !atomic_exchange(&claimed, true);
}

size_t park_threads(uint32_t pid, uint32_t self, struct seen_thread *to, size_t room, bool *all) {
    uint64_t end = sys_clock(CLOCK_MONOTONIC) + ALL_NS;
    signal_used = 0;
    *all = true;
    if (slots == NULL)
        slots = sys_map(MOST * sizeof *slots);
    if (slots == NULL || !choose_signal())
        return 0;
    memset((void *)slots, 0, MOST * sizeof *slots);
    atomic_store(&parked, 0);
    closures += closures == UINT32_MAX ? 2 : 1;
    atomic_store(&closed, closures);
    size_t count = 0, asked = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t had = count;
        count = ask(pid, self, count, &asked, all);
        if (count == had)
            break;
        await(pid, count, asked, end);
    }
    size_t seen = 0;
    for (size_t i = 0; i < count && seen < room; i++)
        if (atomic_load(&slots[i].state) == SLOT_PARKED)
            to[seen++] = slots[i].seen;
    return seen;
}

static void release(void) {
    if (signal_used == 0)
        return;
    atomic_store(&closed, 0);
    sys_wake_word(&closed);
    /* A signal that was not taken would end the program once the disposition is what it was:
     * ignoring it throws it away. */
    struct sys_action ignore = {.handler = (void (*)(int, void *, void *))(uintptr_t)1,
                                .flags = RESTORE,
                                .restorer = arch_signal_return},
                      current;
    if (!sys_set_action(signal_used, NULL, &current) || current.handler != park_here)
        return; /* the program has taken it for itself meanwhile */
    sys_set_action(signal_used, &ignore, NULL);
    sys_set_action(signal_used, &before, NULL);
}

void park_keep(void) {
    atomic_store(&kept_until, sys_clock(CLOCK_MONOTONIC) + KEEP_NS);
    sys_wake_word(&closed);
}

void park_forget(void) {
    atomic_store(&kept_until, 0);
    atomic_store(&claimed, false);
}

void park_release(void) {
    release();
    atomic_store(&claimed, false);
}
