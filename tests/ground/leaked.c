/* SPDX-License-Identifier: MIT */
/* Nothing points to it: blocks of malloc, calloc and realloc, three from one place, empty ones. */
#include "ground.h"

static void *(*volatile call_calloc)(size_t, size_t) = calloc;
static void *(*volatile call_realloc)(void *, size_t) = realloc;
static uintptr_t volatile sink;

ALLOCATES(by_malloc)
ALLOCATES(thrice)
ALLOCATES(empty)

static APART void by_calloc(void) {
    sink = hidden(call_calloc(20, 10));
}
static APART void by_realloc(void) {
    sink = hidden(call_realloc(NULL, 300));
}

static APART void make(void) {
    sink = hidden(by_malloc(100));
    for (int i = 0; i < 3; i++)
        sink = hidden(thrice(50));
    by_calloc();
    by_realloc();
    sink = hidden(empty(0));
}

int main(void) {
    expect("definite", 100, 1, "by_malloc");
    expect("definite", 150, 3, "thrice");
    expect("definite", 200, 1, "by_calloc");
    expect("definite", 300, 1, "by_realloc");
    expect("definite", 0, 1, "empty");
    make();
    wipe();
    return 0;
}
