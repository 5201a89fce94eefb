/* SPDX-License-Identifier: MIT */
/* What a process takes, asked for without an allocation. */
#ifndef MEMORY_H
#define MEMORY_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a file: of /proc/self/maps, the process's mappings. */
static long lines_of(const char *path) {
    static char text[65536];
    long lines = 0, n;
    int fd = open(path, O_RDONLY);
    while ((n = read(fd, text, sizeof text)) > 0)
        for (long i = 0; i < n; i++)
            lines += text[i] == '\n';
    close(fd);
    return lines;
}

static long resident_kib(void) {
    static char text[256];
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *second = n > 0 ? strchr(text, ' ') : NULL;
    return second != NULL ? atol(second) * (sysconf(_SC_PAGESIZE) / 1024) : -1;
}

#endif
