/* SPDX-License-Identifier: MIT */
/* exit() is called by another thread; main waits for it. */
#include "ground.h"

static uintptr_t volatile sink;

ALLOCATES(on_stack_of_main)
ALLOCATES(on_stack_of_thread)
ALLOCATES(lost)

static APART void lose(void) {
    sink = hidden(lost(300));
}

static APART void leave(void) {
    void *volatile held = on_stack_of_thread(200);
    lose();
    wipe();
    exit(held == NULL);
}

static void *body(void *unused) {
    (void)unused;
    usleep(20000);
    leave();
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "on_stack_of_main");
    expect("reachable", 200, 1, "on_stack_of_thread");
    expect("definite", 300, 1, "lost");
    void *volatile held = on_stack_of_main(100);
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0)
        abort();
    wipe();
    pthread_join(thread, NULL);
    return held == NULL;
}
