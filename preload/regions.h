/* SPDX-License-Identifier: MIT */
/*
 * Which parts of memory a heap image looks at, and what each is: from the mappings, what is known
 * of the threads, and what must be left out: the recorder's own memory, the state of libc's
 * allocator, stacks of threads that have ended.
 */
#ifndef REGIONS_H
#define REGIONS_H

#include "arch.h"
#include "maps.h"
#include "ranges.h"
#include "tape/image.h"

/* A thread whose registers were seen. */
struct seen_thread {
    uint64_t tid;
    uint64_t sp;
    uint64_t thread_pointer;
    uint64_t regs[ARCH_REGS]; /* by DWARF number, ARCH_REG_RA is the pc */
};

struct region {
    struct tape_image_region is;
    const uint64_t *registers; /* of a REGISTERS region */
    bool shared;
};

/* All memory is the caller's. */
struct regions {
    /* given */
    uint32_t pid;    /* of the process that the image is of: its main thread's id */
    uint64_t self;   /* an address in this library */
    uint64_t libc;   /* one in libc */
    uint64_t real;   /* one in the module that has the real malloc */
    uint64_t tid_at; /* where libc keeps a thread's id, from the thread pointer; 0 unknown */
    const struct seen_thread *thread;
    size_t threads;
    bool (*peek)(void *context, uint64_t from, void *to, size_t bytes); /* reads memory */
    void *context;
    long pagemap; /* for sys_pages */
    struct map_entry *map;
    size_t maps;
    const struct range *owned; /* the recorder's, in order */
    size_t owneds;
    const struct range *mapped; /* by an allocator, in order */
    size_t mappeds;
    uint8_t *scratch; /* REGIONS_SCRATCH bytes */
    /* made */
    struct region *region; /* in order of the addresses; then REGISTERS */
    size_t count, room;
    bool full;          /* there were more */
    bool mapped_blocks; /* glibc is the allocator: some of its blocks are mappings */
    uint64_t hole[2];   /* the state of libc's allocator: from, to */
};
#define REGIONS_SCRATCH 65536

void regions_make(struct regions *r);

#endif
