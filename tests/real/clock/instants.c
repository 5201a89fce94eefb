/* SPDX-License-Identifier: MIT */
/*
 * Blocks that live for a while, and what the clock said: instants COUNT [threads]. Block i is of
 * 10,000,000 + i bytes, and its line says, in nanoseconds of CLOCK_MONOTONIC:
 *
 *   BYTES EARLIEST BEFORE AFTER  LIVE  EARLIEST BEFORE AFTER  GONE
 *
 * The first three are of its allocation: when the kernel's coarse clock had last moved, and the
 * time before and after the call; then an instant at which the block was live; the same three of
 * its release, and an instant at which it was gone. Between a call and an instant lie 30 ms at
 * least, by the coarse clock too. "before" and "after" a block are marked.
 *
 * With `threads` another thread has blocks of its own all the while.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heaptape/heaptape.h"

enum { APART = 30 * 1000 * 1000 };

static atomic_bool ended;

static uint64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void wait_apart(void) {
    uint64_t start = now(CLOCK_MONOTONIC);
    while (now(CLOCK_MONOTONIC_COARSE) < start + APART)
        usleep(1000);
}

/* The instant is returned when both clocks have left it behind. */
static uint64_t instant(void) {
    wait_apart();
    uint64_t at = now(CLOCK_MONOTONIC);
    wait_apart();
    return at;
}

/* Takes the stamp that a coarse clock would give to the call that follows, which is 10 us later. */
static void short_block(void) {
    void *volatile p = malloc(100);
    free(p);
    uint64_t start = now(CLOCK_MONOTONIC);
    while (now(CLOCK_MONOTONIC) < start + 10000)
        continue;
}

static void *other_thread(void *unused) {
    while (!ended) {
        short_block();
        usleep(500);
    }
    return unused;
}

int main(int argc, char **argv) {
    static char output[1 << 16];
    setvbuf(stdout, output, _IOFBF, sizeof output);
    pthread_t thread;
    if (argc < 2)
        return 2;
    if (argc == 3 && pthread_create(&thread, NULL, other_thread, NULL) != 0)
        return 2;
    for (size_t i = 0; i < strtoul(argv[1], NULL, 10); i++) {
        uint64_t t[8];
        heaptape_mark("before");
        instant();
        t[0] = now(CLOCK_MONOTONIC_COARSE);
        short_block();
        t[1] = now(CLOCK_MONOTONIC);
        void *volatile p = malloc(10000000 + i);
        t[2] = now(CLOCK_MONOTONIC);
        t[3] = instant();
        t[4] = now(CLOCK_MONOTONIC_COARSE);
        short_block();
        t[5] = now(CLOCK_MONOTONIC);
        free(p);
        t[6] = now(CLOCK_MONOTONIC);
        t[7] = instant();
        heaptape_mark("after");
        printf("%zu", 10000000 + i);
        for (int n = 0; n < 8; n++)
            printf(" %llu", (unsigned long long)t[n]);
        printf("\n");
    }
    ended = true;
    if (argc == 3)
        pthread_join(thread, NULL);
    return 0;
}
