/* SPDX-License-Identifier: MIT */
/*
 * x86-64: system calls, time-stamp counter, stack switch, the registers that unwinding tracks.
 * Sources: System V ABI AMD64 supplement; Linux entry conventions (syscall(2)).
 */
#ifndef ARCH_X86_64_H
#define ARCH_X86_64_H

#include <stdbool.h>
#include <stdint.h>

/* ---- system calls: results as the kernel gives them, -errno on failure; errno untouched --- */

static inline long arch_syscall(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* ---- relocations that the loader fills with the address of a function ---------------------- */

#define ARCH_RELOCATION_CALL    7 /* R_X86_64_JUMP_SLOT */
#define ARCH_RELOCATION_ADDRESS 6 /* R_X86_64_GLOB_DAT */

/* ---- stamps ------------------------------------------------------------------------------- */

/* Time-stamp counter. May execute before earlier instructions have, never after later stores
 * are visible. */
static inline uint64_t arch_ticks(void) {
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (uint64_t)hi << 32 | lo;
}

/* The same, but not before everything earlier has completed. */
static inline uint64_t arch_ticks_ordered(void) {
    __asm__ volatile("lfence" ::: "memory");
    return arch_ticks();
}

/* Whether ticks run at one rate on all cores, and their rate in Hz (0: unknown). */
bool arch_ticks_invariant(void);
uint64_t arch_ticks_hz(void);

/* ---- stacks ------------------------------------------------------------------------------- */

/* Runs fn(arg) on the stack that ends (grows down from) at `top`, 16-byte aligned. */
void arch_call_on_stack(void *arg, void (*fn)(void *), void *top);

/* Runs fn(arg) on the stack that ends at `top`, in a process that clone makes with these flags and
 * that ends behind it without a signal. Its id, which is to be waited for with __WALL, or -errno.
 * No libc inside. */
long arch_clone_call(void *arg, void (*fn)(void *), void *top, unsigned flags);

/* What struct sigaction of the kernel calls restorer: returns from a signal handler. */
void arch_signal_return(void);

/* The thread pointer: where libc keeps what it knows of the calling thread. */
static inline uint64_t arch_thread_pointer(void) {
    uint64_t self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
}

/* DWARF register numbers of the registers that the row unwinder tracks. */
enum {
    ARCH_REG_FP = 6,  /* rbp */
    ARCH_REG_SP = 7,  /* rsp */
    ARCH_REG_RA = 16, /* return address column */
    ARCH_REGS = 17
};

/* Bytes below the stack pointer that belong to the frame: an interrupted epilogue has popped a
 * register whose rule still names its slot. */
#define ARCH_RED_ZONE 128

/* Fills regs (indexed by DWARF number) with the caller's registers at the return address. */
void arch_get_registers(uint64_t regs[ARCH_REGS]);

/* Offsets from the stack pointer of a signal return trampoline's frame (struct ucontext, then
 * gregs) to the interrupted pc, sp and fp. */
enum { ARCH_SIGNAL_PC = 40 + 16 * 8, ARCH_SIGNAL_SP = 40 + 15 * 8, ARCH_SIGNAL_FP = 40 + 10 * 8 };
/* DWARF number → offset of the register in that frame; for the full-register unwinder. */
extern const uint16_t arch_signal_offset[ARCH_REGS];

/* A caller's frame as a hook sees it, hooks being compiled with a frame pointer: where it returns
 * to, the stack pointer after the return, the caller's frame pointer. */
static inline uint64_t arch_frame_pc(const void *frame) {
    return ((const uint64_t *)frame)[1];
}
static inline uint64_t arch_frame_sp(const void *frame) {
    return (uint64_t)frame + 16;
}
static inline uint64_t arch_frame_fp(const void *frame) {
    return ((const uint64_t *)frame)[0];
}

static inline void arch_pause(void) {
    __asm__ volatile("pause");
}

#endif
