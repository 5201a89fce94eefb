/* SPDX-License-Identifier: MIT */
/*
 * Between sys.c and sys_image.c alone: the gate that every system call of the recorder passes, and
 * work with a table of descriptors of its own.
 */
#ifndef SYS_GATE_H
#define SYS_GATE_H

#include <stdbool.h>

#include "sys.h"

/* Every system call passes here, so none can be made that the program's filter may kill for. */
long sys_gate(long number, long a, long b, long c, long d, long e, long f);

/* A call that takes memory, disk or descriptors: the ones that a test can make fail. */
long sys_gate_fallible(long number, long a, long b, long c, long d, long e, long f);

#define CALL(n, a, b, c, d, e, f)                                                                  \
    sys_gate((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define TRY(n, a, b, c, d, e, f)                                                                   \
    sys_gate_fallible((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool failed(long result) {
    return result < 0 && result > -4096;
}

long sys_open(const char *path, int flags, int mode); /* O_CLOEXEC, O_NOCTTY */
void sys_close(long fd);

struct job {
    void (*run)(struct job *);
    long result; /* -EMFILE: no descriptor was free */
};

/* Runs job->run where its descriptors cannot be taken for the program's: see sys.c. */
long sys_do_job(struct job *job);

#endif
