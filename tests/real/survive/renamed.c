/* SPDX-License-Identifier: MIT */
/* A thread that takes one name after another, while a timer's handler allocates: prints how often.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile long handled;

static void handle(int signal) {
    (void)signal;
    void *volatile p = malloc(4242);
    handled++;
    free(p);
}

int main(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 50000 || handled < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %d", i);
        pthread_setname_np(pthread_self(), name);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%ld\n", handled);
    return 0;
}
