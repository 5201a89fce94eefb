/* SPDX-License-Identifier: MIT */
/*
 * A parent, a child that works on, a grandchild, and a child by a raw clone. Each process makes a
 * block of a size of its own before and behind each fork, and the children free what they
 * inherited: "inherited CHILD ADDRESS" on stdout; "fork PARENT CHILD BEFORE BEHIND" tells the
 * sizes.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "own.h"

static size_t next_size = 100001;

static pid_t fork_between(pid_t (*how)(void), void **inherited) {
    size_t before = next_size++, behind = next_size++;
    *inherited = malloc(before);
    pid_t pid = how();
    if (pid != 0) {
        void *volatile p = malloc(behind);
        printf("fork %d %d %zu %zu\n", (int)getpid(), (int)pid, before, behind);
        fflush(stdout);
        free(p);
    }
    return pid;
}

static void release(void *inherited) {
    own_pairs(1);
    printf("inherited %d %p\n", (int)getpid(), inherited);
    fflush(stdout);
    free(inherited);
}

static pid_t raw_clone(void) {
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

int main(void) {
    void *block;
    setvbuf(stdout, NULL, _IOFBF, 4096);
    own_pairs(10);
    if (fork_between(fork, &block) == 0) {
        release(block);
        own_pairs(50000);
        if (fork_between(fork, &block) == 0) {
            release(block);
            own_pairs(2000);
            own_note(2001);
            return 3;
        }
        int status;
        wait(&status);
        own_pairs(50000);
        own_note(100001);
        return WEXITSTATUS(status) + 1;
    }
    int status, other;
    wait(&status);
    if (fork_between(raw_clone, &block) == 0) {
        release(block);
        own_pairs(1000);
        own_note(1001);
        _exit(5);
    }
    wait(&other);
    own_note(10);
    fprintf(stderr, "%d %d\n", WEXITSTATUS(status), WEXITSTATUS(other));
    return 0;
}
