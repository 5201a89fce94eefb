// SPDX-License-Identifier: MIT
/* For daemons.py and timer.py: allocates for ever, from the same and from changing places; from a
 * handler of a timer. */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

/* Several threads are here at a time. */
static void one(size_t n) {
    void *volatile kept = malloc(n);
    free(kept);
}

static void two(size_t n) {
    one(n + 1);
}

void work(void) {
    for (size_t i = 0;; i++)
        (i % 3 == 0 ? one : two)(100 + i % 100);
}

static volatile sig_atomic_t count;

static void handler(int unused) {
    (void)unused;
    /* malloc is not for handlers: what the recorder does with the stack is asked for here. */
    count++;
    two(5000000);
}

/* How often the handler ran. */
int timer(int microseconds) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &(struct itimerval){{0, microseconds}, {0, microseconds}}, NULL);
    return count;
}
