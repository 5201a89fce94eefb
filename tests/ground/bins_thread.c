/* SPDX-License-Identifier: MIT */
/* The same in a second arena, by a thread that has ended and one that waits. */
#include "ground.h"

enum { LEAKED = 100 };

static uintptr_t volatile freed[LEAKED + 1];
static uintptr_t volatile sink;

ALLOCATES(of_24)
ALLOCATES(of_2048)

static APART void make(void *(*take)(size_t), size_t bytes) {
    for (int i = 0; i < LEAKED; i++) {
        freed[i] = hidden(take(bytes));
        sink = hidden(take(bytes));
    }
    freed[LEAKED] = hidden(take(bytes));
    for (int i = 0; i <= LEAKED; i++)
        ground_free((void *)(freed[i] ^ HIDDEN));
}

static APART void make_both(void) {
    make(of_24, 24);
    make(of_2048, 2048);
}

static void *ends(void *unused) {
    (void)unused;
    make_both();
    return NULL;
}

static void *waits(void *unused) {
    (void)unused;
    make_both();
    rest();
    return NULL;
}

int main(void) {
    expect("definite", 2 * LEAKED * 24, 2 * LEAKED, "of_24");
    expect("definite", 2 * LEAKED * 2048, 2 * LEAKED, "of_2048");
    pthread_t thread;
    if (pthread_create(&thread, NULL, ends, NULL) != 0 || pthread_join(thread, NULL) != 0)
        abort();
    start_thread(waits);
    wipe();
    return 0;
}
