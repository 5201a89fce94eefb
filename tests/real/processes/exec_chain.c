/* SPDX-License-Identifier: MIT */
/* exec_chain N [OTHER]: replaces itself N times by itself, then once by OTHER if given. */
#include <string.h>

#include "own.h"

int main(int argc, char **argv) {
    unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, pairs = 1000 + n;
    char next[24];
    own_pairs(pairs);
    own_note(pairs);
    printf("%lu\n", n);
    fflush(stdout);
    snprintf(next, sizeof next, "%lu", n - 1);
    if (n > 0)
        execv("/proc/self/exe", (char *[]){argv[0], next, argc > 2 ? argv[2] : NULL, NULL});
    if (argc > 2)
        execl(argv[2], argv[2], "0", (char *)NULL);
    return 17;
}
