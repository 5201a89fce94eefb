/* SPDX-License-Identifier: MIT */
/*
 * Short threads, one after another: brief THREADS. Each makes a block of 333 bytes, resizes it to
 * 444 and frees it. Prints "RESIDENT_KIB MAPPINGS" of itself after a tenth of them and at the end.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

static void *work(void *unused) {
    free(realloc(malloc(333), 444));
    return unused;
}

int main(int argc, char **argv) {
    long threads = argc > 1 ? atol(argv[1]) : 100;
    for (long i = 1; i <= threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) != 0 || pthread_join(thread, NULL) != 0)
            return 2;
        if (i == threads / 10 || i == threads)
            printf("%ld %ld\n", resident_kib(), lines_of("/proc/self/maps"));
    }
    return 0;
}
