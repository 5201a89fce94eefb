/* SPDX-License-Identifier: MIT */
/*
 * Fields of INFO and CLOSE chunks: (tag, length, bytes)*, tag and length as varints.
 * Unknown tags are skipped. Numbers are varints, texts are bytes without a terminator, lists are
 * texts that end with a zero byte each.
 */
#ifndef TAPE_INFO_H
#define TAPE_INFO_H

#include "bytes.h"

enum tape_info_tag {
    TAPE_INFO_RECORDER = 1,     /* text: version of the recorder */
    TAPE_INFO_EXE = 2,          /* text: absolute path of the program */
    TAPE_INFO_ARGV = 3,         /* list */
    TAPE_INFO_CWD = 4,          /* text: working directory at the first event */
    TAPE_INFO_PID = 5,          /* number */
    TAPE_INFO_PPID = 6,         /* number */
    TAPE_INFO_HOST = 7,         /* text: node name */
    TAPE_INFO_KERNEL = 8,       /* text: kernel release */
    TAPE_INFO_ARCH = 9,         /* text: machine */
    TAPE_INFO_PAGE_SIZE = 10,   /* number: bytes */
    TAPE_INFO_CLOCK = 11,       /* number: enum tape_clock */
    TAPE_INFO_TICK_HZ = 12,     /* number: estimated ticks per second, 0 when unknown */
    TAPE_INFO_START_STAMP = 13, /* number: ticks; the zero of every time in a report */
    TAPE_INFO_START_MONO = 14,  /* number: CLOCK_MONOTONIC at that instant, ns */
    TAPE_INFO_START_REAL = 15,  /* number: CLOCK_REALTIME at that instant, ns */
    TAPE_INFO_ENV = 16,         /* list of NAME=VALUE: the variables that change allocation */
    TAPE_INFO_UNWINDER = 17,    /* text: rows, libunwind or verify */
    TAPE_INFO_PARENT = 18,      /* text: file name of the parent's tape (forked children) */
    TAPE_INFO_PARENT_ID = 19,   /* bytes: id of the parent's tape */
    TAPE_INFO_FORK_STAMP = 20,  /* number: ticks; of fork(), otherwise of the child's first event */
    TAPE_INFO_ALLOCATOR = 21,   /* text: path of the module that the real malloc is in */
    TAPE_INFO_BYPASSED = 22, /* text: path of a module whose malloc comes before the recorder's */
    TAPE_INFO_PAST =
        23, /* list: paths of modules that call entries of the allocator's which nothing
               hooks in this process: operators of C++, mallocx; "": the program */
    TAPE_INFO_END_STAMP = 32,  /* number: ticks (CLOSE) */
    TAPE_INFO_END_MONO = 33,   /* number: CLOCK_MONOTONIC at that instant, ns (CLOSE) */
    TAPE_INFO_END_REASON = 34, /* text: exit, _exit, quick_exit, abort (CLOSE) */
    TAPE_INFO_TAIL_KEPT = 35,  /* number: 1 when other threads were still recording (CLOSE) */
    TAPE_INFO_STREAM_END =
        36, /* numbers: stream, events, events lost; one field a stream (CLOSE) */
    TAPE_INFO_UNWIND_STATS = 37, /* numbers: captures, frames, truncated chains, then rows by
                                    kind (CLOSE) */
    TAPE_INFO_UNFOLLOWED = 38,   /* number: forked children that could not be recorded (CLOSE) */
    TAPE_INFO_UNHOOKED = 39,     /* list: paths of modules whose malloc or free leads elsewhere than
                                    to the recorder (CLOSE) */
    TAPE_INFO_PEAK_RSS = 40,     /* number: greatest resident size of the process, bytes (CLOSE) */
};

/* What one tick of a stamp is. */
enum tape_clock {
    TAPE_CLOCK_TSC = 0,      /* the processor's time-stamp counter */
    TAPE_CLOCK_MONOTONIC = 1 /* one nanosecond of CLOCK_MONOTONIC */
};

static inline uint8_t *tape_put_info_bytes(uint8_t *p, uint32_t tag, const void *data, size_t n) {
    p = tape_put_varint(p, tag);
    p = tape_put_varint(p, n);
    return tape_put_bytes(p, data, n);
}

static inline uint8_t *tape_put_info_number(uint8_t *p, uint32_t tag, uint64_t v) {
    uint8_t buf[TAPE_VARINT_MAX];
    size_t n = (size_t)(tape_put_varint(buf, v) - buf);
    return tape_put_info_bytes(p, tag, buf, n);
}

/* The next field; false at the end or on an error (then in->error says which). */
static inline int tape_get_info(struct tape_in *in, uint32_t *tag, struct tape_in *value) {
    if (in->error != TAPE_OK || in->p == in->end)
        return 0;
    *tag = (uint32_t)tape_get_varint(in, UINT32_MAX);
    uint64_t n = tape_get_varint(in, UINT32_MAX);
    const uint8_t *p = tape_get_bytes(in, n);
    if (in->error != TAPE_OK || p == NULL)
        return 0;
    *value = tape_in_of(p, (size_t)n);
    return 1;
}

#endif
