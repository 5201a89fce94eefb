/* SPDX-License-Identifier: MIT */
/*
 * Exit statuses and messages of the command.
 *
 * A message is one line on stderr: "heaptape: WHERE: WHAT". stdout carries results only.
 */
#ifndef DIAG_H
#define DIAG_H

/* Exit statuses (man page heaptape(1), "EXIT STATUS"). */
enum {
    EXIT_FINE = 0,
    EXIT_FINDING = 1,          /* damage or loss in the tape, or the operation failed */
    EXIT_USAGE = 2,            /* the command line is wrong */
    EXIT_NOT_EXECUTABLE = 126, /* record: the program cannot be run or recorded */
    EXIT_NOT_FOUND = 127,      /* record: no such program */
};

/* Prints "heaptape: " and the formatted line to stderr. Async-signal-unsafe. */
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc, calloc, realloc and strdup that end the program with one clear line when memory is
 * out: an analysis that silently misses data would be worse. The caller frees with free(). */
void *xmalloc(unsigned long n);
void *xcalloc(unsigned long n, unsigned long size);
void *xrealloc(void *p, unsigned long n);
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
