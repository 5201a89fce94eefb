/* SPDX-License-Identifier: MIT */
/*
 * Blocks that only the allocator's own lists lead to, and blocks that were freed. Prints the first
 * as "leaked ADDRESS" lines: next to each lies a free one of a bin.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 100

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    uintptr_t inverted[BLOCKS];
    /* Free chunks in between, of sizes for the small bins and the large ones. */
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *hole = malloc(1100 + i * 64);
        inverted[i] = ~(uintptr_t)malloc(24);
        free(hole);
    }
    free(malloc(100000)); /* sorts them into their bins */
    for (unsigned i = 0; i < BLOCKS; i++)
        printf("leaked %lx\n", (unsigned long)~inverted[i]);
    return 0;
}
