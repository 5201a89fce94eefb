/* SPDX-License-Identifier: MIT */
/* A thread that has ended: its stack is kept for the next one, with a pointer on it. */
#include "ground.h"

static __thread void *volatile in_tls;

ALLOCATES(on_its_stack)
ALLOCATES(in_its_tls)

static void *body(void *unused) {
    (void)unused;
    void *volatile held = on_its_stack(100);
    in_tls = in_its_tls(200);
    return held == NULL ? (void *)1 : NULL;
}

static APART void run(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0 || pthread_join(thread, NULL) != 0)
        abort();
}

int main(void) {
    expect("definite", 100, 1, "on_its_stack");
    expect("definite", 200, 1, "in_its_tls");
    run();
    wipe();
    return 0;
}
