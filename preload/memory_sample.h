/* SPDX-License-Identifier: MIT */
/*
 * MEMORY samples: all mappings of the process, and how much of each is resident, as the kernel
 * tells in /proc/self/smaps. It looks at every page table for that, so they are rare: they may take
 * one hundredth of the time; up to one tenth while the process grows, or a quarter when it gives
 * much back then, so that one lies near its peak.
 */
#ifndef MEMORY_SAMPLE_H
#define MEMORY_SAMPLE_H

#include <stdbool.h>

#include "stream.h"

struct recorder;

/* Whether it is time for one, by the resident size of the newest SAMPLE event. releases: much
 * memory is about to be given back, and what is there now may be the most. */
bool memory_sample_is_due(struct recorder *r, bool releases);

/* Takes one, unless another thread is at it. On the stream's own stack; arg: struct stream *. */
void memory_sample_take(void *arg);

/* Takes one where it is time for it, ahead of a fork by this thread: a program may have set up all
 * that it has, and allocate no more. */
void memory_sample_before_fork(struct recorder *r);

/* The same at the end of the recording, unless the process was small and short. Behind a SAMPLE. */
void memory_sample_last(struct stream *s);

/* Greatest resident size of the process so far; 0 when unknown. */
uint64_t memory_peak(void);

#endif
