/* SPDX-License-Identifier: MIT */
#include "arch.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stddef.h>

/* The frame is described through rbp all along, so debuggers can walk over the switch. */
__asm__(".text\n"
        ".globl arch_call_on_stack\n"
        ".hidden arch_call_on_stack\n"
        ".type arch_call_on_stack, @function\n"
        "arch_call_on_stack:\n"
        ".cfi_startproc\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbp, -16\n"
        "    mov %rsp, %rbp\n"
        "    .cfi_def_cfa_register %rbp\n"
        "    mov %rdx, %rsp\n"
        "    call *%rsi\n"
        "    mov %rbp, %rsp\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa %rsp, 8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size arch_call_on_stack, . - arch_call_on_stack\n");

/* The exit signal is 0, as long as the flags do not name one. The child finds fn and arg on its
 * stack. */
__asm__(".text\n"
        ".globl arch_clone_call\n"
        ".hidden arch_clone_call\n"
        ".type arch_clone_call, @function\n"
        "arch_clone_call:\n"
        ".cfi_startproc\n"
        "    mov %rdi, -8(%rdx)\n"
        "    mov %rsi, -16(%rdx)\n"
        "    lea -16(%rdx), %rsi\n"
        "    mov %ecx, %edi\n"
        "    xor %edx, %edx\n"
        "    xor %r10d, %r10d\n"
        "    xor %r8d, %r8d\n"
        "    mov $56, %eax\n" /* clone */
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:\n"
        ".cfi_undefined %rip\n"
        "    xor %ebp, %ebp\n"
        "    pop %rax\n"
        "    pop %rdi\n"
        "    call *%rax\n"
        "    xor %edi, %edi\n"
        "    mov $60, %eax\n" /* exit */
        "    syscall\n"
        "    hlt\n"
        ".cfi_endproc\n"
        ".size arch_clone_call, . - arch_clone_call\n");

/* Described as a signal frame, for debuggers that look at a parked thread: they know it by its
 * code. */
__asm__(".text\n"
        ".globl arch_signal_return\n"
        ".hidden arch_signal_return\n"
        ".type arch_signal_return, @function\n"
        "    nop\n"
        "arch_signal_return:\n"
        "    mov $15, %rax\n" /* rt_sigreturn */
        "    syscall\n"
        ".size arch_signal_return, . - arch_signal_return\n");

/* The hook of syscall(). seccomp, prctl, setuid, setreuid, setresuid, chroot, pivot_root and
 * landlock_restrict_self go to confine_syscall (as every call does before real_resolve). */
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        ".cfi_startproc\n"
        "    cmp $317, %rdi\n"
        "    je 1f\n"
        "    cmp $157, %rdi\n"
        "    je 1f\n"
        "    cmp $105, %rdi\n"
        "    je 1f\n"
        "    cmp $113, %rdi\n"
        "    je 1f\n"
        "    cmp $117, %rdi\n"
        "    je 1f\n"
        "    cmp $161, %rdi\n"
        "    je 1f\n"
        "    cmp $155, %rdi\n"
        "    je 1f\n"
        "    cmp $446, %rdi\n"
        "    je 1f\n"
        "    mov real_syscall(%rip), %rax\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    jmp *%rax\n"
        "1:  mov 8(%rsp), %rax\n" /* the sixth argument of the call */
        "    sub $56, %rsp\n"
        "    .cfi_def_cfa_offset 64\n"
        "    mov %rdi, 0(%rsp)\n"
        "    mov %rsi, 8(%rsp)\n"
        "    mov %rdx, 16(%rsp)\n"
        "    mov %rcx, 24(%rsp)\n"
        "    mov %r8, 32(%rsp)\n"
        "    mov %r9, 40(%rsp)\n"
        "    mov %rax, 48(%rsp)\n"
        "    mov %rsp, %rdi\n"
        "    call confine_syscall\n"
        "    add $56, %rsp\n"
        "    .cfi_def_cfa_offset 8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size syscall, . - syscall\n");

__asm__(".text\n"
        ".globl arch_get_registers\n"
        ".hidden arch_get_registers\n"
        ".type arch_get_registers, @function\n"
        "arch_get_registers:\n"
        ".cfi_startproc\n"
        "    mov %rax, 0(%rdi)\n"
        "    mov %rdx, 8(%rdi)\n"
        "    mov %rcx, 16(%rdi)\n"
        "    mov %rbx, 24(%rdi)\n"
        "    mov %rsi, 32(%rdi)\n"
        "    mov %rdi, 40(%rdi)\n"
        "    mov %rbp, 48(%rdi)\n"
        "    lea 8(%rsp), %rax\n"
        "    mov %rax, 56(%rdi)\n"
        "    mov %r8, 64(%rdi)\n"
        "    mov %r9, 72(%rdi)\n"
        "    mov %r10, 80(%rdi)\n"
        "    mov %r11, 88(%rdi)\n"
        "    mov %r12, 96(%rdi)\n"
        "    mov %r13, 104(%rdi)\n"
        "    mov %r14, 112(%rdi)\n"
        "    mov %r15, 120(%rdi)\n"
        "    mov (%rsp), %rax\n"
        "    mov %rax, 128(%rdi)\n"
        "    mov 0(%rdi), %rax\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size arch_get_registers, . - arch_get_registers\n");

/* gregs order in struct sigcontext: r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. */
const uint16_t arch_signal_offset[ARCH_REGS] = {
    40 + 13 * 8, 40 + 12 * 8, 40 + 14 * 8, 40 + 11 * 8, 40 + 9 * 8,  40 + 8 * 8,
    40 + 10 * 8, 40 + 15 * 8, 40 + 0 * 8,  40 + 1 * 8,  40 + 2 * 8,  40 + 3 * 8,
    40 + 4 * 8,  40 + 5 * 8,  40 + 6 * 8,  40 + 7 * 8,  40 + 16 * 8,
};

bool arch_ticks_invariant(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

uint64_t arch_ticks_hz(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_max(0, NULL) >= 0x15) {
        __cpuid(0x15, a, b, c, d);
        if (a != 0 && b != 0 && c != 0)
            return (uint64_t)c * b / a;
    }
    /* Hypervisors that follow VMware's convention give the rate in kHz. */
    __cpuid(1, a, b, c, d);
    if ((c & 1u << 31) != 0) {
        __cpuid(0x40000000, a, b, c, d);
        if (a >= 0x40000010) {
            __cpuid(0x40000010, a, b, c, d);
            return (uint64_t)a * 1000;
        }
    }
    return 0;
}

#endif
