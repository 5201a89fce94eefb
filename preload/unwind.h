/* SPDX-License-Identifier: MIT */
/*
 * Call stacks by call frame information compiled to rows, with a validated cache of the previous
 * stack.
 *
 * Every return address seen is compiled once into a row that says how to reach the next frame from
 * (pc, sp, fp) alone. A capture walks rows until it meets a frame of the previous stack in the
 * same state, then compares every word that the previous walk read from there to the root; if all
 * are unchanged the walk would read the same again, so the rest of the stack is known. The cost is
 * about 3-8 ns for a new frame and half a nanosecond for a kept one. docs/ARCHITECTURE.md,
 * "Unwinding", gives the argument and its conditions.
 *
 * A struct unwind belongs to one stream: never entered twice at once. Nothing here takes a lock,
 * calls libc's allocator or needs more than a few hundred bytes of the caller's stack.
 */
#ifndef UNWIND_H
#define UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfi.h"

enum row_cfa {
    ROW_SP,       /* CFA = sp + offset */
    ROW_FP,       /* CFA = fp + offset */
    ROW_FP_DEREF, /* CFA = *(fp + offset): a realigned stack */
    ROW_SP_DEREF, /* CFA = *(sp + offset) */
    ROW_GUESS,    /* no call frame information: assume a frame pointer */
    ROW_SIGNAL,   /* signal return trampoline: registers lie in the frame */
    ROW_END,      /* the outermost frame */
    ROW_COMPLEX,  /* needs other registers: walked by unwind_full.c */
    ROW_KINDS
};

enum row_fp { ROW_FP_KEPT, ROW_FP_AT_CFA /* saved at CFA + 8*fp_at */, ROW_FP_AT_FP };

/* Rows that the walk takes without a test but that of the stack's end: the CFA is sp plus at least
 * a word, and the frame pointer kept, or saved between the two. */
enum row_quick { ROW_NOT_QUICK, ROW_QUICK, ROW_QUICK_FP };

struct row {
    uint64_t address; /* the return address */
    int32_t cfa_offset;
    int16_t fp_at;     /* in words of 8 bytes */
    uint8_t cfa;       /* enum row_cfa */
    uint8_t fp;        /* enum row_fp */
    uint32_t next;     /* row of the frame that came after this one last time: a guess */
    uint8_t quick;     /* enum row_quick */
    uint8_t fp_used;   /* the frame pointer, as it is on return, is read to leave this frame */
    uint8_t fp_kept;   /* or may be further out */
    uint8_t in_module; /* the address lay in one when the row was made */
};

/* A word that the walk read, and what it held. */
struct unwind_word {
    const uint64_t *at;
    uint64_t value;
};

/* A frame of the remembered stack: the state on return into it. */
struct unwind_seen {
    uint64_t sp, fp;
    uint32_t row;
    uint32_t words; /* words of this and all outer frames; bit 31: fp matters further out */
};
#define UNWIND_FP_LIVE (UINT32_C(1) << 31)

/* A frame of the walk under way. */
struct unwind_fresh {
    uint64_t sp, fp;
    const struct unwind_word *words; /* the fresh words read before this frame was left */
    uint32_t row;
};
#define UNWIND_FRAME_WORDS 3 /* most that are read to leave one frame */

struct unwind_range {
    uint64_t low, high;
    bool own; /* the thread's own stack: it stays as it is for as long as the thread runs */
};

struct unwind_module {
    uint64_t start;
    const void *link_map;
    uint64_t end;
};

struct unwind_stats {
    uint64_t captures, frames, truncated, full_walks, signal_chains;
    uint64_t compared; /* captures that verify found equal */
    uint64_t rows[ROW_KINDS];
};

#define UNWIND_RANGES 4

