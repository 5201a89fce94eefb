/* SPDX-License-Identifier: MIT */
/* A block that a child made hangs on one that it inherited: held, lost before the fork. */
#include <sys/wait.h>

#include "ground.h"

static void **volatile held;
static uintptr_t volatile lost;

ALLOCATES(inherited)
ALLOCATES(through_held)
ALLOCATES(through_lost)

static APART void make(void) {
    held = (void **)inherited(64);
    lost = hidden(inherited(64));
}

static APART void child(void) {
    held[1] = through_held(100);
    ((void **)(lost ^ HIDDEN))[1] = through_lost(200);
}

int main(void) {
    expect("reachable", 100, 1, "through_held");
    expect("indirect", 200, 1, "through_lost");
    expect_of_memcheck("reachable", 64, 1, "inherited");
    expect_of_memcheck("definite", 64, 1, "inherited");
    make();
    if (fork() == 0) {
        child();
        wipe();
        return 0;
    }
    wait(NULL);
    ground_free((void *)held);
    ground_free((void *)(lost ^ HIDDEN));
    return 0;
}
