/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"

/* What the caller waits for. Signals of its own mistakes stay as they are. */
static void watched_signals(sigset_t *set) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(set);
    for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(set, own[i]);
}

/* Signals of the terminal go to the whole foreground group, the child included; what the child
 * sent its parent is not meant for the child. */
static bool for_child(const siginfo_t *info, pid_t child) {
    return info->si_signo != SIGCHLD && info->si_code != SI_KERNEL && info->si_pid != child;
}

static void forward(const siginfo_t *info, pid_t child) {
    if (info->si_code == SI_QUEUE)
        sigqueue(child, info->si_signo, info->si_value);
    else
        kill(child, info->si_signo);
}

/* Signals that came while the child ended were for the child too. */
static void drain(const sigset_t *watched) {
    const struct timespec now = {0};
    while (sigtimedwait(watched, NULL, &now) > 0 || errno == EINTR)
        continue;
}

/* Waits for the child's end, with `watched` blocked. */
static int wait_for(pid_t child, const sigset_t *watched) {
    for (;;) {
        int status;
        pid_t got = waitpid(child, &status, WNOHANG | WUNTRACED);
        if (got == child && !WIFSTOPPED(status))
            return status;
        if (got == child) {
            kill(getpid(), SIGSTOP);
            continue;
        }
        siginfo_t info;
        if (sigwaitinfo(watched, &info) > 0 && for_child(&info, child))
            forward(&info, child);
    }
}

int launch_run(const char *path, char **argv, void (*prepare)(void *context), void *context,
               struct launch_result *result) {
    /* The child leaves the reason of a failed exec here. */
    int *exec_errno =
        mmap(NULL, sizeof *exec_errno, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (exec_errno == MAP_FAILED)
        return -1;

    /* A parent that ignores SIGCHLD learns no exit status. */
    sigset_t watched, before;
    struct sigaction sigchld, usual = {.sa_handler = SIG_DFL};
    watched_signals(&watched);
    sigprocmask(SIG_BLOCK, &watched, &before);
    sigaction(SIGCHLD, &usual, &sigchld);

    pid_t child = fork();
    if (child == 0) {
        prepare(context);
        sigaction(SIGCHLD, &sigchld, NULL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(path, argv);
        *exec_errno = errno;
        _exit(EXIT_NOT_EXECUTABLE);
    }
    int failure = errno;
    if (child > 0) {
        result->pid = child;
        result->wait_status = wait_for(child, &watched);
        result->exec_errno = *exec_errno;
        drain(&watched);
    }
    sigaction(SIGCHLD, &sigchld, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    munmap(exec_errno, sizeof *exec_errno);
    errno = failure;
    return child > 0 ? 0 : -1;
}

int launch_exit_status(int wait_status) {
    if (!WIFSIGNALED(wait_status))
        return WEXITSTATUS(wait_status);
    int sig = WTERMSIG(wait_status);
    struct rlimit no_core = {0, 0};
    sigset_t set;
    setrlimit(RLIMIT_CORE, &no_core);
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), sig);
    return 128 + sig;
}
