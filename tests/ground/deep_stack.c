/* SPDX-License-Identifier: MIT */
/* A thread that waits deep in its stack; others with small stacks. */
#include "ground.h"

ALLOCATES(at_the_bottom)
ALLOCATES(at_the_top)

static APART void deeper(int depth) {
    volatile char frame[4096] __attribute__((unused));
    frame[0] = 0;
    if (depth > 0) {
        deeper(depth - 1);
        return;
    }
    void *volatile held = at_the_top(200);
    while (held != NULL)
        rest();
}

static void *body(void *unused) {
    (void)unused;
    void *volatile held = at_the_bottom(100);
    deeper(500);
    return held;
}

int main(void) {
    expect("reachable", 200, 2, "at_the_bottom");
    expect("reachable", 400, 2, "at_the_top");
    start_thread(body);
    start_thread(body);
    wipe();
    return 0;
}
