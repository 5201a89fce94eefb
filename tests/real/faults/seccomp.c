/* SPDX-License-Identifier: MIT */
/*
 * seccomp HOW [PAIRS]: allows itself only what malloc needs, and writing and ending, from here on;
 * everything else kills it. HOW: prctl, syscall (how the filter is installed), threads (a filter
 * for all threads while they allocate), trap (SIGSYS instead of death, counted), strict (the mode
 * without a filter: read, write, exit and sigreturn). no-fallocate PROGRAM...: runs it where
 * fallocate does not exist.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "own.h"

#define ALLOW(nr)                                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

enum { THREADS = 3 };

static atomic_ulong done_in_threads, started;
static volatile sig_atomic_t trapped;

static void on_trap(int number) {
    (void)number;
    trapped++;
}

static void *forever(void *pairs) {
    atomic_fetch_add(&started, 1); /* what starting takes has been called */
    for (unsigned long n = (unsigned long)pairs / 100; n > 0; n--) {
        own_pairs(100);
        atomic_fetch_add(&done_in_threads, 100);
    }
    for (;;) /* the end of a thread takes other system calls */
        __builtin_ia32_pause();
    return NULL;
}

static void confine(const char *how) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_brk),
        ALLOW(SYS_mmap),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_madvise),
        ALLOW(SYS_futex),
        ALLOW(SYS_write),
        ALLOW(SYS_exit),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, strcmp(how, "trap") == 0 ? (unsigned)SECCOMP_RET_TRAP
                                                           : (unsigned)SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    bool by_prctl = strcmp(how, "prctl") == 0 || strcmp(how, "trap") == 0;
    long failed;
    if (strcmp(how, "strict") == 0)
        failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    else if (by_prctl)
        failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    else
        failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                         strcmp(how, "threads") == 0 ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program);
    if (failed != 0)
        abort();
}

static void run_without_fallocate(char **argv) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
    execv(argv[0], argv);
    abort();
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    const char *how = argv[1];
    unsigned long pairs = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000, others = 0;
    signal(SIGSYS, on_trap);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strcmp(how, "no-fallocate") == 0)
        run_without_fallocate(argv + 2);
    mallopt(M_ARENA_MAX, 1); /* other arenas grow by mprotect */
    own_pairs(100);
    if (strcmp(how, "threads") == 0) {
        pthread_t thread;
        others = THREADS * (pairs / 4);
        for (int i = 0; i < THREADS; i++)
            pthread_create(&thread, NULL, forever, (void *)(pairs / 4));
    }
    while (others != 0 && atomic_load(&started) < THREADS)
        usleep(100);
    own_note(100 + pairs + others);
    confine(how);
    own_pairs(pairs / 2);
    if (strcmp(how, "strict") != 0)
        for (int i = 0; i < 100; i++) { /* a mapping of its own, and the heap grown and shrunk */
            void *volatile large = malloc(1u << 20), *volatile larger = malloc(100000);
            large = realloc(large, 2u << 20);
            free(larger);
            free(large);
        }
    own_pairs(pairs - pairs / 2);
    while (atomic_load(&done_in_threads) < others)
        __builtin_ia32_pause();
    char line[] = "alive, trapped 0\n";
    line[sizeof line - 3] = (char)('0' + (trapped < 9 ? trapped : 9));
    if (write(1, line, sizeof line - 1) < 0)
        return 9;
    if (strcmp(how, "strict") == 0)
        syscall(SYS_exit, 7);
    if (strcmp(how, "syscall") == 0)
        _exit(7);
    return 7;
}
