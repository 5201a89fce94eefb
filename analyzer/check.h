/* SPDX-License-Identifier: MIT */
/*
 * What a leak check found: the recordings of all processes of one run, and every block that was
 * not freed at their ends, joined by call stack and compared with the suppressions.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

#include "budget.h"
#include "joined.h"
#include "leak_kind.h"
#include "suppressions.h"

enum check_end {
    CHECK_CLOSED,     /* ended in order */
    CHECK_REPLACED,   /* by exec: the next image of the same process is there, too */
    CHECK_UNSEEN,     /* not closed: killed, or replaced by a program that was not recorded */
    CHECK_RUNNING,    /* still */
    CHECK_UNREADABLE, /* its recording */
    CHECK_OWN,        /* heaptape itself, in a check inside of this one */
};

/* One process image. Texts are owned. */
struct check_process {
    char *tape; /* absolute path */
    char *program;
    uint64_t pid, ppid, started; /* started: CLOCK_MONOTONIC, ns */
    enum check_end end;
    uint8_t id[TAPE_ID_BYTES], parent_id[TAPE_ID_BYTES]; /* of its tape, and of its parent's */
    bool forked;                                         /* there is a parent_id */
    uint64_t fork_stamp;                                 /* ticks */
    char *unclassified; /* why its blocks are LEAK_UNKNOWN, see leak_survey.h; NULL: they are not,
                           or nobody asked */
    uint64_t events, allocations, lost, damaged_chunks, damaged_bytes, truncated;
};

/* Blocks of one kind that one call stack made and that were not freed: a loss record. */
struct check_finding {
    const char *op; /* the allocation function as called, "malloc" */
    uint32_t *path; /* names of its callers, innermost first; owned */
    uint32_t length;
    uint32_t processes; /* in which it was found */
    enum leak_kind kind;
    uint64_t bytes, blocks;                   /* of the blocks themselves */
    uint64_t indirect_bytes, indirect_blocks; /* DEFINITE: what is lost through them besides, which
                                                 INDIRECT findings hold, too */
    struct suppression *suppressed_by;        /* NULL: a finding */
    const struct budget *allowed_by;          /* NULL: a finding */
};

/* Whether it is one that makes the check fail. */
static inline bool check_is_found(const struct check_finding *f) {
    return f->suppressed_by == NULL && f->allowed_by == NULL;
}

struct check {
    const char *program; /* as the user called it; not owned */
    uint64_t pid;        /* of the process that was started */
    int wait_status;     /* of it, as waitpid gives it */
    const char *only;    /* pattern that chose the recorded programs, NULL: all; not owned */
    bool unclassified;   /* every block is LEAK_UNKNOWN: no classes are wanted */
    unsigned kinds;      /* bits 1 << kind: what counts as a finding; LEAK_UNKNOWN always does */
    unsigned shown;      /* bits 1 << kind: what is listed one by one, whether it counts or not;
                            LEAK_UNKNOWN always is */
    unsigned heuristics; /* leak_heuristics.h */
    uint32_t resolution; /* frames, the allocation function among them, by which findings are told
                            apart; 0: all */
    struct suppressions *suppressions; /* not owned */
    struct budgets *budgets;           /* not owned; may be empty */
    bool fail_on_stale;                /* stale suppressions make it fail */

    struct check_process *process; /* by start */
    size_t process_count;
    struct joined *joined;         /* owns the names */
    struct check_finding *finding; /* of kinds that count; largest first */
    size_t finding_count;
    struct check_finding *uncounted; /* of kinds that do not count and are shown; neither suppressed
                                        nor allowed; largest first */
    size_t uncounted_count;
    uint64_t found, found_bytes, found_blocks;                /* neither suppressed nor allowed */
    uint64_t suppressed, suppressed_bytes, suppressed_blocks; /* of every kind */
    uint64_t allowed, allowed_bytes, allowed_blocks;          /* by budgets */
    struct check_total {
        uint64_t places, bytes,
            blocks; /* neither suppressed nor allowed, whether they count or not */
    } total[LEAK_KINDS];
    uint64_t stale; /* entries of the user's own files that matched nothing */
    char **problem; /* why a run without findings would not be a clean one, a sentence each */
    size_t problem_count;
};

/*
 * Reads every recording among `tapes` (paths; other files are passed over). The caller has filled
 * in the first members of the check, down to fail_on_stale; counters of the suppressions and values
 * of the budgets are set. To be freed with check_free().
 */
void check_gather(struct check *, char *const *tapes, size_t count);
void check_free(struct check *);

/* Whether nothing was found, no budget broken, and nothing makes that doubtful. */
bool check_clean(const struct check *);

/* Whether no process of these recordings is still running: until then there may be more of them. */
bool check_settled(char *const *tapes, size_t count);

/* Whether findings of this kind count. */
static inline bool check_counts(const struct check *c, enum leak_kind kind) {
    return kind == LEAK_UNKNOWN || (c->kinds >> kind & 1) != 0;
}

/* Whether findings of this kind are listed. */
static inline bool check_shows(const struct check *c, enum leak_kind kind) {
    return kind == LEAK_UNKNOWN || (c->shown >> kind & 1) != 0;
}

/* check_read.c: reads the recordings of c->process; what each did not free goes to c->joined, under
 * a frame of its own at the inner end that says function and kind: its address is check_frame(). */
void check_read(struct check *c);
static inline uint64_t check_frame(uint8_t op, enum leak_kind kind) {
    return (op | (uint64_t)kind << 8) + 1;
}

/* Whether no block is left but such as are suppressed or allowed; otherwise there are some of kinds
 * that do not count. */
static inline bool check_all_freed(const struct check *c) {
    uint64_t places = 0;
    for (int kind = 0; kind < LEAK_KINDS; kind++)
        places += c->total[kind].places;
    return places == 0;
}

/* How reports look. */
struct check_style {
    uint32_t limit, depth; /* findings, and frames of each; 0: all */
    bool wide, show_suppressed;
    enum { GEN_NONE, GEN_YES, GEN_ALL } gen_suppressions; /* YES: as short as is safe */
    const char *kept; /* directory that stays, NULL: none does */
};

/* One line when all is well, otherwise the findings, what is wrong with the recordings, and a
 * summary. */
void check_print(FILE *, const struct check *, const struct check_style *);
/* `status`: the exit status of the check. Every finding and every frame. */
void check_print_json(FILE *, const struct check *, const struct check_style *, int status);

#endif
