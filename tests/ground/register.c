/* SPDX-License-Identifier: MIT */
/* A pointer in one register of a thread that waits, and nowhere else. */
#include "ground.h"

static uintptr_t volatile passed;

ALLOCATES(for_register)

static APART void make(void) {
    passed = hidden(for_register(100));
}

static void *body(void *unused) {
    (void)unused;
    make();
    wipe();
    __asm__ volatile("mov %0, %%r12\n"
                     "movq $0, %0\n"
                     "xor %2, %%r12\n"
                     "lock incl %1\n"
                     "1: mov $34, %%eax\n" /* pause */
                     "syscall\n"
                     "jmp 1b\n"
                     : "+m"(passed), "+m"(resting)
                     : "r"((uintptr_t)HIDDEN)
                     : "rax", "rcx", "r11", "r12", "memory");
    return NULL;
}

int main(void) {
    expect("reachable", 100, 1, "for_register");
    start_thread(body);
    wipe();
    return 0;
}
