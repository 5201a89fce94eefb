/* SPDX-License-Identifier: MIT */
/*
 * What a program knows of its own events: pairs of malloc and free of a size that nothing else
 * asks for. Each process notes how many it made as a line "PID PAIRS" in the file that the
 * environment variable OWN names; tests/real/tapes.py compares that with the tapes. A process that
 * replaces itself notes each image before it goes. Nothing here allocates but the pairs.
 */
#ifndef OWN_H
#define OWN_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OWN_SIZE 4242

__attribute__((noinline)) static void own_pairs(unsigned long n) {
    while (n-- > 0) {
        char *volatile p = malloc(OWN_SIZE);
        if (p == NULL)
            abort();
        *p = 1;
        free(p);
    }
}

/* For programs that cannot open the file any more when they know. -1: nobody asks. */
static inline int own_open(void) {
    const char *path = getenv("OWN");
    return path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static inline void own_note_to(int fd, unsigned long pairs) {
    char line[64];
    int n = snprintf(line, sizeof line, "%d %lu\n", (int)getpid(), pairs);
    if (fd >= 0 && write(fd, line, (size_t)n) != n)
        abort();
}

static inline void own_note(unsigned long pairs) {
    int fd = own_open();
    own_note_to(fd, pairs);
    if (fd >= 0)
        close(fd);
}

#endif
