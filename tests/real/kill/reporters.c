/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate and free without end: reporters THREADS. Each call is reported on
 * descriptor 3 once it is complete, "TID OP ADDRESS SIZE", by a raw write to a pipe, so that no
 * report is lost when the process is killed. Ahead of them each thread says where its stack is:
 * "TID stack LOW BYTES".
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_BELOW 65536 /* what a thread may use of its stack below its first frame */
#define STACK_ABOVE 16384

static void report(int tid, const char *op, uintptr_t p, size_t size) {
    char line[96];
    int n = snprintf(line, sizeof line, "%d %s 0x%lx %zu\n", tid, op, (unsigned long)p, size);
    if (write(3, line, (size_t)n) != n)
        _exit(3);
}

static void *work(void *number) {
    void *block[61] = {0};
    int tid = gettid();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    report(tid, "stack", here - STACK_BELOW, STACK_BELOW + STACK_ABOVE);
    for (unsigned long i = (unsigned long)number;; i++) {
        unsigned slot = (unsigned)(i * 7 % 61);
        size_t size = 1 + i * 31 % 700;
        uintptr_t old = (uintptr_t)block[slot];
        if (old != 0) {
            free(block[slot]);
            report(tid, "free", old, 0);
        }
        block[slot] = malloc(size);
        report(tid, "malloc", (uintptr_t)block[slot], size);
    }
    return number;
}

int main(int argc, char **argv) {
    long threads = argc == 2 ? atol(argv[1]) : 0;
    if (threads < 1)
        return 2;
    for (long i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)(i * 1000)) != 0)
            return 4;
    }
    work(NULL);
    return 0;
}
