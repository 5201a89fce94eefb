/* SPDX-License-Identifier: MIT */
/*
 * Calls the malloc family with a stack that is off by 8, as assembly and old compilers' code do:
 * the ABI does not allow it, and glibc does not mind. Prints the sum of what the blocks held.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* fn(a, b, c) with 8 modulo 16 where the ABI has 0. */
static uint64_t call(void *fn, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t result;
    __asm__ volatile("push %%rbx\n\t"
                     ".cfi_adjust_cfa_offset 8\n\t"
                     "mov %%rsp, %%rbx\n\t"
                     "and $-16, %%rsp\n\t"
                     "sub $8, %%rsp\n\t"
                     "call *%4\n\t"
                     "mov %%rbx, %%rsp\n\t"
                     "pop %%rbx\n\t"
                     ".cfi_adjust_cfa_offset -8"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                     : "r"(fn)
                     : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

int main(void) {
    uint64_t sum = 0;
    for (unsigned i = 1; i <= 20000; i++) {
        char *p = (char *)call((void *)malloc, i % 700 + 1, 0, 0);
        p[0] = (char)i;
        p = (char *)call((void *)realloc, (uint64_t)p, i % 3000 + 1, 0);
        sum += (unsigned char)p[0];
        call((void *)free, (uint64_t)p, 0, 0);
        p = (char *)call((void *)calloc, i % 7 + 1, 9, 0);
        sum += (unsigned char)p[8];
        call((void *)free, (uint64_t)p, 0, 0);
        void *q = NULL;
        sum += call((void *)posix_memalign, (uint64_t)&q, 64, i % 99);
        sum += (uintptr_t)q % 64;
        call((void *)free, (uint64_t)q, 0, 0);
        p = (char *)call((void *)aligned_alloc, 128, 256, 0);
        sum += (uintptr_t)p % 128;
        call((void *)free, (uint64_t)p, 0, 0);
    }
    printf("%lu\n", (unsigned long)sum);
    return 0;
}
