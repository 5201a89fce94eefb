/* SPDX-License-Identifier: MIT */
/* Threads, a forked child with a thread, deep and shallow stacks: a little of everything, few
 * enough events that no buffer has to wait. */
#include <pthread.h>
#include <sys/wait.h>

#include "own.h"

enum { THREADS = 3, PAIRS = 1000 };

__attribute__((noinline)) static void at_depth(int depth, unsigned long pairs) {
    if (depth > 0)
        at_depth(depth - 1, pairs);
    else
        own_pairs(pairs);
    __asm__ volatile("");
}

static void *work(void *unused) {
    for (int i = 0; i < PAIRS / 10; i++)
        at_depth(i % 40, 10);
    return unused;
}

static void work_in_threads(int count) {
    pthread_t thread[THREADS];
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, work, NULL) != 0)
            abort();
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

int main(void) {
    work(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        work(NULL);
        work_in_threads(1);
        own_note(2 * PAIRS);
        return 5;
    }
    int status = 0;
    work_in_threads(THREADS);
    waitpid(pid, &status, 0);
    own_note((THREADS + 1) * PAIRS);
    printf("child: %d\n", WEXITSTATUS(status));
    return 6;
}
