/* SPDX-License-Identifier: MIT */
/* A pointer on the stack of a function that has returned, 16 KiB below the stack pointer. */
#include "ground.h"

ALLOCATES(for_main)
ALLOCATES(for_thread)

static APART void leave_main(void) {
    void *volatile below[2048] __attribute__((unused));
    below[0] = for_main(100);
}

static APART void leave_thread(void) {
    void *volatile below[2048] __attribute__((unused));
    below[0] = for_thread(200);
}

static APART void wipe_some(void) {
    volatile uintptr_t below[1024] __attribute__((unused));
    for (int i = 0; i < 1024; i++)
        below[i] = 0;
    wipe_registers();
}

static void *body(void *unused) {
    (void)unused;
    leave_thread();
    wipe_some();
    __atomic_add_fetch(&resting, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
}

int main(void) {
    expect("definite", 100, 1, "for_main");
    expect("definite", 200, 1, "for_thread");
    start_thread(body);
    leave_main();
    wipe_some();
    return 0;
}
