/* SPDX-License-Identifier: MIT */
/* A child loses a block; its parent frees all of its own. */
#include <sys/wait.h>

#include "ground.h"

static uintptr_t volatile sink;
static void *volatile held;

ALLOCATES(lost_in_child)
ALLOCATES(held_in_child)
ALLOCATES(freed_in_parent)

static APART void child(void) {
    sink = hidden(lost_in_child(100));
    held = held_in_child(200);
}

int main(void) {
    expect("definite", 100, 1, "lost_in_child");
    expect("reachable", 200, 1, "held_in_child");
    if (fork() == 0) {
        child();
        wipe();
        return 0;
    }
    wait(NULL);
    held = freed_in_parent(300);
    ground_free(held);
    return 0;
}
