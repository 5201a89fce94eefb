/* SPDX-License-Identifier: MIT */
/*
 * Coroutines that take turns by swapcontext in the midst of their calls: even ones on stacks from
 * malloc, odd ones on stacks from mmap. Each goes down to a depth of its own, in every frame
 * allocates, yields, and frees. A block has 1000 * ENTRY + DEPTH bytes, ENTRY 1 for `even`, 2 for
 * `odd`: so that its call chain is known. Prints "SIZE COUNT" of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define COROUTINES 20
#define STACK      65536
#define ROUNDS     200
#define DEEPEST    12

static ucontext_t home, context[COROUTINES];
static int current, alive[COROUTINES];
static unsigned long made[3][DEEPEST + 1];

static void yield(void) {
    swapcontext(&context[current], &home);
}

static void descend(int entry, int depth, int deepest) {
    void *volatile p = malloc(1000 * (size_t)entry + (size_t)depth);
    made[entry][depth]++;
    yield();
    if (depth < deepest)
        descend(entry, depth + 1, deepest);
    yield();
    free(p);
}

static void even(void) {
    for (int i = 0; i < ROUNDS; i++)
        descend(1, 1, 1 + (current + i) % DEEPEST);
    alive[current] = 0;
}

static void odd(void) {
    for (int i = 0; i < ROUNDS; i++)
        descend(2, 1, 1 + (current + i) % DEEPEST);
    alive[current] = 0;
}

static void *new_stack(int from_heap) {
    void *p = from_heap
                  ? malloc(STACK)
                  : mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == NULL || p == MAP_FAILED)
        exit(3);
    return p;
}

int main(void) {
    for (int i = 0; i < COROUTINES; i++) {
        if (getcontext(&context[i]) != 0)
            return 2;
        context[i].uc_stack.ss_sp = new_stack(i % 2 == 0);
        context[i].uc_stack.ss_size = STACK;
        context[i].uc_link = &home;
        makecontext(&context[i], i % 2 == 0 ? even : odd, 0);
        alive[i] = 1;
    }
    for (int left = COROUTINES; left > 0;) {
        left = 0;
        for (current = 0; current < COROUTINES; current++) {
            if (!alive[current])
                continue;
            left++;
            swapcontext(&home, &context[current]);
        }
    }
    for (int entry = 1; entry <= 2; entry++)
        for (int depth = 1; depth <= DEEPEST; depth++)
            printf("%d %lu\n", 1000 * entry + depth, made[entry][depth]);
    return 0;
}
