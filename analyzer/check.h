/* SPDX-License-Identifier: MIT */
/*
 * What a leak check found: the recordings of all processes of one run, and every block that was
 * not freed at their ends, joined by call stack and compared with the suppressions.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "check_stack.h"
#include "growth.h"
#include "joined.h"
#include "leak_kind.h"
#include "mismatches.h"
#include "suppressions.h"
#include "test_log.h"
#include "unseen.h"

enum check_end {
    CHECK_CLOSED,     /* ended in order */
    CHECK_REPLACED,   /* by exec: the next image of the same process is there, too */
    CHECK_KILLED,     /* by a signal, abort() too: there is no saying what it had lost */
    CHECK_UNSEEN,     /* not closed, and nobody knows why */
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
    bool empty; /* it ended before its recording had begun: CHECK_UNSEEN or _KILLED, nothing to read
                 */
    int signal; /* CHECK_KILLED: by which */
    uint8_t id[TAPE_ID_BYTES], parent_id[TAPE_ID_BYTES]; /* of its tape, and of its parent's */
    bool forked;                                         /* there is a parent_id */
    uint64_t fork_stamp;                                 /* ticks */
    char *unclassified; /* why its blocks are LEAK_UNKNOWN, see leak_survey.h; NULL: they are not,
                           or nobody asked */
    bool in_place;      /* no copy of it could be made for its heap image: LEAK_IN_PLACE */
    uint64_t events, allocations, lost, damaged_chunks, damaged_bytes, truncated;
};

/* A program that was started and left no recording. */
struct check_unrecorded {
    char *path;     /* owned */
    char *why;      /* "is statically linked"; "": it cannot be told; owned */
    uint64_t times; /* that it was started */
};

/* A test that the programs marked, by its name over all processes. */
struct check_test {
    char *name;
    uint64_t runs, ns;
    uint64_t places, bytes, blocks; /* of findings: how many, and what was allocated in the test */
};

/* A call site that grows with the rounds of a loop, see growth.h. Texts are owned. */
struct check_growth {
    char *loop, *sentence; /* growing_sentence() */
    uint64_t rounds, measured, blocks, bytes, grew;
    uint32_t processes;
    struct check_stack stack;
};

/* A place whose blocks were given back by another kind of function, see mismatches.h. */
struct check_mismatch {
    const char *made, *gone; /* functions, static texts */
    uint64_t blocks, bytes;
    uint32_t processes;
    size_t process; /* the newest one in which it was met */
    struct check_stack stack;
};

/* What was allocated in one test, of a finding. */
struct check_share {
    uint32_t site; /* check_tests.c's own */
    uint32_t test; /* in check.test */
    uint64_t bytes, blocks;
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
    const struct check_share *share; /* by test, in the order of check.test; what is missing was
                                        allocated outside of tests */
    uint32_t share_count;
};

/* Whether its blocks are of an allocator of the program's own. */
static inline bool check_is_of_pool(const struct check_finding *f) {
    return strcmp(f->op, tape_op_name(TAPE_OP_POOL_ALLOC)) == 0;
}

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
    bool calls_apart;    /* frames that read the same differ where the calls' addresses do */
    struct suppressions *suppressions; /* not owned */
    struct budgets *budgets;           /* not owned; may be empty */
    const struct folding *folding;     /* not owned; of the text */
    bool fail_on_growth;               /* so do loops that grow: otherwise nobody looks at them */
    bool fail_on_mismatch;             /* so do mismatches: otherwise nobody looks at them */
    bool fail_on_killed;               /* children that were killed make it fail */
    bool fail_on_unrecorded;           /* so do programs that left no recording */
    const char *process_log; /* file with the programs that were started, NULL: not known; not
                                owned */
    bool fail_on_stale;      /* stale suppressions make it fail */

    struct check_process *process; /* by start */
    size_t process_count;
    struct unseen unseen, unseen_first;  /* of its children; of the program that was started */
    struct check_unrecorded *unrecorded; /* by their first start */
    size_t unrecorded_count;
    bool process_log_full;         /* there may be more */
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
    uint64_t ignored_bytes, ignored_blocks; /* kept on purpose: heaptape_ignore() */
    struct check_test *test;                /* in the order in which they were met */
    uint32_t test_count;
    uint32_t *test_table, test_mask; /* check_tests.c's own, as what follows */
    struct check_share *share;
    size_t share_count;
    struct check_growth *growth; /* with fail_on_growth */
    size_t growth_count;
    struct check_mismatch *mismatch; /* with fail_on_mismatch */
    size_t mismatch_count;
    uint64_t loops; /* that were marked, in all processes */
    uint64_t stale; /* entries of the user's own files that matched nothing */
    char **problem; /* why a run without findings would not be a clean one, a sentence each */
    size_t problem_count;
    char **note; /* what is good to know and makes nothing fail, a sentence each */
    size_t note_count;
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

/*
 * check_processes.c: _list fills c->process from the files, _judge adds problems and notes of each
 * process, and check_judge_classes, when the findings are there, those of their heap images.
 */
void check_list_processes(struct check *, char *const *tapes, size_t count);
void check_judge_processes(struct check *);
/* Whether there is a recording of it to be read. */
bool check_is_read(const struct check_process *);
void check_judge_classes(struct check *);

/* "SIGKILL", or "signal 40"; the caller frees. */
char *check_signal_name(int signal);

/*
 * check_process_log.c: fills c->unrecorded, when the processes are listed, and says of processes
 * that are CHECK_UNSEEN so far how they ended: CHECK_REPLACED by such a program, or CHECK_KILLED.
 * The sentence that names unrecorded programs; the caller frees.
 */
void check_take_process_log(struct check *);
char *check_unrecorded_sentence(const struct check *);
void check_unrecorded_free(struct check *);

/* check_read.c: reads the recordings of c->process; what each did not free goes to c->joined, under
 * a frame of its own at the inner end that says function and kind: its address is check_frame(). */
void check_read(struct check *c);
static inline uint64_t check_frame(uint8_t op, enum leak_kind kind) {
    return (op | (uint64_t)kind << 8) + 1;
}

/*
 * check_tests.c: which tests there are. _take adds those of a recording and returns their numbers
 * (the caller frees; NULL: it has none), _note what a joined stack got in one of them, _assign
 * hands that to the findings, which are those of joined_sites as it gave them, and _sum adds it up.
 */
uint32_t *check_tests_take(struct check *, const struct test_log *);
void check_tests_note(struct check *, uint32_t stack, uint32_t test, uint64_t bytes,
                      uint64_t blocks);
void check_tests_assign(struct check *);
void check_tests_sum(struct check *);
void check_tests_free(struct check *);

/* "in tests a, b, c and 4 more"; NULL when no program marks tests. The caller frees. */
char *check_tests_phrase(const struct check *, const struct check_finding *);

/* check_growth.c: adds what grows in one recording, and ends `growth`'s run. */
void check_growth_take(struct check *, struct stacks *, struct growth *);
void check_growth_free(struct check *);

/* check_mismatches.c: adds what one recording has; number: of the process. */
void check_mismatches_take(struct check *, const struct tape_process *, size_t number,
                           struct stacks *, const struct mismatches *);
void check_mismatches_free(struct check *);

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

/* The allocation function as suppressions name it: operators of C++ by their linkage names. */
static inline const char *check_op_linkage(const char *op) {
    if (strcmp(op, "operator new") == 0)
        return "_Znwm";
    return strcmp(op, "operator new[]") == 0 ? "_Znam" : op;
}

#endif
