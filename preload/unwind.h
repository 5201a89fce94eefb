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

struct row {
    uint64_t address; /* the return address */
    int32_t cfa_offset;
    int16_t fp_at; /* in words of 8 bytes */
    uint8_t cfa;   /* enum row_cfa */
    uint8_t fp;    /* enum row_fp */
    uint32_t next; /* row of the frame that came after this one last time: a guess */
    uint32_t reserved;
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
    uint32_t row, words;
    struct unwind_word word[3]; /* in the order read */
};

struct unwind_range {
    uint64_t low, high;
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
    /* the remembered stack, outermost first: the stack of the stream's last captured event */
    struct unwind_seen *seen;
    struct unwind_word *words;
    uint32_t depth, cap; /* frames; capacity of seen and fresh, a third of that of words */
    bool valid;          /* the remembered words may be trusted */
    /* the walk under way, innermost first */
    struct unwind_fresh *fresh;
    uint32_t fresh_count;
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

/* The row of a return address, compiled when new; u->rows may move. UINT32_MAX: out of memory. */
uint32_t unwind_find_row(struct unwind *u, uint64_t address);

/* The readable range around sp on this thread's stack; NULL when it cannot be known. */
const struct unwind_range *unwind_find_range(struct unwind *u, uint64_t sp);

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
