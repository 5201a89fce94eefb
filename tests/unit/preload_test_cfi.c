/* SPDX-License-Identifier: MIT */
/*
 * The recorder's reading of call frame information against libdw's, at addresses spread over every
 * module that this process has loaded, and expressions by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cfi.h"
#include "unwind.h"

enum { ADDRESSES = 4000 };

struct tally {
    unsigned modules, compared, no_fde;
    char difference[256]; /* the first one */
};

static bool same_rule(Dwarf_Frame *frame, int reg, const struct cfi_rule *rule) {
    Dwarf_Op memory[3], *ops;
    size_t count;
    if (dwarf_frame_register(frame, reg, memory, &ops, &count) != 0)
        return false;
    if (count == 0) /* libdw's default for a register without rule depends on the ABI: same */
        return ops == NULL ? rule->kind == CFI_SAME
                           : rule->kind == CFI_UNDEFINED || rule->kind == CFI_SAME;
    if (ops[0].atom == DW_OP_call_frame_cfa) {
        int64_t offset =
            count >= 2 && ops[1].atom == DW_OP_plus_uconst ? (int64_t)ops[1].number : 0;
        bool is_value = ops[count - 1].atom == DW_OP_stack_value;
        if (rule->kind == CFI_OFFSET || rule->kind == CFI_VAL_OFFSET)
            return rule->value == offset && (rule->kind == CFI_VAL_OFFSET) == is_value;
    }
    return rule->kind == CFI_EXPR || rule->kind == CFI_VAL_EXPR || rule->kind == CFI_REGISTER;
}

static bool same_cfa(Dwarf_Frame *frame, const struct cfi_rules *rules) {
    Dwarf_Op *ops;
    size_t count;
    if (dwarf_frame_cfa(frame, &ops, &count) != 0)
        return false;
    if (rules->cfa_expr != NULL)
        return count > 1 || ops[0].atom != DW_OP_bregx;
    if (count != 1)
        return false;
    if (ops[0].atom == DW_OP_bregx)
        return ops[0].number == rules->cfa_register && (int64_t)ops[0].number2 == rules->cfa_offset;
    return ops[0].atom == DW_OP_breg0 + rules->cfa_register &&
           (int64_t)ops[0].number == rules->cfa_offset;
}

static void compare_at(Dwarf_CFI *cfi, const struct dl_phdr_info *info, uint64_t vaddr,
                       struct tally *tally) {
    static struct cfi_scratch scratch;
    static const int saved[] = {3, 6, 12, 13, 14, 15, 16};
    struct cfi_module module;
    uint64_t pc = info->dlpi_addr + vaddr;
    assert_true(cfi_find_module(pc, &module));
    Dwarf_Frame *frame = NULL;
    enum cfi_result result = cfi_find_rules(pc, &module, &scratch);
    bool theirs = dwarf_cfi_addrframe(cfi, vaddr, &frame) == 0;
    if (result == CFI_NO_FDE && !theirs) {
        tally->no_fde++;
        return;
    }
    bool equal = (result == CFI_OK) == theirs;
    int reg = -1;
    if (equal && theirs) {
        bool signal;
        dwarf_frame_info(frame, NULL, NULL, &signal);
        equal = signal == scratch.now.signal_frame && same_cfa(frame, &scratch.now);
        for (unsigned i = 0; equal && i < sizeof saved / sizeof *saved; i++) {
            reg = saved[i];
            equal = same_rule(frame, reg, &scratch.now.reg[reg]);
        }
        tally->compared++;
    }
    free(frame);
    if (!equal && tally->difference[0] == 0)
        snprintf(tally->difference, sizeof tally->difference,
                 "%s at %#lx: result %d, libdw %d, register %d", info->dlpi_name,
                 (unsigned long)vaddr, (int)result, theirs, reg);
}

static int compare_module(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct tally *tally = context;
    const char *path = *info->dlpi_name != 0 ? info->dlpi_name : "/proc/self/exe";
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0; /* the vDSO */
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    Dwarf_CFI *cfi = elf != NULL ? dwarf_getcfi_elf(elf) : NULL;
    for (unsigned i = 0; cfi != NULL && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0)
            continue;
        uint64_t step = segment->p_memsz / ADDRESSES + 1;
        for (uint64_t at = 0; at < segment->p_memsz; at += step)
            compare_at(cfi, info, segment->p_vaddr + at, tally);
    }
    tally->modules += cfi != NULL;
    if (cfi != NULL)
        dwarf_cfi_end(cfi);
    elf_end(elf);
    close(fd);
    return 0;
}

static void test_rules_equal_libdw(void **state) {
    (void)state;
    struct tally tally = {0};
    elf_version(EV_CURRENT);
    dl_iterate_phdr(compare_module, &tally);
    print_message("# %u modules, %u addresses compared, %u without information\n", tally.modules,
                  tally.compared, tally.no_fde);
    assert_string_equal(tally.difference, "");
    assert_true(tally.modules >= 4);
    assert_true(tally.compared > 10000);
}

static void test_expression_of_plt(void **state) {
    (void)state;
    /* rsp + 8 + ((rip & 15) >= 11) * 8, as the linker writes it for .plt */
    static const uint8_t plt[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
    const struct cfi_memory none = {0, 0};
    uint64_t regs[ARCH_REGS] = {[ARCH_REG_SP] = 0x1000, [ARCH_REG_RA] = 0x400020};
    uint64_t value = 0;
    uint32_t used = 0;
    assert_true(cfi_evaluate(plt, sizeof plt, regs, &none, &value, &used));
    assert_int_equal(value, 0x1008);
    assert_int_equal(used, 1u << ARCH_REG_SP | 1u << ARCH_REG_RA);
    regs[ARCH_REG_RA] = 0x40002b;
    value = 0;
    assert_true(cfi_evaluate(plt, sizeof plt, regs, &none, &value, NULL));
    assert_int_equal(value, 0x1010);
}

static void test_expression_reads_only_what_it_may(void **state) {
    (void)state;
    static const uint8_t deref[] = {0x76, 0x78, 0x06}; /* *(rbp - 8) */
    uint64_t word[4] = {1, 2, 3, 4}, value = 0;
    uint64_t regs[ARCH_REGS] = {[ARCH_REG_FP] = (uint64_t)&word[2]};
    struct cfi_memory memory = {(uint64_t)&word[1], (uint64_t)&word[3]};
    assert_true(cfi_evaluate(deref, sizeof deref, regs, &memory, &value, NULL));
    assert_int_equal(value, 2);
    regs[ARCH_REG_FP] = (uint64_t)&word[1];
    assert_false(cfi_evaluate(deref, sizeof deref, regs, &memory, &value, NULL));
    static const uint8_t unknown[] = {0xf0};
    assert_false(cfi_evaluate(unknown, sizeof unknown, regs, &memory, &value, NULL));
    static const uint8_t underflow[] = {0x13, 0x13};
    assert_false(cfi_evaluate(underflow, sizeof underflow, regs, &memory, &value, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_equal_libdw),
        cmocka_unit_test(test_expression_of_plt),
        cmocka_unit_test(test_expression_reads_only_what_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
