/* SPDX-License-Identifier: MIT */
/* Pointers in the TLS of the program, of the first thread and of one that waits. */
#include "ground.h"

static __thread void *volatile held;

ALLOCATES(for_main)
ALLOCATES(for_thread)

static APART void hold_main(void) {
    held = for_main(100);
}
static APART void hold_thread(void) {
    held = for_thread(200);
}

static void *body(void *unused) {
    (void)unused;
    hold_thread();
    rest();
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "for_main");
    expect("reachable", 200, 1, "for_thread");
    hold_main();
    start_thread(body);
    wipe();
    return 0;
}
