/* SPDX-License-Identifier: MIT */
/*
 * Stacks captured at every instruction: the processor's trap flag is set, and the handler of
 * SIGTRAP allocates while the program goes through frames of every kind and calls the functions of
 * a library for the first time, so that the loader's resolver runs inside its stub.
 *
 *   stepped ROUNDS [altstack]
 *
 * Compiled with -DLIBRARY it is that library; one of its functions is chosen by a resolver that
 * allocates, in the midst of the loader. (Not stepped through: longjmp, of which glibc's call frame
 * information says where it will return to before the registers that it names are loaded.) Prints
 * the number of allocations.
 */
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* clang-format off */
#define EIGHT(F, n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
#define ALL(F) EIGHT(F, 1) EIGHT(F, 2) EIGHT(F, 3) EIGHT(F, 4) EIGHT(F, 5) EIGHT(F, 6)
/* clang-format on */

#define DECLARE(n) long step##n(long);
ALL(DECLARE)
long chosen(long x);

/* Sets the trap flag or clears it; a function of its own, whose frame is described throughout. The
 * recorder, and libc, block signals now and then, and a trap in there would kill the program: so
 * nothing that allocates is stepped through. */
__attribute__((noinline)) static void step(long flag) {
    __asm__ volatile("pushfq\n\t"
                     ".cfi_adjust_cfa_offset 8\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     ".cfi_adjust_cfa_offset -8" ::"r"(flag)
                     : "cc", "memory");
}

#ifdef LIBRARY

#define DEFINE(n)                                                                                  \
    long step##n(long x) {                                                                         \
        return x * 3 + n;                                                                          \
    }
ALL(DEFINE)

static long one_way(long x) {
    return x + 1;
}

static long (*choose(void))(long) {
    step(0);
    void *volatile p = malloc(77);
    free(p);
    step(0x100);
    return one_way;
}

long chosen(long x) __attribute__((ifunc("choose")));

#else

static volatile long made;
static void *volatile kept;
static volatile long sink;

__attribute__((noinline)) static long realigned(long x);
static void *volatile frame_of_realigned;

/* At the end of realigned(), where rbp is the caller's again, gcc still says that the caller's lies
 * at [rbp]: whoever believes it misses a frame, and there is nothing to compare. */
static int is_described(const ucontext_t *at) {
#ifndef NUMBER
    unsigned long offset = (unsigned long)at->uc_mcontext.gregs[REG_RIP] - (unsigned long)realigned;
    if (offset >= 48 && offset < 160)
        return (void *)at->uc_mcontext.gregs[REG_RBP] == frame_of_realigned;
#endif
    return at != NULL;
}

static void on_trap(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    if (!is_described(context))
        return;
    free(kept);
    kept = malloc((size_t)(made++ & 63) + 1);
}

#define CALL(n) x += step##n(x);

__attribute__((noinline)) static long every(long x) {
    ALL(CALL)
    return x + chosen(x);
}

__attribute__((noinline)) static long fixed(long x) {
    volatile char room[300];
    room[x & 255] = (char)x;
    return step10(x) + room[x & 255];
}

__attribute__((noinline)) static long variable(long x) {
    volatile char *room = alloca((size_t)(x & 127) + 16);
    room[x & 7] = (char)x;
    return step20(x) + room[x & 7];
}

/* A realigned stack: reached by r10 at first, by a word below the frame pointer afterwards. */
__attribute__((noinline)) static long realigned(long x) {
    _Alignas(64) volatile char room[128];
    frame_of_realigned = __builtin_frame_address(0);
    volatile char *more = alloca((size_t)(x & 63) + 16);
    room[x & 127] = more[0] = (char)x;
    return step30(x) + room[x & 127] + more[0];
}

__attribute__((noinline)) static long many(long a, long b, long c, long d, long e, long f, long g,
                                           long h) {
    long x = step11(a) + b, y = step12(c) + d, z = step13(e) + f;
    return step14(x + y) + step15(y + z) + step16(z + x) + g * h + x + y + z;
}

/* Calls realigned() with a frame pointer in rbp; with -DNUMBER rbp holds a number, which cannot be
 * mistaken for one: the recorder goes on without it, libunwind gives up. */
__attribute__((noinline)) static long deep(long n, long x) {
#ifdef NUMBER
    register long number __asm__("rbp") = n * 2 + 1;
    __asm__ volatile("" : "+r"(number));
#else
    volatile char *room = alloca((size_t)(x & 63) + 16);
    room[0] = (char)x;
#endif
    return n == 0 ? realigned(x) : deep(n - 1, x + 1) + variable(n);
}

static int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static long library(long x) {
    char text[64];
    int number[] = {3, 1, 2, (int)x};
    qsort(number, 4, sizeof *number, compare);
    memset(text, number[3] & 31, sizeof text);
    text[x & 31] = 0;
    return (long)strlen(text) + memcmp(text, "a", 1) + strtol("77", NULL, 10);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 1;
    static char other[1 << 20];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    if (argc > 2) {
        sigaltstack(&stack, NULL);
        action.sa_flags |= SA_ONSTACK;
    }
    sigaction(SIGTRAP, &action, NULL);
    for (long i = 0; i < rounds; i++) {
        step(0x100);
        sink += every(i) + fixed(i) + many(i, 1, 2, 3, 4, 5, 6, 7) + deep(i % 9, i) + library(i);
        step(0);
    }
    free(kept);
    printf("%ld\n", made);
    return 0;
}
#endif
