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
 */
#include <fcntl.h>
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

static uint64_t cpu_of_children(void) {
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static void start_reader(const char *fifo, const char *command) {
    if (mkfifo(fifo, 0600) != 0)
        fail(fifo);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        unsetenv("LD_PRELOAD");
        if (freopen(fifo, "r", stdin) == NULL)
            fail(fifo);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        fail("/bin/sh");
    }
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
    const char *preload = getenv("BENCH_PRELOAD");
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
            execvp(argv[5], argv + 5);
            fail(argv[5]);
        }
        int status;
        struct rusage self;
        if (wait4(pid, &status, 0, &self) != pid)
            fail("wait4");
        uint64_t wall = now() - start;
        while (wait(NULL) > 0)
            continue;
        if (reader[0] != '\0')
            unlink(fifo);
        fprintf(report, "%llu %llu %ld %d\n", (unsigned long long)wall,
                (unsigned long long)(cpu_of_children() - cpu), self.ru_maxrss, status);
    }
    return fclose(report) == 0 ? 0 : 2;
}
