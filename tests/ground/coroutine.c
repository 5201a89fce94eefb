/* SPDX-License-Identifier: MIT */
/* The process ends on a stack of the program's own; main's frames lie on the first one. */
#include <sys/mman.h>
#include <ucontext.h>

#include "ground.h"

static ucontext_t first, second;

ALLOCATES(on_first_stack)
ALLOCATES(on_own_stack)

static void leave(void) {
    void *volatile held = on_own_stack(200);
    wipe();
    exit(held == NULL);
}

int main(void) {
    expect("reachable", 100, 1, "on_first_stack");
    expect("reachable", 200, 1, "on_own_stack");
    void *volatile held = on_first_stack(100);
    wipe();
    getcontext(&second);
    second.uc_stack.ss_size = 1 << 20;
    second.uc_stack.ss_sp =
        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    second.uc_link = &first;
    makecontext(&second, leave, 0);
    swapcontext(&first, &second);
    return held == NULL;
}
