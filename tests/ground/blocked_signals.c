/* SPDX-License-Identifier: MIT */
/* A thread with every signal blocked waits with a pointer on its stack. */
#include <signal.h>

#include "ground.h"

ALLOCATES(on_its_stack)

static void *body(void *unused) {
    (void)unused;
    void *volatile held = on_its_stack(100);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    rest();
    return held;
}

int main(void) {
    expect("reachable", 100, 1, "on_its_stack");
    start_thread(body);
    wipe();
    return 0;
}
