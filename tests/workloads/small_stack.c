/* SPDX-License-Identifier: MIT */
/* How much of its caller's stack a hook uses: paints a thread's stack and a signal stack, makes
 * every kind of call there, often enough that buffers are written out in between, and prints the
 * greatest depth reached below the caller. Run bare and recorded, the difference is the hooks'. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK 65536
#define PAINT 0xa5

static void *volatile keep;

/* Paints what lies below the caller. A loop of its own: memset would use the stack it paints. */
static void paint(unsigned char *stack) {
    volatile unsigned char *top = (unsigned char *)__builtin_frame_address(0) - 256;
    for (volatile unsigned char *p = stack; p < top; p++)
        *p = PAINT;
}

/* The calls, with the address of this frame so that the rest of the stack does not count. */
static void calls(unsigned char *stack, uintptr_t *frame) {
    *frame = (uintptr_t)__builtin_frame_address(0);
    for (int i = 0; i < 5000; i++) {
        if (i == 100) /* the allocator has made what a new thread needs */
            paint(stack);
        void *p = malloc((size_t)(i % 200));
        p = realloc(p, (size_t)(i % 300 + 1));
        free(p);
        keep = calloc(1, (size_t)(i % 100));
        free(keep);
        if (posix_memalign((void **)&keep, 64, 100) == 0)
            free(keep);
    }
}

static size_t used_below(const unsigned char *stack, uintptr_t frame) {
    size_t i = 0;
    while (i < STACK && stack[i] == PAINT)
        i++;
    return (size_t)(frame - (uintptr_t)(stack + i));
}

static uintptr_t thread_frame, signal_frame;
static unsigned char *thread_stack, *signal_stack;

static void *thread(void *unused) {
    calls(thread_stack, &thread_frame);
    return unused;
}

static void handler(int signal) {
    (void)signal;
    calls(signal_stack, &signal_frame);
}

static unsigned char *new_stack(void) {
    unsigned char *p =
        mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(3);
    return p;
}

int main(void) {
    thread_stack = new_stack();
    signal_stack = new_stack();
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, thread_stack, STACK);
    if (pthread_create(&t, &attr, thread, NULL) != 0 || pthread_join(t, NULL) != 0)
        return 2;

    stack_t alternative = {.ss_sp = signal_stack, .ss_size = STACK};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternative, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);

    printf("thread %zu\nsignal %zu\n", used_below(thread_stack, thread_frame),
           used_below(signal_stack, signal_frame));
    return 0;
}
