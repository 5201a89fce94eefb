/* SPDX-License-Identifier: MIT */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diag(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout); /* so that results and messages keep their order on a terminal */
    flockfile(stderr);
    fputs("heaptape: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(args);
}

static void *must(void *p, unsigned long n) {
    if (p == NULL) {
        diag("out of memory: %lu bytes could not be had; a smaller part of the recording "
             "(--at, --between) or a larger machine may do",
             n);
        exit(EXIT_FINDING);
    }
    return p;
}

void *xmalloc(unsigned long n) {
    return must(malloc(n != 0 ? n : 1), n);
}

void *xcalloc(unsigned long n, unsigned long size) {
    return must(calloc(n != 0 ? n : 1, size != 0 ? size : 1), n * size);
}

void *xrealloc(void *p, unsigned long n) {
    return must(realloc(p, n != 0 ? n : 1), n);
}

char *xstrdup(const char *s) {
    return must(strdup(s), strlen(s) + 1);
}

char *xasprintf(const char *format, ...) {
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return must(n < 0 ? NULL : text, strlen(format));
}
