/* SPDX-License-Identifier: MIT */
/*
 * Runs a program and measures it together with every process that works for it:
 *
 *   measure REPORT REPEAT FIFO READER PROGRAM [ARGUMENT...]
 *
 * READER is a shell command that reads FIFO while the program runs ("" for none). Descendants
 * that outlive the program are waited for, so their processor time counts. REPORT receives, for
 * each of REPEAT runs, one line: wall nanoseconds until the program's end, processor nanoseconds
 * of all processes, peak resident KiB of the program alone, its wait status.
 *
 * BENCH_PRELOAD in the environment is preloaded under the program, and nothing else. BENCH_CLIENT
 * is a shell command for a program that serves: it is run beside it, neither preloaded nor
 * measured, and when it has ended the program gets a SIGTERM. A client that fails makes a wait
 * status of -1.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_of(const struct rusage *u) {
    return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1000;
}

static uint64_t cpu_of_children(void) {
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return cpu_of(&u);
}

/* A shell command, its standard input from a file; returns its process. */
static pid_t start_shell(const char *input, const char *command) {
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        unsetenv("LD_PRELOAD");
        if (freopen(input, "r", stdin) == NULL)
            fail(input);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        fail("/bin/sh");
    }
    return pid;
}

static void start_reader(const char *fifo, const char *command) {
    if (mkfifo(fifo, 0600) != 0)
        fail(fifo);
    start_shell(fifo, command);
}

/* Runs the client to its end and ends the program that it used. Returns the client's processor
 * time; *failed unless it ended well. */
static uint64_t run_client(const char *command, pid_t program, bool *failed) {
    int status;
    struct rusage used;
    pid_t pid = start_shell("/dev/null", command);
    if (wait4(pid, &status, 0, &used) != pid)
        fail("wait4");
    *failed = status != 0;
    kill(program, SIGTERM);
    return cpu_of(&used);
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: measure REPORT REPEAT FIFO READER PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    FILE *report = fopen(argv[1], "we");
    if (report == NULL)
        fail(argv[1]);
    const char *fifo = argv[3], *reader = argv[4];
    /* The preload is for the program alone. */
    const char *preload = getenv("BENCH_PRELOAD"), *client = getenv("BENCH_CLIENT");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
        uint64_t cpu = cpu_of_children();
        if (reader[0] != '\0')
            start_reader(fifo, reader);
        uint64_t start = now();
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid == 0) {
            if (preload != NULL)
                setenv("LD_PRELOAD", preload, 1);
            unsetenv("BENCH_PRELOAD");
            unsetenv("BENCH_CLIENT");
            execvp(argv[5], argv + 5);
            fail(argv[5]);
        }
        int status;
        bool failed = false;
        struct rusage self;
        uint64_t not_ours = client != NULL ? run_client(client, pid, &failed) : 0;
        if (wait4(pid, &status, 0, &self) != pid)
            fail("wait4");
        uint64_t wall = now() - start;
        while (wait(NULL) > 0)
            continue;
        if (reader[0] != '\0')
            unlink(fifo);
        fprintf(report, "%llu %llu %ld %d\n", (unsigned long long)wall,
                (unsigned long long)(cpu_of_children() - cpu - not_ours), self.ru_maxrss,
                failed ? -1 : status);
    }
    return fclose(report) == 0 ? 0 : 2;
}
