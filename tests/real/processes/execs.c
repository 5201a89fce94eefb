/* SPDX-License-Identifier: MIT */
/*
 * execs WAY PROGRAM: starts PROGRAM with the arguments "two words" and "", by one of the ways that
 * libc has, in a child made by vfork, and prints its status; or, if it cannot be started, the
 * error. "all" as WAY: every one. "threads": by posix_spawn while other threads open and close
 * files.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const ways[] = {"execve",   "execv",       "execvp",      "execvpe",
                                   "execl",    "execlp",      "execle",      "fexecve",
                                   "execveat", "posix_spawn", "posix_spawnp"};
static char *const some[] = {"VARIABLE=given", NULL};

static void become(const char *way, char *program) {
    char *argv[] = {program, "two words", "", NULL};
    const char *name = strrchr(program, '/') + 1;
    if (strcmp(way, "execve") == 0)
        execve(program, argv, some);
    else if (strcmp(way, "execv") == 0)
        execv(program, argv);
    else if (strcmp(way, "execvp") == 0)
        execvp(name, argv);
    else if (strcmp(way, "execvpe") == 0)
        execvpe(name, argv, some);
    else if (strcmp(way, "execl") == 0)
        execl(program, program, argv[1], argv[2], NULL);
    else if (strcmp(way, "execlp") == 0)
        execlp(name, program, argv[1], argv[2], NULL);
    else if (strcmp(way, "execle") == 0)
        execle(program, program, argv[1], argv[2], NULL, some);
    else if (strcmp(way, "fexecve") == 0)
        fexecve(open(program, O_RDONLY | O_CLOEXEC), argv, environ);
    else if (strcmp(way, "execveat") == 0)
        execveat(AT_FDCWD, program, argv, environ, 0);
}

static int start(const char *way, char *program, pid_t *pid) {
    char *argv[] = {program, "two words", "", NULL};
    if (strcmp(way, "posix_spawn") == 0)
        return posix_spawn(pid, program, NULL, NULL, argv, environ);
    if (strcmp(way, "posix_spawnp") == 0)
        return posix_spawnp(pid, strrchr(program, '/') + 1, NULL, NULL, argv, some);
    volatile int error = 0;
    *pid = vfork();
    if (*pid == 0) {
        errno = 0;
        become(way, program);
        error = errno;
        _exit(9);
    }
    return error;
}

static void say(const char *way, char *program) {
    pid_t pid = 0;
    int status = -1, error = start(way, program, &pid);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (error != 0)
        printf("%s: %s\n", way, strerrorname_np(error));
    else
        printf("%s: status %d\n", way, WEXITSTATUS(status));
    fflush(stdout);
}

static volatile int done;

/* Its descriptors are its own: what is read from one is what was written to it. */
static void *use_files(void *name) {
    long wrong = 0;
    while (!done) {
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char text[8] = "";
        wrong +=
            write(fd, "mine", 4) != 4 || pread(fd, text, 8, 0) != 4 || memcmp(text, "mine", 4) != 0;
        close(fd);
    }
    return (void *)wrong;
}

static void among_threads(char *program) {
    static char names[3][8] = {"file0", "file1", "file2"};
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, use_files, names[i]);
    for (int i = 0; i < 50; i++) {
        char *argv[] = {program, NULL};
        pid_t pid;
        if (posix_spawn(&pid, program, NULL, NULL, argv, some) == 0)
            waitpid(pid, NULL, 0);
    }
    done = 1;
    long wrong = 0;
    for (int i = 0; i < 3; i++) {
        void *of;
        pthread_join(thread[i], &of);
        wrong += (long)of;
    }
    printf("%ld wrong\n", wrong);
}

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[1], "threads") == 0)
        among_threads(argv[2]);
    else if (strcmp(argv[1], "all") != 0)
        say(argv[1], argv[2]);
    else
        for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
            say(ways[i], argv[2]);
    return 0;
}
