/* SPDX-License-Identifier: MIT */
/*
 * Six threads fork a hundred children each, at the same time. A child frees what its thread had
 * allocated before the fork; the parent frees the same behind it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 6, FORKS = 100, BLOCKS = 50 };

static void *run(void *unused) {
    for (int i = 0; i < FORKS; i++) {
        void *block[BLOCKS];
        int status;
        for (int k = 0; k < BLOCKS; k++)
            block[k] = malloc(1000 + (size_t)k);
        pid_t child = fork();
        for (int k = 0; k < BLOCKS; k++)
            free(block[k]);
        if (child == 0)
            _exit(0);
        if (waitpid(child, &status, 0) != child || status != 0)
            printf("child: status %x\n", (unsigned)status);
    }
    return unused;
}

int main(void) {
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, run, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
