/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: how the caller's registers are found at one address.
 *
 * Reads .eh_frame of loaded modules in place, by way of _dl_find_object (no lock, no allocation)
 * and the binary search table of .eh_frame_hdr. Sources: DWARF 5 §6.4; Linux Standard Base,
 * "Exception Frames"; System V ABI AMD64 supplement §3.6.
 *
 * Thread and signal safety: all state is in the caller's memory; any context may call.
 */
#ifndef CFI_H
#define CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"

enum cfi_rule_kind {
    CFI_SAME = 0,   /* the caller's value is still in the register */
    CFI_UNDEFINED,  /* lost; for the return address: there is no caller */
    CFI_OFFSET,     /* saved at CFA + value */
    CFI_VAL_OFFSET, /* is CFA + value */
    CFI_REGISTER,   /* in register `value` */
    CFI_EXPR,       /* saved at the address that the expression gives */
    CFI_VAL_EXPR    /* is what the expression gives */
};

struct cfi_rule {
    uint8_t kind;        /* enum cfi_rule_kind */
    uint32_t expr_bytes; /* for EXPR and VAL_EXPR */
    union {
        int64_t value;
        const uint8_t *expr;
    };
};

/* The rules in force at one address. */
struct cfi_rules {
    bool signal_frame;    /* a signal return trampoline: the caller's pc is exact */
    uint8_t cfa_register; /* CFA = register + offset, unless cfa_expr is set */
    uint32_t cfa_expr_bytes;
    int64_t cfa_offset;
    const uint8_t *cfa_expr;
    struct cfi_rule reg[ARCH_REGS];
};

/* Working memory of the interpreter; too large for a hook's stack. */
#define CFI_REMEMBER_DEPTH 8
struct cfi_scratch {
    struct cfi_rules now, initial, remembered[CFI_REMEMBER_DEPTH];
};

enum cfi_result {
    CFI_OK,
    CFI_NO_MODULE, /* the address belongs to no loaded module */
    CFI_NO_FDE,    /* its module says nothing about it */
    CFI_BAD        /* what it says cannot be understood */
};

/* The loaded module around an address. */
struct cfi_module {
    uint64_t start, end;         /* run-time addresses */
    const void *link_map;        /* struct link_map * */
    const uint8_t *eh_frame_hdr; /* NULL when the module has none */
};

bool cfi_find_module(uint64_t pc, struct cfi_module *m);

/* The rules at `pc` of module `m` into s->now. */
enum cfi_result cfi_find_rules(uint64_t pc, const struct cfi_module *m, struct cfi_scratch *s);

/* Memory that an evaluation may read: [low, high). */
struct cfi_memory {
    uint64_t low, high;
};

/*
 * Evaluates a DWARF expression. *value is in: the initial stack entry (the CFA, for register
 * rules), out: the result. `used` (may be NULL) collects a bit for each register read, bit 31 for
 * a read of memory. False when it reads outside `memory` or uses an unknown operation.
 */
bool cfi_evaluate(const uint8_t *expr, uint32_t bytes, const uint64_t regs[ARCH_REGS],
                  const struct cfi_memory *memory, uint64_t *value, uint32_t *used);
#define CFI_USED_MEMORY (UINT32_C(1) << 31)

#endif
