/* SPDX-License-Identifier: MIT */
/*
 * no_clock call|number|fork|thread: forbids itself to read the time-stamp counter, by prctl or by
 * syscall, and allocates on: itself, in a forked child, in a thread. Any rdtsc is SIGSEGV then.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *allocate(void *unused) {
    for (int i = 0; i < 20000; i++) {
        void *volatile p = malloc(77);
        free(p);
    }
    return unused;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    int status = 0;
    if (strcmp(how, "number") == 0)
        syscall(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    else
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    if (strcmp(how, "fork") == 0) {
        if (fork() == 0) {
            allocate(NULL);
            _exit(0);
        }
        wait(&status);
    } else if (strcmp(how, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, allocate, NULL);
        pthread_join(thread, NULL);
    } else {
        allocate(NULL);
    }
    return status != 0;
}
