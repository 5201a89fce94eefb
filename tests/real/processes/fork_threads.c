/* SPDX-License-Identifier: MIT */
/* Forks 60 children while three threads allocate; every second child works on with a thread and a
 * child of its own. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "own.h"

enum { THREADS = 3, CHILDREN = 60 };

static atomic_bool stop;

static void *until_stopped(void *unused) {
    unsigned long pairs = 0;
    (void)unused;
    for (; !atomic_load(&stop); pairs += 50) {
        own_pairs(50);
        usleep(300);
    }
    return (void *)pairs;
}

static void *thousand(void *unused) {
    own_pairs(1000);
    return unused;
}

static void child(int number) {
    own_pairs(100);
    if (number % 2 == 0) {
        own_note(100);
        _exit(number);
    }
    pthread_t thread;
    pthread_create(&thread, NULL, thousand, NULL);
    pid_t grandchild = fork();
    if (grandchild == 0) {
        own_pairs(200);
        own_note(200);
        exit(0);
    }
    int status;
    waitpid(grandchild, &status, 0);
    pthread_join(thread, NULL);
    own_pairs(50);
    own_note(1150);
    exit(status == 0 ? number : 255);
}

int main(void) {
    pthread_t threads[THREADS];
    unsigned long pairs = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, until_stopped, NULL);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(i);
        own_pairs(100);
        pairs += 100;
        int status;
        waitpid(pid, &status, 0);
        printf("child %d: %d\n", i, WEXITSTATUS(status));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        pairs += (unsigned long)result;
    }
    own_note(pairs);
    return 0;
}