struct unwind {
    /* rows by return address */
    struct row *rows;
    uint32_t *index; /* hash: row number + 1, 0 empty; 2 * row_cap entries */
    uint32_t row_count, row_cap, index_shift;
    uint32_t first; /* row of the innermost frame last time */
    /* The remembered stack, outermost first: the stack of the stream's last captured event. Before
     * the first frame and the first word stands one that nothing is equal to: no search passes it.
     */
    struct unwind_seen *seen;
    struct unwind_word *words;
    uint32_t depth, cap; /* frames; capacity of seen and fresh, a third of that of the words */
    bool valid;          /* the remembered words may be trusted */
    /* the walk under way, innermost first; words in the order read */
    struct unwind_fresh *fresh;
    struct unwind_word *fresh_words;
    uint32_t fresh_count; /* brought up to date when another function needs it */
    struct unwind_range range[UNWIND_RANGES];
    uint32_t range_next;
    uint32_t tid; /* whose stack: ranges are forgotten when it changes */
    /* modules met since the last reset, in order */
    struct unwind_module *modules;
    uint32_t module_count, module_cap;
    struct cfi_scratch *scratch;
    char *text;          /* UNWIND_TEXT bytes for reading /proc */
    uint64_t *reference; /* what libunwind found; verify and libunwind modes only */
    struct unwind_stats stats;
};
#define UNWIND_TEXT 4096

/* A stack to be recorded: frames outermost first, of which `row` counts; the `same` outermost ones
 * are those of the stack before. */
struct unwind_captured {
    const struct unwind_seen *seen;
    uint32_t depth, same;
};

/* Gives the unwinder its first memory: UNWIND_FIRST_BYTES of zeroed whole pages from sys_map, parts
 * of which it may later move and return. */
void unwind_init(struct unwind *u, void *memory);
#define UNWIND_FIRST_BYTES (20 * 4096)

/* Forgets rows, modules and the remembered stack: the address space has changed. */
void unwind_reset(struct unwind *u);

/* Forgets the remembered stack and the stack ranges: another thread goes on. */
void unwind_new_thread(struct unwind *u, uint32_t tid);

/*
 * Captures the stack that starts at (pc, sp, fp): pc is a return address, sp the stack pointer
 * behind it, fp the caller's frame pointer. Afterwards u->seen[0 .. u->depth) is the stack,
 * outermost first; returns how many of the outermost frames are the same as they were in the
 * stack captured before (they need not be said again).
 */
uint32_t unwind_capture(struct unwind *u, uint64_t pc, uint64_t sp, uint64_t fp);

/* Puts a stack that another unwinder found (return addresses, innermost first) in place of a
 * capture; same result. For unwind_libunwind.c. */
uint32_t unwind_adopt(struct unwind *u, const uint64_t *addresses, uint32_t count);

/* ---- between unwind.c, unwind_rows.c and unwind_full.c ------------------------------------ */

/* Where in the index the search for a return address begins. Fibonacci hashing; return addresses
 * differ in their low bits. */
static inline uint32_t unwind_slot(const struct unwind *u, uint64_t address) {
    return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> u->index_shift);
}

/* The row of a return address, compiled when new; u->rows may move. UINT32_MAX: out of memory. */
uint32_t unwind_find_row(struct unwind *u, uint64_t address);

/* A row that guesses because there was no call frame information for its address: there may be some
 * by now, of a module that was loaded where code made at run time had been. */
void unwind_recheck_guess(struct unwind *u, struct row *row);

/* The readable range around sp on this thread's stack; NULL when it cannot be known. */
const struct unwind_range *unwind_find_range(struct unwind *u, uint64_t sp);

/* The same for a range that is not the thread's own stack, by a look at what is there now; NULL
 * when the kernel cannot be asked. */
const struct unwind_range *unwind_check_range(struct unwind *u, const struct unwind_range *range,
                                              uint64_t sp);

/* Room for one more fresh frame; false when memory is out. */
bool unwind_grow(struct unwind *u);

/*
 * Walks the whole chain with all registers, starting from the caller's own frame, into u->fresh
 * (states only, no words) beginning with the frame whose stack pointer is `sp`. False when the
 * chain was cut short.
 */
bool unwind_full(struct unwind *u, uint64_t sp);

/* The registers of the function that continues with the stack pointer `sp`, some frames out of the
 * recorder's own; false, and those of a frame further in, when they cannot be had. */
bool unwind_registers(struct unwind *u, uint64_t sp, uint64_t regs[ARCH_REGS]);

#endif
