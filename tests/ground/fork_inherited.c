/* SPDX-License-Identifier: MIT */
/* A child ends with what it inherited; one loses a pointer to it. The parent frees all of it. */
#include <sys/wait.h>

#include "ground.h"

static void *volatile held;
static void *volatile dropped;

ALLOCATES(inherited)
ALLOCATES(inherited_and_dropped)

static APART void make(void) {
    held = inherited(100);
    dropped = inherited_and_dropped(200);
}

int main(void) {
    /* It is the parent that is to free them, and it does. memcheck looks at the child's heap alone.
     */
    expect_of_memcheck("reachable", 100, 1, "inherited");
    expect_of_memcheck("definite", 200, 1, "inherited_and_dropped");
    make();
    if (fork() == 0) {
        dropped = NULL;
        wipe();
        return 0;
    }
    wait(NULL);
    ground_free(held);
    ground_free(dropped);
    return 0;
}
