/* SPDX-License-Identifier: MIT */
/*
 * Hooks of what starts a program, and of what waits for its end: each leaves a note when somebody
 * asked for it (processes.h), and calls the real function once. They run in vfork children too.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processes.h"
#include "real.h"
#include "sys.h"

#define EXPORT __attribute__((visibility("default")))

/* ---- exec --------------------------------------------------------------------------------- */

/* Notes what this process is about to become. */
static bool begin(struct process_note *note, int directory, const char *file, bool search,
                  char *const *environment) {
    if (!processes_describe(note, directory, file, search, environment))
        return false;
    processes_note(note, PROCESS_STARTED, sys_pid());
    return true;
}

/* It came back: there is no such program after all. */
static int failed(struct process_note *note, bool noted, int result) {
    if (noted)
        processes_note(note, PROCESS_FAILED, sys_pid());
    return result;
}

/* With the environment that the process has, or another. */
static int run(const char *path, char *const argv[], char *const *environment) {
    struct process_note note;
    bool noted = begin(&note, AT_FDCWD, path, false, environment);
    return failed(&note, noted, REAL(execve)(path, argv, environment));
}

static int run_found(const char *file, char *const argv[], char *const *environment) {
    struct process_note note;
    bool noted = begin(&note, AT_FDCWD, file, true, environment);
    return failed(&note, noted, REAL(execvpe)(file, argv, environment));
}

EXPORT int execve(const char *path, char *const argv[], char *const environment[]) {
    return run(path, argv, environment);
}

EXPORT int execv(const char *path, char *const argv[]) {
    return run(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[]) {
    return run_found(file, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const environment[]) {
    return run_found(file, argv, environment);
}

EXPORT int fexecve(int fd, char *const argv[], char *const environment[]) {
    struct process_note note;
    bool noted = begin(&note, fd, "", false, environment);
    return failed(&note, noted, REAL(fexecve)(fd, argv, environment));
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const environment[],
                    int flags) {
    struct process_note note;
    bool noted = begin(&note, fd, path, false, environment);
    return failed(&note, noted, REAL(execveat)(fd, path, argv, environment, flags));
}

/* The caller's arguments up to the NULL, on the caller's stack: `argv`. */
#define TAKE_ARGUMENTS(first, list)                                                                \
    size_t count = 0;                                                                              \
    va_start(list, first);                                                                         \
    for (const char *word = first; word != NULL; word = va_arg(list, const char *))                \
        count++;                                                                                   \
    va_end(list);                                                                                  \
    const char *argv[count + 1];                                                                   \
    va_start(list, first);                                                                         \
    argv[0] = first;                                                                               \
    for (size_t i = 1; i <= count; i++)                                                            \
    argv[i] = va_arg(list, const char *)

EXPORT int execl(const char *path, const char *first, ...) {
    va_list list;
    TAKE_ARGUMENTS(first, list);
    va_end(list);
    return run(path, (char *const *)argv, environ);
}

EXPORT int execlp(const char *file, const char *first, ...) {
    va_list list;
    TAKE_ARGUMENTS(first, list);
    va_end(list);
    return run_found(file, (char *const *)argv, environ);
}

EXPORT int execle(const char *path, const char *first, ...) {
    va_list list;
    TAKE_ARGUMENTS(first, list);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return run(path, (char *const *)argv, environment);
}

/* ---- posix_spawn -------------------------------------------------------------------------- */

static int spawn(bool search, pid_t *to, const char *file,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                 char *const argv[], char *const environment[]) {
    struct process_note note;
    bool described = processes_describe(&note, AT_FDCWD, file, search, environment);
    pid_t pid = 0;
    if (to == NULL)
        to = &pid;
    int error = search ? REAL(posix_spawnp)(to, file, actions, attributes, argv, environment)
                       : REAL(posix_spawn)(to, file, actions, attributes, argv, environment);
    if (error == 0 && described)
        processes_note(&note, PROCESS_STARTED, (uint32_t)*to);
    return error;
}

EXPORT int posix_spawn(pid_t *to, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[],
                       char *const environment[]) {
    return spawn(false, to, path, actions, attributes, argv, environment);
}

EXPORT int posix_spawnp(pid_t *to, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const argv[],
                        char *const environment[]) {
    return spawn(true, to, file, actions, attributes, argv, environment);
}

/* ---- wait --------------------------------------------------------------------------------- */

static pid_t waited(pid_t pid, int status) {
    if (pid > 0 && WIFSIGNALED(status))
        processes_note_killed((uint32_t)pid, WTERMSIG(status));
    return pid;
}

EXPORT pid_t wait(int *status) {
    int own = 0;
    if (status == NULL)
        status = &own;
    pid_t pid = REAL(wait)(status);
    return waited(pid, pid > 0 ? *status : 0);
}

EXPORT pid_t waitpid(pid_t which, int *status, int options) {
    int own = 0;
    if (status == NULL)
        status = &own;
    pid_t pid = REAL(waitpid)(which, status, options);
    return waited(pid, pid > 0 ? *status : 0);
}

EXPORT pid_t wait3(int *status, int options, struct rusage *usage) {
    int own = 0;
    if (status == NULL)
        status = &own;
    pid_t pid = REAL(wait3)(status, options, usage);
    return waited(pid, pid > 0 ? *status : 0);
}

EXPORT pid_t wait4(pid_t which, int *status, int options, struct rusage *usage) {
    int own = 0;
    if (status == NULL)
        status = &own;
    pid_t pid = REAL(wait4)(which, status, options, usage);
    return waited(pid, pid > 0 ? *status : 0);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    siginfo_t own = {.si_pid = 0};
    if (info == NULL)
        info = &own;
    int result = REAL(waitid)(type, id, info, options);
    if (result == 0 && info->si_pid > 0 && info->si_signo == SIGCHLD &&
        (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED))
        processes_note_killed((uint32_t)info->si_pid, info->si_status);
    return result;
}
