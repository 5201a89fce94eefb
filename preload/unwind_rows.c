/* SPDX-License-Identifier: MIT */
/* Return addresses compiled to rows, lazily, in an open-addressing table. */
#include <stdatomic.h>
#include <string.h>

#include "leb128.h"
#include "sys.h"
#include "unwind.h"

static void insert(struct unwind *u, uint32_t row) {
    uint32_t mask = 2 * u->row_cap - 1;
    uint32_t slot = unwind_slot(u, u->rows[row].address);
    while (u->index[slot] != 0)
        slot = (slot + 1) & mask;
    u->index[slot] = row + 1;
}

static bool grow_rows(struct unwind *u) {
    uint32_t cap = u->row_cap * 2;
    void *rows = sys_remap(u->rows, u->row_cap * sizeof *u->rows, cap * sizeof *u->rows);
    if (rows == NULL)
        return false;
    u->rows = rows;
    uint32_t *index = sys_map(2 * cap * sizeof *u->index);
    if (index == NULL)
        return false;
    sys_unmap(u->index, 2 * u->row_cap * sizeof *u->index);
    u->index = index;
    u->row_cap = cap;
    u->index_shift--;
    for (uint32_t i = 0; i < u->row_count; i++)
        insert(u, i);
    return true;
}

static void note_module(struct unwind *u, const struct cfi_module *m) {
    for (uint32_t i = u->module_count; i-- > 0;)
        if (u->modules[i].start == m->start && u->modules[i].link_map == m->link_map)
            return;
    if (u->module_count == u->module_cap) {
        void *p = sys_remap(u->modules, u->module_cap * sizeof *u->modules,
                            2 * u->module_cap * sizeof *u->modules);
        if (p == NULL)
            return; /* its frames will print as bare addresses */
        u->modules = p;
        u->module_cap *= 2;
    }
    u->modules[u->module_count++] =
        (struct unwind_module){.start = m->start, .link_map = m->link_map, .end = m->end};
}

/* An expression that is sp plus a constant as far as this address goes (PLT entries test pc). */
static bool is_sp_plus(const struct cfi_rules *rules, uint64_t pc, int64_t *offset) {
    uint64_t regs[ARCH_REGS] = {0}, low = 0, high = 0;
    uint32_t used = 0;
    const struct cfi_memory none = {0, 0};
    const uint64_t far = UINT64_C(1) << 40;
    regs[ARCH_REG_RA] = pc;
    if (!cfi_evaluate(rules->cfa_expr, rules->cfa_expr_bytes, regs, &none, &low, &used))
        return false;
    regs[ARCH_REG_SP] = far;
    if (!cfi_evaluate(rules->cfa_expr, rules->cfa_expr_bytes, regs, &none, &high, &used))
        return false;
    *offset = (int64_t)low;
    return high - low == far &&
           (used & ~(UINT32_C(1) << ARCH_REG_SP | UINT32_C(1) << ARCH_REG_RA)) == 0;
}

/* The offset of an expression that is one register plus it, and nothing else. */
static bool read_breg(const uint8_t *p, const uint8_t *end, unsigned reg, int64_t *offset) {
    bool bad = false;
    if (p >= end || *p++ != 0x70 + reg)
        return false;
    *offset = leb128_signed(&p, end, &bad);
    return !bad && p == end;
}

static bool classify_cfa(const struct cfi_rules *rules, uint64_t pc, struct row *row) {
    int64_t offset = rules->cfa_offset;
    if (rules->cfa_expr == NULL) {
        if (rules->cfa_register == ARCH_REG_SP)
            row->cfa = ROW_SP;
        else if (rules->cfa_register == ARCH_REG_FP)
            row->cfa = ROW_FP;
        else
            return false;
    } else {
        const uint8_t *p = rules->cfa_expr, *end = p + rules->cfa_expr_bytes;
        if (end > p && end[-1] == 0x06 && read_breg(p, end - 1, ARCH_REG_FP, &offset))
            row->cfa = ROW_FP_DEREF;
        else if (end > p && end[-1] == 0x06 && read_breg(p, end - 1, ARCH_REG_SP, &offset))
            row->cfa = ROW_SP_DEREF;
        else if (is_sp_plus(rules, pc, &offset))
            row->cfa = ROW_SP;
        else
            return false;
    }
    row->cfa_offset = (int32_t)offset;
    return row->cfa_offset == offset;
}

