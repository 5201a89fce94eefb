/* SPDX-License-Identifier: MIT */
/*
 * Each thread allocates once, counts that, and starts the next one, while main sleeps and then
 * exits: at whatever instant the recording ends, some thread is just beginning. The count lies in
 * memory that outlives the process, whose parent prints it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_long *count;

static void *run(void *unused) {
    void *volatile p = malloc(4242);
    atomic_fetch_add(count, 1);
    free(p);
    pthread_attr_t detached;
    pthread_t next;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_create(&next, &detached, run, NULL);
    return unused;
}

int main(void) {
    int status;
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        run(NULL);
        usleep(5000);
        exit(0);
    }
    waitpid(child, &status, 0);
    printf("%d %ld %d\n", (int)child, atomic_load(count), status);
    return 0;
}
