/* SPDX-License-Identifier: MIT */
/*
 * resolve FILE: reads addresses (hexadecimal) and prints for each what the symbolizer says,
 * innermost first: "function|file|line" each, "??|??|0" for nothing, then an empty line, as
 * llvm-symbolizer does. For comparisons.
 */
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv) {
    struct symbols *s = symbols_new(false);
    struct symbol found[SYMBOLS_INLINED_MAX];
    uint64_t address;
    if (argc != 2 || s == NULL)
        return 2;
    while (scanf("%" SCNx64, &address) == 1) {
        size_t n = symbols_frames(s, argv[1], NULL, 0, address, found, SYMBOLS_INLINED_MAX);
        for (size_t i = 0; i < n; i++)
            printf("%s|%s|%u\n", found[i].linkage != NULL ? found[i].linkage : "??",
                   found[i].file != NULL ? found[i].file : "??", found[i].line);
        puts(n == 0 ? "??|??|0\n" : "");
    }
    symbols_free(s);
    return 0;
}
