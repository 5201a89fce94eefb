/* SPDX-License-Identifier: MIT */
/*
 * Two threads at the end: enders watchdog|race. Watchdog: a thread that sleeps would print and end
 * the process with another status if it came back. Race: four threads end it at once.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *watchdog(void *unused) {
    sleep(10);
    puts("TIMEOUT");
    fflush(stdout);
    _exit(7);
    return unused;
}

static void *end(void *unused) {
    usleep(30000);
    _exit(0);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t thread;
    if (argc != 2)
        return 2;
    free(malloc(100));
    if (strcmp(argv[1], "race") == 0) {
        for (int i = 0; i < 4; i++)
            pthread_create(&thread, NULL, end, NULL);
        pause();
    }
    pthread_create(&thread, NULL, watchdog, NULL);
    usleep(20000);
    puts("ok");
    return 0;
}
