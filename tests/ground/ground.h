/* SPDX-License-Identifier: MIT */
/*
 * What the programs of ground truth share. Each has blocks of one class and says on stdout what is
 * true of them by construction, in memcheck's terms, a line for each place and kind:
 *
 *   expect KIND BYTES BLOCKS FUNCTION
 *
 * FUNCTION is the one that calls the allocator; the bytes of a block that is definitely lost are
 * its own. Where memcheck is known to say something else, the reason stands beside a line
 * "memcheck KIND BYTES BLOCKS FUNCTION", which takes the place of all that is expected of FUNCTION;
 * with no blocks it means that memcheck does not mention it. "whatever any 0 0 FUNCTION" passes
 * over FUNCTION.
 *
 * A pointer that was dropped may still lie in a register, or below the stack pointer in memory that
 * a later call makes part of its frame without writing there. So main() calls only functions that
 * return no pointer, and wipe() after them.
 */
#ifndef GROUND_H
#define GROUND_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone, unused))

/* By pointers that may change: no compiler may do without the calls. */
static void *(*volatile ground_malloc)(size_t) = malloc;
static void (*volatile ground_free)(void *) = free;

#define HIDDEN 0x5a5a000000000000u

static inline uintptr_t hidden(const void *p) {
    return (uintptr_t)p ^ HIDDEN;
}

/* A function that allocates, and leaves no stale pointers in the block. */
#define ALLOCATES(name)                                                                            \
    static APART void *name(size_t bytes) {                                                        \
        void *p = ground_malloc(bytes);                                                            \
        memset(p, 42, bytes);                                                                      \
        return p;                                                                                  \
    }

static APART void say(const char *word, const char *kind, size_t bytes, size_t blocks,
                      const char *function) {
    char line[200];
    int n = snprintf(line, sizeof line, "%s %s %zu %zu %s\n", word, kind, bytes, blocks, function);
    if (write(1, line, (size_t)n) != n)
        abort();
}

#define expect(kind, bytes, blocks, function) say("expect", kind, bytes, blocks, function)
/* Of what a library allocates for FUNCTION, in blocks whose sizes are its own business. */
#define expect_whatever(function) say("whatever", "any", 0, 0, function)
/* What heaptape still says instead: the table tells it, and is content with the truth, too. */
#define known_of_heaptape(kind, bytes, blocks, function)                                           \
    say("heaptape", kind, bytes, blocks, function)
#define expect_of_memcheck(kind, bytes, blocks, function)                                          \
    say("memcheck", kind, bytes, blocks, function)

/* The registers that a call may change. */
static APART void wipe_registers(void) {
    __asm__ volatile("xor %%eax, %%eax\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n xor %%esi, %%esi\n"
                     "xor %%edi, %%edi\n xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n"
                     "xor %%r10d, %%r10d\n xor %%r11d, %%r11d\n"
                     "pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n"
                     "pxor %%xmm3, %%xmm3\n pxor %%xmm4, %%xmm4\n pxor %%xmm5, %%xmm5\n"
                     "pxor %%xmm6, %%xmm6\n pxor %%xmm7, %%xmm7\n"
                     :
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "memory");
}

/* Nothing stale is left below the caller's frame, or in the registers that a call may change. */
static APART void wipe(void) {
    volatile uintptr_t below[4096];
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        below[i] = 0;
    wipe_registers();
}

/* Threads that wait until the process ends: the body calls rest() last. */
static volatile int resting;

static APART void rest(void) {
    wipe();
    __atomic_add_fetch(&resting, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

/* Starts one and returns when it waits. */
static APART void start_thread(void *(*body)(void *)) {
    pthread_t thread;
    int before = resting;
    if (pthread_create(&thread, NULL, body, NULL) != 0 || pthread_detach(thread) != 0)
        abort();
    while (__atomic_load_n(&resting, __ATOMIC_SEQ_CST) == before)
        sched_yield();
    usleep(20000);
}

#endif