static bool classify_fp(const struct cfi_rules *rules, struct row *row) {
    const struct cfi_rule *fp = &rules->reg[ARCH_REG_FP];
    int64_t at = fp->value;
    switch (fp->kind) {
    case CFI_SAME:
    case CFI_UNDEFINED:
        row->fp = ROW_FP_KEPT;
        return true;
    case CFI_OFFSET:
        row->fp = ROW_FP_AT_CFA;
        break;
    case CFI_EXPR:
        if (!read_breg(fp->expr, fp->expr + fp->expr_bytes, ARCH_REG_FP, &at))
            return false;
        row->fp = ROW_FP_AT_FP;
        break;
    default:
        return false;
    }
    row->fp_at = (int16_t)(at / 8);
    return at % 8 == 0 && row->fp_at == at / 8;
}

static void compile(struct unwind *u, uint64_t address, struct row *row) {
    uint64_t pc = address - 1; /* inside the call, which may end its function */
    struct cfi_module module;
    *row = (struct row){.address = address, .cfa = ROW_GUESS, .fp = ROW_FP_AT_FP};
    if (!cfi_find_module(pc, &module))
        return;
    row->in_module = true;
    note_module(u, &module);
    switch (cfi_find_rules(pc, &module, u->scratch)) {
    case CFI_OK:
        break;
    case CFI_BAD:
        row->cfa = ROW_COMPLEX;
        return;
    default:
        return;
    }
    const struct cfi_rules *rules = &u->scratch->now;
    const struct cfi_rule *ra = &rules->reg[ARCH_REG_RA];
    row->fp = ROW_FP_KEPT;
    if (rules->signal_frame)
        row->cfa = ROW_SIGNAL;
    else if (ra->kind == CFI_UNDEFINED)
        row->cfa = ROW_END;
    else if (ra->kind != CFI_OFFSET || ra->value != -8 || !classify_cfa(rules, pc, row) ||
             !classify_fp(rules, row))
        row->cfa = ROW_COMPLEX;
}

/* What the walk and the remembered stack need to know of a row, worked out once. */
static void set_quick(struct row *row) {
    int64_t saved = (int64_t)row->fp_at * 8;
    row->fp_used = row->cfa == ROW_FP || row->cfa == ROW_FP_DEREF || row->cfa == ROW_GUESS ||
                   row->fp == ROW_FP_AT_FP;
    row->fp_kept = row->fp == ROW_FP_KEPT;
    row->quick = ROW_NOT_QUICK;
    if (row->cfa != ROW_SP || row->cfa_offset < 8 || row->cfa_offset % 8 != 0)
        return;
    if (row->fp == ROW_FP_KEPT)
        row->quick = ROW_QUICK;
    else if (row->fp == ROW_FP_AT_CFA && saved <= -8 && row->cfa_offset + saved >= 0)
        row->quick = ROW_QUICK_FP;
}

void unwind_recheck_guess(struct unwind *u, struct row *row) {
    struct cfi_module module;
    if (!cfi_find_module(row->address - 1, &module))
        return;
    uint32_t next = row->next;
    compile(u, row->address, row);
    set_quick(row);
    row->next = next;
}

uint32_t unwind_find_row(struct unwind *u, uint64_t address) {
    uint32_t mask = 2 * u->row_cap - 1;
    for (uint32_t slot = unwind_slot(u, address); u->index[slot] != 0; slot = (slot + 1) & mask)
        if (u->rows[u->index[slot] - 1].address == address)
            return u->index[slot] - 1;
    if (u->row_count == u->row_cap && !grow_rows(u))
        return UINT32_MAX;
    uint32_t row = u->row_count;
    struct row made;
    compile(u, address, &made);
    set_quick(&made);
    made.next = row; /* always a row that exists */
    u->stats.rows[made.cfa]++;
    /* The thread may be cancelled at any instruction, and another one goes on with these rows: one
     * that has its address, by which predictions find it, is counted, or no buffer would have it.
     */
    made.address = 0;
    u->rows[row] = made;
    atomic_signal_fence(memory_order_seq_cst);
    u->row_count++;
    atomic_signal_fence(memory_order_seq_cst);
    u->rows[row].address = address;
    atomic_signal_fence(memory_order_seq_cst);
    insert(u, row);
    return row;
}
