/* SPDX-License-Identifier: MIT */
/*
 * What a program could notice of an image, and what stands in an image's way, by the first
 * argument: marks       several images at marks; no child, no SIGCHLD, no descriptor, errno kept
 *   nproc       the same where no process can be made; as another user than root
 *   filter      clone refused by a seccomp filter that libheaptape.so does not see
 *   confined    a filter of the program's own
 *   sparse      a terabyte reserved, three pages used
 *   shared      a terabyte of shared memory, one page used
 *   threads     100 threads, half of them with every signal blocked, one in sigwait
 *   cancelled   the same where the signal for pthread_cancel is in use
 *   many N      N threads that have allocated, and wait
 *   unreadable  pages in the middle of a mapping that cannot be read, as the kernel lists it
 *   fork        a child with memory of its own
 * Prints "NAME ADDRESS" as planted.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heaptape/heaptape.h"

#define THREADS 100
#define TERA    (UINT64_C(1) << 40)

void *global;
static volatile sig_atomic_t children;
static int free_descriptor;
static sem_t ready;

static void on_child(int sig) {
    (void)sig;
    children++;
}

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    _exit(99);
}

static void check_unseen(void) {
    int status;
    if (waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD)
        fail("there is a child");
    if (children != 0)
        fail("SIGCHLD came");
    int fd = dup(0);
    if (fd != free_descriptor)
        fail("a descriptor is open");
    close(fd);
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        struct sigaction act;
        if (sig != SIGCHLD && sigaction(sig, NULL, &act) == 0 && act.sa_handler != SIG_DFL)
            fail("a signal has a handler");
    }
}

static void marks(void) {
    signal(SIGCHLD, on_child);
    global = malloc(100);
    printf("global %lx\n", (unsigned long)global);
    for (int i = 0; i < 3; i++) {
        errno = 77;
        heaptape_leak_check(i == 1 ? "second" : "other");
        if (errno != 77)
            fail("errno has changed");
        check_unseen();
    }
}

static void no_processes(void) {
    struct rlimit none = {0, 0};
    if (setgid(65534) != 0 || setuid(65534) != 0 || setrlimit(RLIMIT_NPROC, &none) != 0)
        fail("setuid");
    if (fork() != -1)
        fail("fork works");
    marks();
}

/* By machine code: libheaptape.so does not know that there is a filter. */
static long direct(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static void filter(int seen) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    global = malloc(100);
    printf("global %lx\n", (unsigned long)global);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long result = seen ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
                       : direct(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program);
    if (result != 0)
        fail("seccomp");
    heaptape_leak_check("filtered");
}

static void sparse(int flags) {
    char *p =
        mmap(NULL, TERA, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    for (int i = 0; i < (flags == MAP_SHARED ? 1 : 3); i++) {
        void **at = (void **)(p + TERA / 3 * (unsigned)i / 4096 * 4096 + 512);
        *at = malloc(64);
        printf("sparse %lx\n", (unsigned long)*at);
    }
}

static void *wait_here(void *arg) {
    void *volatile block = malloc(48);
    sigset_t all;
    sigfillset(&all);
    uintptr_t number = (uintptr_t)arg;
    if (number % 2 == 0)
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (number == 0)
        printf("stack %lx\n", (unsigned long)block);
    sem_post(&ready);
    int sig;
    if (number == 50 && sigwait(&all, &sig) == 0)
        fail("sigwait has got a signal");
    for (;;)
        pause();
    free(block);
    return NULL;
}

static void *cancelled_here(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void cancel(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, cancelled_here, NULL) != 0 || pthread_cancel(t) != 0 ||
        pthread_join(t, NULL) != 0)
        fail("pthread_cancel");
}

static void threads(void) {
    sem_init(&ready, 0, 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, wait_here, (void *)i) != 0)
            fail("pthread_create");
        sem_wait(&ready);
    }
}

static void *allocate_here(void *unused) {
    (void)unused;
    void *volatile block = malloc(16);
    sem_post(&ready);
    for (;;)
        pause();
    free(block);
    return NULL;
}

static void many(int count) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    sem_init(&ready, 0, 0);
    for (int i = 0; i < count; i++) {
        pthread_t t;
        if (pthread_create(&t, &small, allocate_here, NULL) != 0)
            fail("pthread_create");
    }
    for (int i = 0; i < count; i++)
        sem_wait(&ready);
}

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, Linux 6.13 */

static void unreadable(void) {
    size_t page = 4096, pages = 300;
    uint64_t *p =
        mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    memset(p, 0, pages * page);
    void *first = malloc(100), *last = malloc(100);
    p[0] = (uintptr_t)first;
    p[pages * page / 8 - 1] = (uintptr_t)last;
    if (madvise((char *)p + 10 * page, 2 * page, GUARD_INSTALL) != 0)
        fail("no guards");
    printf("place %lx\nfirst %lx\nlast %lx\n", (unsigned long)p, (unsigned long)first,
           (unsigned long)last);
    first = last = NULL;
}

static void forks(void) {
    global = malloc(100);
    pid_t pid = fork();
    if (pid == 0) {
        global = malloc(200);
        printf("child %lx\n", (unsigned long)global);
        fflush(stdout);
        exit(3);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3)
        fail("waitpid");
    if (waitpid(-1, &status, 0) != -1)
        fail("another child");
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    free_descriptor = dup(0);
    close(free_descriptor);
    if (strcmp(what, "marks") == 0)
        marks();
    else if (strcmp(what, "nproc") == 0)
        no_processes();
    else if (strcmp(what, "filter") == 0)
        filter(0);
    else if (strcmp(what, "confined") == 0)
        filter(1);
    else if (strcmp(what, "sparse") == 0)
        sparse(MAP_PRIVATE);
    else if (strcmp(what, "shared") == 0)
        sparse(MAP_SHARED);
    else if (strcmp(what, "threads") == 0)
        threads();
    else if (strcmp(what, "cancelled") == 0) {
        cancel();
        threads();
    } else if (strcmp(what, "many") == 0)
        many(atoi(argv[2]));
    else if (strcmp(what, "unreadable") == 0)
        unreadable();
    else if (strcmp(what, "fork") == 0)
        forks();
    else
        return 98;
    return 5;
}
