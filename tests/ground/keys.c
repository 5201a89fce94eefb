/* SPDX-License-Identifier: MIT */
/* pthread_setspecific: the first 32 keys lie in the thread itself, others in a block of libc's. */
#include "ground.h"

static pthread_key_t key[40];

ALLOCATES(main_first)
ALLOCATES(main_later)
ALLOCATES(thread_first)
ALLOCATES(thread_later)

static APART void set(int i, void *p) {
    if (pthread_setspecific(key[i], p) != 0)
        abort();
}

static APART void hold_main(void) {
    set(1, main_first(100));
    set(39, main_later(200));
}

static APART void hold_thread(void) {
    set(1, thread_first(300));
    set(39, thread_later(400));
}

static void *body(void *unused) {
    (void)unused;
    hold_thread();
    rest();
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "main_first");
    expect("reachable", 200, 1, "main_later");
    expect("reachable", 300, 1, "thread_first");
    expect("reachable", 400, 1, "thread_later");
    for (int i = 0; i < 40; i++)
        if (pthread_key_create(&key[i], NULL) != 0)
            abort();
    hold_main();
    start_thread(body);
    wipe();
    return 0;
}
