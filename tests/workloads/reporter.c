/* SPDX-License-Identifier: MIT */
/* Allocates and frees without end, and reports each call on descriptor 3 once it is complete:
 * "OP ADDRESS SIZE". Reports are raw writes to a pipe, so none is lost when the process is
 * killed. Runs until then, or for the number of calls given. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void report(const char *op, uintptr_t p, size_t size) {
    char line[64];
    int n = snprintf(line, sizeof line, "%s 0x%lx %zu\n", op, (unsigned long)p, size);
    if (write(3, line, (size_t)n) != n)
        _exit(3);
}

int main(int argc, char **argv) {
    void *block[61] = {0};
    unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    for (unsigned long i = 0; calls == 0 || i < calls; i++) {
        unsigned slot = (unsigned)(i * 7 % 61);
        size_t size = 1 + i * 31 % 700;
        uintptr_t old = (uintptr_t)block[slot];
        if (old != 0) {
            free(block[slot]);
            report("free", old, 0);
        }
        block[slot] = malloc(size);
        report("malloc", (uintptr_t)block[slot], size);
    }
    return 0;
}
