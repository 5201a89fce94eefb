/* SPDX-License-Identifier: MIT */
/*
 * Code that a program makes at run time: no call frame information, but frame pointers. Its
 * functions call each other and C functions, which call them in turn; now and then all of them are
 * thrown away and others, with other frames, are put in their place.
 *
 *   jit ALLOCATIONS           calls as above
 *   jit ALLOCATIONS wild      rbp holds anything: numbers, addresses off the stack and beyond its
 *                             end, odd ones. Stacks end there; nothing may fault.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define FUNCTIONS 64
#define BYTES     64

static unsigned char *code;
static long wanted, made;
static unsigned long random_state = 1;

static unsigned long some(unsigned long below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

__attribute__((noinline)) static void allocate(void) {
    void *volatile p = malloc(some(100) + 1);
    free(p);
    made++;
}

static void call(unsigned function, long depth) {
    void (*f)(long);
    unsigned char *at = code + (size_t)function * BYTES;
    memcpy(&f, &at, sizeof f);
    f(depth);
}

__attribute__((noinline)) static void enter(long depth) {
    volatile char room[40];
    room[0] = (char)depth;
    allocate();
    for (unsigned n = depth > 0 ? (unsigned)some(3) : 0; n > 0; n--)
        call((unsigned)some(FUNCTIONS), depth - 1);
    if (some(4) == 0)
        allocate();
    room[1] = room[0];
}

/* push rbp; mov rbp, rsp; sub rsp, FRAME; mov rax, TARGET; call rax; leave; ret */
static void emit(unsigned function) {
    static const unsigned char text[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0, 0,
                                         0,    0,    0x48, 0xb8, 0,    0,    0,    0, 0,
                                         0,    0,    0,    0xff, 0xd0, 0xc9, 0xc3};
    unsigned char *at = code + (size_t)function * BYTES;
    uint32_t frame = (uint32_t)some(30) * 16;
    uint64_t target = (uint64_t)enter;
    /* every third calls one of its kind, with a higher number: no circle without C in it */
    if (function % 3 == 0 && function + 1 < FUNCTIONS)
        target = (uint64_t)(code + (function + 1 + some(FUNCTIONS - function - 1)) * BYTES);
    memcpy(at, text, sizeof text);
    memcpy(at + 7, &frame, sizeof frame);
    memcpy(at + 13, &target, sizeof target);
}

static void emit_all(void) {
    size_t bytes = (size_t)FUNCTIONS * BYTES;
    if (code != NULL)
        munmap(code, bytes);
    code =
        mmap(code, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        exit(3);
    for (unsigned i = 0; i < FUNCTIONS; i++)
        emit(i);
}

/* push rbp; mov rbp, VALUE; mov rax, allocate; call rax; pop rbp; ret: a frame pointer that is no
 * use to anybody. */
static void wild(uint64_t value) {
    static const unsigned char text[] = {0x55, 0x48, 0xbd, 0,    0,    0,    0,   0, 0,
                                         0,    0,    0x48, 0xb8, 0,    0,    0,   0, 0,
                                         0,    0,    0,    0xff, 0xd0, 0x5d, 0xc3};
    uint64_t target = (uint64_t)allocate;
    memcpy(code, text, sizeof text);
    memcpy(code + 3, &value, sizeof value);
    memcpy(code + 13, &target, sizeof target);
    call(0, 0);
}

static ucontext_t home, context;
static char *stack;
static size_t size;

static void wild_coroutine(void) {
    uint64_t end = (uint64_t)(stack + size);
    for (int64_t off = -600; off <= 0x5000; off += 8 * (1 + (int64_t)some(40)))
        wild(end + (uint64_t)off - some(2) * some(8));
    for (int i = 0; i < 20; i++)
        wild((uint64_t)some(1 << 30) << some(34));
    wild(UINT64_MAX - some(64));
}

/* On a stack that is unmapped and mapped anew at the same place, smaller or larger: behind its end
 * lies what may not be read. */
static void run_wild(int turn) {
    enum { ROOM = 1 << 16 };
    if (stack == NULL)
        stack = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size = ROOM >> (1 + turn % 3);
    if (mmap(stack, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != stack ||
        mprotect(stack, size, PROT_READ | PROT_WRITE) != 0)
        exit(3);
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = &home;
    makecontext(&context, wild_coroutine, 0);
    swapcontext(&home, &context);
}

int main(int argc, char **argv) {
    wanted = argc > 1 ? atol(argv[1]) : 1000;
    emit_all();
    for (int turn = 0; made < wanted; turn++) {
        if (argc > 2) {
            run_wild(turn);
            continue;
        }
        if (turn % 100 == 99)
            emit_all();
        enter(9);
    }
    printf("%ld\n", made);
    return 0;
}
