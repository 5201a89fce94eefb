/* SPDX-License-Identifier: MIT */
/* Every way to start a program: vfork (and a child that only ends), posix_spawn, system, popen, raw
 * clone and vfork-like clone. The children are this program with a number of pairs to make. */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "own.h"

extern char **environ;
static char self[4096];

static void say_status(const char *what, pid_t pid) {
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    printf("%s: %d\n", what, status);
}

static int in_shared_memory(void *argv) {
    execv(self, argv);
    _exit(127);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        unsigned long pairs = strtoul(argv[1], NULL, 10);
        own_pairs(pairs);
        own_note(pairs);
        return (int)(pairs % 100);
    }
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        abort();
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *words[] = {self, "310", NULL};
    for (int i = 0; i < 20; i++) {
        own_pairs(100);
        pid_t pid = vfork();
        if (pid == 0) {
            execv(self, words);
            _exit(127);
        }
        say_status("vfork and exec", pid);
        pid = vfork();
        if (pid == 0)
            _exit(7);
        say_status("vfork and _exit", pid);
        pid = vfork();
        if (pid == 0) {
            execl("/nonexistent", "nonexistent", (char *)NULL);
            _exit(8);
        }
        say_status("vfork and a failing exec", pid);
        pid = -1;
        posix_spawn(&pid, self, NULL, NULL, (char *[]){self, "320", NULL}, environ);
        say_status("posix_spawn", pid);
    }
    char command[4200];
    snprintf(command, sizeof command, "exec '%s' 330", self);
    printf("system: %d\n", system(command));
    FILE *pipe = popen(command, "r");
    printf("popen: %d\n", pclose(pipe));
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        own_pairs(340);
        own_note(340);
        _exit(9);
    }
    say_status("raw clone", pid);
    static char stack[65536];
    words[1] = "350";
    pid = clone(in_shared_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, words);
    say_status("clone with CLONE_VFORK", pid);
    own_pairs(100);
    own_note(2100);
    return 0;
}
