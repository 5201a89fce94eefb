/* SPDX-License-Identifier: MIT */
/*
 * The ledger of a process's memory: at each MEMORY sample every resident byte is of one class, so
 * the classes add up to what the kernel says is resident. docs/MEMORY.md tells what each class
 * means and how it is found.
 *
 * Rows over time are thinned to at most LEDGER_ROWS; the sample with most resident bytes is kept
 * whole. Memory grows with the mappings of the process, not with the number of events or samples.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "replay.h"

#define LEDGER_ROWS 1024

enum ledger_class {
    LEDGER_HEAP,     /* of the allocator: blocks that live, and what it keeps besides */
    LEDGER_DIRECT,   /* mapped by the program and its libraries themselves */
    LEDGER_STACKS,   /* of threads */
    LEDGER_DATA,     /* of modules: written pages of their files, .bss */
    LEDGER_FILES,    /* pages of files, as they are there: code, mapped data */
    LEDGER_SHARED,   /* shared memory */
    LEDGER_OWN,      /* the recorder's */
    LEDGER_KERNEL,   /* [vdso] and the like */
    LEDGER_RESIDUAL, /* nothing explains it */
    LEDGER_CLASSES
};

struct ledger_class_info {
    const char *name;  /* in JSON */
    const char *label; /* for people */
};
extern const struct ledger_class_info ledger_class_info[LEDGER_CLASSES];

struct ledger_row {
    uint64_t time;     /* ns since the start */
    uint64_t resident; /* all classes together */
    uint64_t swapped;
    uint64_t live; /* bytes of blocks of the heap that live, as asked for, and of inherited ones;
                      not all need be resident */
    uint64_t bytes[LEDGER_CLASSES];
};

/* A mapping as it was in the sample that is kept. */
struct ledger_mapping {
    uint64_t start, end, resident;
    enum ledger_class class;
    char *name; /* of a file; NULL: none */
};

/* Direct mappings of one call stack in that sample. */
struct ledger_site {
    uint32_t stack;
    uint64_t resident, size, ranges;
};

struct ledger {
    struct ledger_row *rows; /* in order of time */
    size_t row_count;
    uint64_t samples;       /* taken, also those whose rows are gone */
    struct ledger_row peak; /* with most resident bytes; all 0: no sample */
    uint64_t peak_rss;      /* the kernel's own figure of the process's greatest resident size; 0
                               unknown */
    struct ledger_mapping *mappings; /* at `peak`, in order of their addresses */
    size_t mapping_count;
    struct ledger_site *sites; /* the same; most resident bytes first */
    size_t site_count;
    struct mappings_counts counts; /* behind the run */
    bool inherited;                /* what a parent had at the fork was known */
};

/* Observes a replay that has not run yet; complete behind the run, when ledger_finish() was called.
 * `tape` and the replay must outlive the run. */
struct ledger *ledger_new(struct tape_file *tape, struct replay *);
void ledger_finish(struct ledger *);
void ledger_free(struct ledger *);

#endif
