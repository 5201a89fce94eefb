/* SPDX-License-Identifier: MIT */
/*
 * The walk with all registers, for chains that rows cannot express. It starts from its own
 * frame, because the callee-saved registers of the program lie in the recorder's frames.
 */
#include <string.h>

#include "unwind.h"

static bool load(const struct cfi_memory *stack, uint64_t at, uint64_t *value) {
    if (at < stack->low || at > stack->high - 8)
        return false;
    memcpy(value, (const void *)at, sizeof *value);
    return true;
}

static bool find_cfa(const struct cfi_rules *rules, const uint64_t regs[ARCH_REGS],
                     const struct cfi_memory *stack, uint64_t *cfa) {
    if (rules->cfa_expr == NULL) {
        if (rules->cfa_register >= ARCH_REGS)
            return false;
        *cfa = regs[rules->cfa_register] + (uint64_t)rules->cfa_offset;
        return true;
    }
    *cfa = 0;
    return cfi_evaluate(rules->cfa_expr, rules->cfa_expr_bytes, regs, stack, cfa, NULL);
}

/* The caller's registers from the callee's; false when a rule reads what may not be read. */
static bool apply(const struct cfi_rules *rules, const struct cfi_memory *stack,
                  uint64_t regs[ARCH_REGS]) {
    uint64_t cfa, out[ARCH_REGS];
    if (!find_cfa(rules, regs, stack, &cfa))
        return false;
    for (unsigned i = 0; i < ARCH_REGS; i++) {
        const struct cfi_rule *rule = &rules->reg[i];
        uint64_t v = cfa;
        switch (rule->kind) {
        case CFI_SAME:
        case CFI_UNDEFINED:
            v = regs[i];
            break;
        case CFI_OFFSET:
            if (!load(stack, cfa + (uint64_t)rule->value, &v))
                return false;
            break;
        case CFI_VAL_OFFSET:
            v = cfa + (uint64_t)rule->value;
            break;
        case CFI_REGISTER:
            if (rule->value >= ARCH_REGS)
                return false;
            v = regs[rule->value];
            break;
        case CFI_EXPR:
            if (!cfi_evaluate(rule->expr, rule->expr_bytes, regs, stack, &v, NULL) ||
                !load(stack, v, &v))
                return false;
            break;
        default:
            if (!cfi_evaluate(rule->expr, rule->expr_bytes, regs, stack, &v, NULL))
                return false;
            break;
        }
        out[i] = v;
    }
    memcpy(regs, out, sizeof out);
    return true;
}

bool unwind_full(struct unwind *u, uint64_t sp) {
    uint64_t regs[ARCH_REGS];
    arch_get_registers(regs);
    const struct unwind_range *range = unwind_find_range(u, regs[ARCH_REG_SP]);
    bool ours = true; /* still in the recorder's own frames */
    u->fresh_count = 0;
    while (range != NULL) {
        uint64_t pc = regs[ARCH_REG_RA];
        if (ours && regs[ARCH_REG_SP] >= sp)
            ours = false;
        if (!ours) {
            uint32_t row = unwind_find_row(u, pc);
            if (row == UINT32_MAX || !unwind_grow(u))
                return false;
            u->fresh[u->fresh_count++] =
                (struct unwind_fresh){.sp = regs[ARCH_REG_SP], .fp = regs[ARCH_REG_FP], .row = row};
        }
        struct cfi_module module;
        struct cfi_memory stack = {regs[ARCH_REG_SP] - ARCH_RED_ZONE, range->high};
        if (stack.low < range->low)
            stack.low = range->low;
        bool found = cfi_find_module(pc - 1, &module) &&
                     cfi_find_rules(pc - 1, &module, u->scratch) == CFI_OK;
        if (!found) { /* frame pointer, under the same conditions as ROW_GUESS */
            uint64_t fp = regs[ARCH_REG_FP];
            if (fp < regs[ARCH_REG_SP] || fp - regs[ARCH_REG_SP] > 0x4000)
                return true;
            if (!load(&stack, fp + 8, &regs[ARCH_REG_RA]) || !load(&stack, fp, &regs[ARCH_REG_FP]))
                return false;
            regs[ARCH_REG_SP] = fp + 16;
        } else if (u->scratch->now.signal_frame) {
            uint64_t at = regs[ARCH_REG_SP];
            for (unsigned i = 0; i < ARCH_REGS; i++)
                if (!load(&stack, at + arch_signal_offset[i], &regs[i]))
                    return false;
            regs[ARCH_REG_RA]++;
            range = unwind_find_range(u, regs[ARCH_REG_SP]);
        } else if (u->scratch->now.reg[ARCH_REG_RA].kind == CFI_UNDEFINED) {
            return true;
        } else {
            uint64_t before = regs[ARCH_REG_SP];
            if (!apply(&u->scratch->now, &stack, regs) || regs[ARCH_REG_SP] <= before)
                return false;
        }
        if (regs[ARCH_REG_RA] == 0)
            return true;
    }
    return false;
}

bool unwind_registers(struct unwind *u, uint64_t sp, uint64_t regs[ARCH_REGS]) {
    arch_get_registers(regs);
    const struct unwind_range *range = unwind_find_range(u, regs[ARCH_REG_SP]);
    while (range != NULL && regs[ARCH_REG_SP] < sp) {
        struct cfi_memory stack = {regs[ARCH_REG_SP] - ARCH_RED_ZONE, range->high};
        struct cfi_module module;
        uint64_t pc = regs[ARCH_REG_RA];
        if (stack.low < range->low)
            stack.low = range->low;
        if (!cfi_find_module(pc - 1, &module) ||
            cfi_find_rules(pc - 1, &module, u->scratch) != CFI_OK ||
            !apply(&u->scratch->now, &stack, regs))
            return false;
    }
    return regs[ARCH_REG_SP] == sp;
}
