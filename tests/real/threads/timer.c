/* SPDX-License-Identifier: MIT */
/*
 * A timer every 50 us whose handler allocates and frees, at any point of what main does: almost
 * always inside a hook. Sizes tell the call chains apart: 17, 18, 19 in one, two, three; 40 in the
 * handler. Prints "BLOCKS_OF_MAIN BLOCKS_OF_THE_HANDLER". Wants an allocator that is safe in a
 * signal handler: slots.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long handler_blocks;
static volatile unsigned long handled;
static void *volatile sink;

static void inner(void) {
    void *volatile p = malloc(40);
    handler_blocks++;
    free(p);
}

static void on_timer(int signal) {
    int saved = errno;
    (void)signal;
    inner();
    handled++;
    errno = saved;
}

static void three(void) {
    void *volatile p = malloc(19);
    sink = p;
    free(p);
}

static void two(void) {
    void *volatile p = malloc(18);
    three();
    free(p);
}

static void one(void) {
    void *volatile p = malloc(17);
    two();
    free(p);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec every = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000, blocks = 0;
    timer_t timer;
    sigaction(SIGALRM, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return 2;
    timer_settime(timer, 0, &every, NULL);
    while (handled < wanted) {
        one();
        blocks += 3;
    }
    timer_settime(timer, 0, &never, NULL);
    printf("%lu %lu\n", blocks, handler_blocks);
    return 0;
}
