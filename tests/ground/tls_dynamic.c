/* SPDX-License-Identifier: MIT */
/* Pointers in the TLS of a library that was loaded later: the loader allocates it on the heap. */
#include <dlfcn.h>

#include "ground.h"

static void (*keep_in_tls)(void *);

ALLOCATES(for_main)
ALLOCATES(for_thread)

static APART void hold_main(void) {
    keep_in_tls(for_main(100));
}
static APART void hold_thread(void) {
    keep_in_tls(for_thread(200));
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
    /* The thread points behind the head of a table of the loader's, which points to the TLS. */
    expect_of_memcheck("possible", 200, 1, "for_thread");
    known_of_heaptape("possible", 200, 1, "for_thread");
    keep_in_tls = (void (*)(void *))dlsym(dlopen("libground.so", RTLD_NOW), "keep_in_tls");
    hold_main();
    start_thread(body);
    wipe();
    return 0;
}
