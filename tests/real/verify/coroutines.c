/* SPDX-License-Identifier: MIT */
/*
 * Coroutines on stacks that are unmapped when one ends, and mapped anew for the next: at the same
 * address, with the same size or another, or elsewhere. Two threads take turns, so that a
 * coroutine is begun by one and resumed by the other. Signals reach them in the midst of their
 * calls, on their own stack and on another, and some leave by longjmp.
 *
 *   coroutines ALLOCATIONS
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define COROUTINES 16
#define UNIT       16384

static struct coroutine {
    ucontext_t context;
    char *stack;
    size_t size;
    jmp_buf way_out;
    int live;
} all[COROUTINES], *current;

static ucontext_t home; /* of the thread whose turn it is */
static long wanted, made, remapped;
static unsigned long random_state = 1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int whose;

static unsigned long some(unsigned long below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

__attribute__((noinline)) static void allocate(size_t size) {
    void *volatile p = malloc(size + 1);
    free(p);
    made++;
}

static void on_signal(int signal) {
    allocate((size_t)signal);
}

__attribute__((noinline)) static long work(int depth, long x) {
    volatile char *room = alloca(some(2) * 64 + 8); /* states that come again, below other frames */
    room[0] = (char)x;
    allocate((size_t)(x & 127));
    switch (some(40)) {
    case 0:
        raise(SIGUSR1);
        break;
    case 1:
        raise(SIGUSR2);
        break;
    case 2:
        longjmp(current->way_out, 1);
    case 3:
    case 4:
    case 5:
    case 6:
        swapcontext(&current->context, &home);
        break;
    }
    if (depth > 0) {
        x += work(depth - 1, x + 1);
        if (some(2) == 0)
            allocate((size_t)(x & 63));
        if (some(3) == 0)
            x += work(depth - 1, x * 3);
    }
    return x + room[0];
}

__attribute__((noinline)) static void realigned(void) {
    _Alignas(64) volatile char room[64];
    room[0] = 1;
    work((int)some(8), room[0]);
}

static void begin(void) {
    struct coroutine *self = current;
    if (setjmp(self->way_out) == 0)
        realigned();
    allocate(5);
    self->live = 0; /* uc_link leads home, and is that of the thread whose turn it is then */
    setcontext(&home);
}

static void new_stack(struct coroutine *c) {
    char *where = c->stack;
    if (c->stack != NULL) {
        munmap(c->stack, c->size);
        remapped++;
        if (some(3) == 0)
            where = NULL; /* wherever there is room */
    }
    c->size = (some(4) + 1) * UNIT;
    c->stack = mmap(where, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->stack == MAP_FAILED)
        exit(3);
}

static void one_turn(void) {
    for (int i = 0; i < COROUTINES; i++) {
        struct coroutine *c = current = &all[i];
        if (!c->live) {
            new_stack(c);
            getcontext(&c->context);
            c->context.uc_stack.ss_sp = c->stack;
            c->context.uc_stack.ss_size = c->size;
            c->context.uc_link = NULL;
            makecontext(&c->context, begin, 0);
            c->live = 1;
        }
        swapcontext(&home, &c->context);
        allocate(3);
    }
}

static void *turns(void *argument) {
    int self = argument != NULL;
    stack_t stack = {.ss_sp = malloc(1 << 20), .ss_size = 1 << 20}; /* libunwind needs much */
    sigaltstack(&stack, NULL);
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (whose != self)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        int more = made < wanted;
        if (more)
            one_turn();
        pthread_mutex_lock(&mutex);
        whose = !self;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&mutex);
        if (!more)
            return NULL;
    }
}

int main(int argc, char **argv) {
    wanted = argc > 1 ? atol(argv[1]) : 1000;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR2, &action, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, turns, all) != 0)
        return 2;
    turns(NULL);
    pthread_join(thread, NULL);
    printf("%ld\n", remapped);
    return 0;
}
