/* SPDX-License-Identifier: MIT */
/* Every function of heaptape.h, in C and in C++; prints whether the recorder is there, and what a
 * test has lost. */
#include <heaptape/heaptape.h>
#include <stdio.h>
#include <stdlib.h>

static void *volatile kept;

int main(void) {
    static char pool[64];
    heaptape_mark("a mark");
    heaptape_stop();
    heaptape_start();
    heaptape_leak_check("a look");
    heaptape_test_begin("a test");
    kept = malloc(24);
    kept = malloc(40);
    heaptape_ignore(kept);
    kept = NULL;
    heaptape_pool_alloc(pool, 16);
    heaptape_pool_free(pool);
    heaptape_iteration("a loop");
    size_t lost = heaptape_test_end();
    printf("%d %d\n", heaptape_active(), (int)lost);
    return 0;
}
