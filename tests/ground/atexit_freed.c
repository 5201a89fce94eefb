/* SPDX-License-Identifier: MIT */
/* Blocks that a handler of atexit() and a destructor of the program free. */
#include "ground.h"

static void *volatile early;
static void *volatile late;

ALLOCATES(freed_by_handler)
ALLOCATES(freed_by_destructor)

static void handler(void) {
    ground_free(early);
}
static void __attribute__((destructor)) destructor(void) {
    ground_free(late);
}

int main(void) {
    atexit(handler);
    early = freed_by_handler(100);
    late = freed_by_destructor(200);
    return 0;
}
