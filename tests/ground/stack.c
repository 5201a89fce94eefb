/* SPDX-License-Identifier: MIT */
/* Pointers on the stack of a function that has not returned: of main's thread, of one that waits.
 */
#include "ground.h"

ALLOCATES(for_main)
ALLOCATES(for_thread)

static APART void hold_main(void) {
    void *volatile held = for_main(100);
    wipe();
    exit(held == NULL);
}

static void *body(void *unused) {
    (void)unused;
    void *volatile held = for_thread(200);
    rest();
    return held;
}

int main(void) {
    expect("reachable", 100, 1, "for_main");
    expect("reachable", 200, 1, "for_thread");
    start_thread(body);
    wipe();
    hold_main();
}
