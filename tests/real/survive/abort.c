/* SPDX-License-Identifier: MIT */
/* Survives its own abort(): the recording has been ended, and a million allocations follow. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf back;

static void on_abort(int signal) {
    (void)signal;
    siglongjmp(back, 1);
}

int main(void) {
    static void *block[1000];
    signal(SIGABRT, on_abort);
    if (sigsetjmp(back, 1) == 0)
        abort();
    for (int i = 0; i < 1000000; i++) {
        int k = rand() % 1000;
        free(block[k]);
        block[k] = malloc((size_t)(rand() % 3000));
    }
    puts("went on");
    return 0;
}
