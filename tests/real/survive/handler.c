/* SPDX-License-Identifier: MIT */
/* A timer whose handler makes failing allocations, which touch no heap, at any point of a hook. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static volatile unsigned long handled;

static void on_timer(int signal) {
    int saved = errno;
    (void)signal;
    for (unsigned long n = handled++ % 5 + 1; n > 0; n--) {
        void *volatile p = malloc(SIZE_MAX);
        (void)p;
    }
    errno = saved;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec every = {{0, 15000}, {0, 15000}};
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &every, NULL);
    while (handled < 100000)
        for (int i = 0; i < 1000; i++) {
            void *volatile p = malloc(16);
            free(p);
        }
    puts("ok");
    return 0;
}
