/* SPDX-License-Identifier: MIT */
/*
 * Whose blocks are freed by whom: for every two threads, the blocks that one allocated and the
 * other freed; and what of each thread's blocks is live at the end.
 *
 * Cells exist where there is something to count. A program may have any number of short threads:
 * the first THREAD_GROUPS_OWN threads are told apart, later ones are counted together with those
 * of the same name, so cells stay bounded. A block that its own thread frees costs one comparison.
 * Not thread-safe per object.
 */
#ifndef THREAD_MATRIX_H
#define THREAD_MATRIX_H

#include "replay.h"

#define THREAD_GROUPS_OWN   1024 /* threads that are groups of their own */
#define THREAD_GROUPS_NAMES 1024 /* names with a group; the last one takes all other names */

struct thread_matrix;

/* `replay` tells the names of threads; it must outlive the object. */
struct thread_matrix *thread_matrix_new(const struct replay *);
void thread_matrix_free(struct thread_matrix *);

/* Threads are indices for replay_thread; by == UINT32_MAX: nobody knows who freed it. */
void thread_matrix_add(struct thread_matrix *, uint32_t of, uint32_t by, uint64_t bytes);

/* A block of the thread is live at the end. */
void thread_matrix_add_live(struct thread_matrix *, uint32_t of, uint64_t bytes);

struct thread_cell {
    uint64_t blocks, bytes;
};

/* What lives of a thread's blocks. */
struct thread_cell thread_matrix_live(const struct thread_matrix *, uint32_t thread);

/* A row, and the column of the same number: a thread, or several that are counted together. */
struct thread_row {
    uint32_t threads;                 /* 1, or how many */
    uint64_t tid;                     /* of a single one */
    const char *name;                 /* NULL: threads of several names */
    uint64_t calls;                   /* allocations and frees: what rows are sorted by */
    struct thread_cell *freed;        /* by column: allocated by this row, freed by that one */
    struct thread_cell unknown, live; /* freed by nobody knows whom; not freed */
};

struct thread_table {
    uint32_t count; /* rows, and columns */
    bool crossed;   /* some block was freed by a thread other than its own */
    bool unknown;   /* some row has frees by nobody knows whom */
    struct thread_row *row;
};

/*
 * The `largest` rows by calls, and one for the rest, without threads that have neither allocated
 * nor freed. Behind the replay. Names live as long as the replay. The caller frees with
 * thread_table_free.
 */
struct thread_table *thread_matrix_table(const struct thread_matrix *, uint32_t largest);
void thread_table_free(struct thread_table *);

#endif
