/* SPDX-License-Identifier: MIT */
/*
 * What taking a heap image asks of the kernel; the same rules as in sys.h. Calls marked COPY are
 * for the process that sys_copy makes, whose descriptors are nobody else's.
 */
#ifndef SYS_IMAGE_H
#define SYS_IMAGE_H

#include <stdatomic.h>

#include "sys.h"

/* Runs fn(arg), on the stack that ends at `top`, in a process whose memory is a frozen copy of this
 * one's: its id, or -errno. The program sees neither it nor a SIGCHLD. */
long sys_copy(void (*fn)(void *), void *arg, void *top);
/* COPY: gives up the program's descriptors, ends with the thread that made it, leaves no core. */
void sys_copy_begins(void);
/* Whether the copy is gone; then it has been reaped. */
bool sys_copy_ended(long pid);
/* Ends and reaps it. */
void sys_copy_end(long pid);

/* Waits while *word is `value`, at most so long; for words in shared memory too. */
void sys_wait_word(atomic_uint *word, unsigned value, uint64_t ns);
void sys_wake_word(atomic_uint *word);

/* Copies memory of this process: how many bytes came before one that cannot be read; -errno when
 * memory cannot be read in this way at all. */
long sys_read_memory(uint32_t pid, uint64_t from, void *to, size_t bytes);

/* COPY: descriptors for /proc. */
long sys_open_proc(const char *path);
long sys_open_pagemap(uint32_t pid);
long sys_read(long fd, void *to, size_t bytes);
void sys_close(long fd);

/* Pages of [from, to) that hold something: up to `room` ranges, in order, and in *next how far was
 * looked (always further than from). pagemap: COPY, a descriptor of a process's pagemap in /proc;
 * or -1, then only pages in memory are found, not those swapped out. */
struct sys_pages {
    uint64_t start, end;
};
size_t sys_pages(long pagemap, uint64_t from, uint64_t to, struct sys_pages *range, size_t room,
                 uint64_t *next);

/* Ids of the threads of process `pid`, at most `room`; the number, also beyond `room`; 0 when they
 * cannot be known. */
size_t sys_threads(uint32_t pid, uint32_t *tid, size_t room);
/* Whether the thread blocks the signal, or may be waiting for it: true when unknown. */
bool sys_thread_blocks(uint32_t pid, uint32_t tid, int signal);
/* Whether the thread runs, or waits for nothing but a processor, the kernel's locks or a disk. */
bool sys_thread_runs(uint32_t pid, uint32_t tid);

/* The disposition of a signal, as the kernel keeps it. */
struct sys_action {
    void (*handler)(int, void *info, void *context);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
bool sys_set_action(int signal, const struct sys_action *action, struct sys_action *old);
/* Sends a signal with a value to a thread of this process. */
bool sys_queue_signal(uint32_t pid, uint32_t tid, int signal, void *value);

/* Where libc keeps the calling thread's list of robust mutexes; 0 when unknown. */
uint64_t sys_robust_list(void);

#endif
