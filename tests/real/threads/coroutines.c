/* SPDX-License-Identifier: MIT */
/*
 * Coroutines that take turns by swapcontext in the midst of their calls: some on stacks from
 * malloc, some on stacks from mmap. Each goes down to a depth of its own, in every frame allocates,
 * yields now and then, and frees; when it has ended, another begins on its stack, by `even` and
 * `odd` in turn. A block has 1000 * ENTRY + DEPTH bytes, ENTRY 1 for `even`, 2 for `odd`: so that
 * its call chain is known. Prints "SIZE COUNT" of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define COROUTINES 20
#define STACK      65536
#define TURNS      200
#define DEEPEST    12

static ucontext_t home, context[COROUTINES];
static int current, turn[COROUTINES], ended;
static void *stack[COROUTINES];
static unsigned long made[3][DEEPEST + 1];

static void yield(void) {
    static int calls;
    if (++calls % 3 != 0)
        return;
    ended = 0;
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
    descend(1, 1, 1 + (current + turn[current] / 2) % DEEPEST);
}

static void odd(void) {
    descend(2, 1, 1 + (current + turn[current] / 2) % DEEPEST);
}

static void *new_stack(int from_heap) {
    void *p = from_heap
                  ? malloc(STACK)
                  : mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == NULL || p == MAP_FAILED)
        exit(3);
    return p;
}

/* The coroutine's next turn, on the stack of the last one. */
static int begin(int i) {
    if (getcontext(&context[i]) != 0)
        return 0;
    context[i].uc_stack.ss_sp = stack[i];
    context[i].uc_stack.ss_size = STACK;
    context[i].uc_link = &home;
    makecontext(&context[i], (i + ++turn[i]) % 2 == 0 ? even : odd, 0);
    return 1;
}

int main(void) {
    for (int i = 0; i < COROUTINES; i++) {
        stack[i] = new_stack(i % 2 == 0);
        if (!begin(i))
            return 2;
    }
    for (int left = COROUTINES; left > 0;) {
        left = 0;
        for (current = 0; current < COROUTINES; current++) {
            ended = 1; /* the next turn follows at once: nothing else has run in between */
            while (ended && turn[current] <= TURNS) {
                swapcontext(&home, &context[current]);
                if (ended && !begin(current))
                    return 2;
            }
            left += !ended;
        }
    }
    for (int entry = 1; entry <= 2; entry++)
        for (int depth = 1; depth <= DEEPEST; depth++)
            printf("%d %lu\n", 1000 * entry + depth, made[entry][depth]);
    return 0;
}
