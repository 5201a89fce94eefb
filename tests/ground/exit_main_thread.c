/* SPDX-License-Identifier: MIT */
/* main's thread ends by pthread_exit; the process ends with the last thread. */
#include "ground.h"

static void *volatile held;
static uintptr_t volatile sink;

ALLOCATES(reached)
ALLOCATES(lost)

static APART void make(void) {
    held = reached(100);
    sink = hidden(lost(200));
}

static void *body(void *unused) {
    (void)unused;
    usleep(20000);
    make();
    wipe();
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "reached");
    expect("definite", 200, 1, "lost");
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0 || pthread_detach(thread) != 0)
        abort();
    pthread_exit(NULL);
}
