/* SPDX-License-Identifier: MIT */
/* Everything is freed, on the way and at the end. */
#include "ground.h"

static void *volatile held[100];

ALLOCATES(freed)

int main(void) {
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 100; i++)
            held[i] = freed(1 + 37 * i);
        for (size_t i = 0; i < 100; i++)
            ground_free(held[i]);
    }
    return 0;
}
