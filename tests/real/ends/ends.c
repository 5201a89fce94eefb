/* SPDX-License-Identifier: MIT */
/*
 * A program for every way to end: ends WAY TALLY [PLUGIN]. It allocates and frees, counts what is
 * complete in the file TALLY, and ends in the way named. `ends show TALLY` prints the counts,
 * "SIZE MALLOCS FREES" a line.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "tally.h"

static struct tally *tally;
static char **arguments;
static void *last[SLOTS]; /* a block of each slot, for those who free at the end */

void *make(int slot) {
    void *p = malloc(SIZE_OF(slot));
    tally->mallocs[slot]++;
    return p;
}

void give_back(int slot, void *p) {
    free(p);
    tally->frees[slot]++;
}

void note_late(void) {
    char tail[4096];
    const char *tape = getenv("HEAPTAPE_OUT");
    snprintf(tail, sizeof tail, "%s.tail", tape != NULL ? tape : "");
    if (access(tail, F_OK) != 0)
        tally->late++;
}

static void work(int slot, long count) {
    void *block[64] = {NULL};
    for (long i = 0; i != count; i++) {
        unsigned k = (unsigned)(i * 7 % 64);
        if (block[k] != NULL)
            give_back(slot, block[k]);
        block[k] = make(slot);
    }
    last[slot] = block[0];
}

static void free_last(int slot) {
    give_back(slot, last[slot]);
    last[slot] = make(slot);
}

/* ---- threads ------------------------------------------------------------------------------ */

static void *for_ever(void *slot) {
    work((int)(long)slot, -1);
    return NULL;
}

static void *for_a_while(void *slot) {
    usleep(20000); /* main is gone */
    work((int)(long)slot, 20000);
    return NULL;
}

static void *exits(void *slot) {
    work((int)(long)slot, 5000);
    exit(23);
}

static void start(void *(*function)(void *), int slot) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, (void *)(long)slot) != 0)
        _exit(99);
    pthread_detach(thread);
}

static void let_them_work(int slot) {
    while (tally->mallocs[slot] < 3000)
        usleep(1000);
}

/* ---- handlers and destructors ------------------------------------------------------------- */

static void exit_in_handler(int signal) {
    (void)signal;
    free_last(0);
    exit(24);
}

static void exit_now_in_handler(int signal) {
    (void)signal;
    _exit(25);
}

static void handler_of_exit(void) {
    free_last(1);
}

static void handler_with_status(int status, void *argument) {
    (void)argument;
    if (status == 26)
        free_last(2);
}

/* stdio writes out what its streams hold when everything else is over. */
static ssize_t last_write(void *cookie, const char *bytes, size_t n) {
    (void)cookie;
    (void)bytes;
    free_last(3);
    note_late();
    return (ssize_t)n;
}

__attribute__((destructor)) static void destructor(void) {
    if (last[4] != NULL)
        free_last(4);
}

/* ---- ways to end -------------------------------------------------------------------------- */

static int handlers(void) {
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = last_write});
    for (int slot = 1; slot < 5; slot++)
        work(slot, 1000);
    if (stream == NULL || fputs("for the end", stream) < 0)
        return 98;
    if (arguments[3] != NULL && dlopen(arguments[3], RTLD_NOW) == NULL)
        return 97;
    atexit(handler_of_exit);
    on_exit(handler_with_status, NULL);
    exit(26);
}

static int timer(void) {
    struct itimerval once = {.it_value = {0, 3000 + getpid() % 40 * 100}};
    signal(SIGALRM, exit_now_in_handler);
    setitimer(ITIMER_REAL, &once, NULL);
    work(0, -1);
    return 96;
}

static int way(const char *name) {
    char *again[] = {arguments[0], "return", "tally2", NULL};
#define WAY(text) if (strcmp(name, text) == 0)
    WAY("return") return 20;
    WAY("exit") exit(21);
    WAY("_exit") _exit(22);
    WAY("_Exit") _Exit(22);
    WAY("exit_group") return (int)syscall(SYS_exit_group, 22);
    WAY("quick_exit") {
        work(1, 1000);
        at_quick_exit(handler_of_exit);
        quick_exit(27);
    }
    WAY("abort") abort();
    WAY("segv") * (volatile int *)0 = 1;
    WAY("term") raise(SIGTERM);
    WAY("kill") kill(getpid(), SIGKILL);
    WAY("exec") execv("/proc/self/exe", again);
    WAY("exec_fails") {
        if (execv("/nothing/there", again) == 0 || errno != ENOENT)
            return 95;
        work(0, 5000);
        return 28;
    }
    WAY("pthread_exit") {
        start(for_a_while, 1);
        pthread_exit(NULL);
    }
    WAY("detached") {
        start(for_ever, 5);
        start(for_ever, 6);
        let_them_work(5);
        let_them_work(6);
        return 29;
    }
    WAY("abort_threads") {
        start(for_ever, 5);
        let_them_work(5);
        abort();
    }
    WAY("exit_thread") {
        start(exits, 1);
        for (;;)
            pause();
    }
    WAY("exit_handler") {
        signal(SIGUSR1, exit_in_handler);
        raise(SIGUSR1);
    }
    WAY("timer") return timer();
    WAY("handlers") return handlers();
    return 94;
}

int main(int argc, char **argv) {
    arguments = argv;
    if (argc < 3)
        return 2;
    int fd = open(argv[2], O_RDWR | O_CREAT, 0666);
    if (fd < 0 || ftruncate(fd, sizeof *tally) != 0)
        return 3;
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (tally == MAP_FAILED)
        return 4;
    if (strcmp(argv[1], "show") == 0) {
        for (int i = 0; i < SLOTS; i++)
            if (tally->mallocs[i] != 0)
                printf("%d %lu %lu\n", SIZE_OF(i), tally->mallocs[i], tally->frees[i]);
        if (tally->late != 0)
            printf("late %lu\n", tally->late);
        return 0;
    }
    memset(tally, 0, sizeof *tally);
    work(0, 5000);
    return way(argv[1]);
}
