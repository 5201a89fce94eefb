/* SPDX-License-Identifier: MIT */
/*
 * One thread asks for filters that cannot be (as libraries do to learn what the kernel knows) while
 * another installs one for itself that kills for every call that malloc and the probing do not
 * make, and allocates on.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_brk),
    ALLOW(SYS_mmap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_mremap),
    ALLOW(SYS_futex),
    ALLOW(SYS_exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static void *probe(void *unused) {
    for (int i = 0; i < 200000; i++)
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL);
    return unused;
}

int main(void) {
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    pthread_t thread;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    pthread_create(&thread, NULL, probe, NULL);
    usleep(3000);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return 1;
    for (int i = 0; i < 100000; i++) {
        void *volatile p = malloc(77);
        free(p);
    }
    syscall(SYS_exit_group, 0);
    return 2;
}
