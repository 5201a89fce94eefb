/* SPDX-License-Identifier: MIT */
/* A detached thread that is still running when the process ends, and busy. */
#include "ground.h"

static uintptr_t volatile sink;

ALLOCATES(on_its_stack)
ALLOCATES(lost_by_it)

static APART void lose(void) {
    sink = hidden(lost_by_it(200));
}

static void *body(void *unused) {
    (void)unused;
    void *volatile held = on_its_stack(100);
    lose();
    wipe();
    __atomic_add_fetch(&resting, 1, __ATOMIC_SEQ_CST);
    while (held != NULL)
        sched_yield();
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "on_its_stack");
    expect("definite", 200, 1, "lost_by_it");
    start_thread(body);
    wipe();
    return 0;
}
