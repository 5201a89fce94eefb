/* SPDX-License-Identifier: MIT */
/* DWARF expressions (DWARF 5 §2.5), as far as call frame information uses them. */
#include <string.h>

#include "cfi.h"
#include "leb128.h"

enum { STACK = 16 };

static uint64_t binary(uint8_t op, uint64_t a, uint64_t b) {
    switch (op) {
    case 0x1a:
        return a & b;
    case 0x1c:
        return a - b;
    case 0x1e:
        return a * b;
    case 0x21:
        return a | b;
    case 0x22:
        return a + b;
    case 0x24:
        return b < 64 ? a << b : 0;
    case 0x25:
        return b < 64 ? a >> b : 0;
    case 0x26:
        return (uint64_t)((int64_t)a >> (b < 64 ? b : 63));
    case 0x27:
        return a ^ b;
    case 0x29:
        return a == b;
    case 0x2a:
        return (int64_t)a >= (int64_t)b;
    case 0x2b:
        return (int64_t)a > (int64_t)b;
    case 0x2c:
        return (int64_t)a <= (int64_t)b;
    case 0x2d:
        return (int64_t)a < (int64_t)b;
    default: /* 0x2e */
        return a != b;
    }
}

static bool read_memory(const struct cfi_memory *memory, uint64_t address, uint64_t *v) {
    if (address < memory->low || address >= memory->high || memory->high - address < 8)
        return false;
    memcpy(v, (const void *)address, sizeof *v);
    return true;
}

bool cfi_evaluate(const uint8_t *expr, uint32_t bytes, const uint64_t regs[ARCH_REGS],
                  const struct cfi_memory *memory, uint64_t *value, uint32_t *used) {
    const uint8_t *p = expr, *end = expr + bytes;
    uint64_t stack[STACK];
    unsigned depth = 0;
    uint32_t ignored = 0;
    bool bad = false;
    if (used == NULL)
        used = &ignored;
    stack[depth++] = *value;
    while (p < end) {
        uint8_t op = *p++;
        if (depth == STACK)
            return false;
        if (op >= 0x30 && op <= 0x4f) { /* lit */
            stack[depth++] = op - 0x30u;
        } else if (op >= 0x70 && op <= 0x8f) { /* breg */
            unsigned reg = op - 0x70u;
            uint64_t offset = (uint64_t)leb128_signed(&p, end, &bad);
            if (reg >= ARCH_REGS)
                return false;
            *used |= UINT32_C(1) << reg;
            stack[depth++] = regs[reg] + offset;
        } else if ((op >= 0x24 && op <= 0x27) || (op >= 0x29 && op <= 0x2e) || op == 0x1a ||
                   op == 0x1c || op == 0x1e || op == 0x21 || op == 0x22) {
            if (depth < 2)
                return false;
            depth--;
            stack[depth - 1] = binary(op, stack[depth - 1], stack[depth]);
        } else {
            switch (op) {
            case 0x06: /* deref */
                *used |= CFI_USED_MEMORY;
                if (depth == 0 || !read_memory(memory, stack[depth - 1], &stack[depth - 1]))
                    return false;
                break;
            case 0x08: /* const1u */
                stack[depth++] = p < end ? *p++ : 0;
                break;
            case 0x09: /* const1s */
                stack[depth++] = (uint64_t)(int64_t)(int8_t)(p < end ? *p++ : 0);
                break;
            case 0x10: /* constu */
                stack[depth++] = leb128_unsigned(&p, end, &bad);
                break;
            case 0x11: /* consts */
                stack[depth++] = (uint64_t)leb128_signed(&p, end, &bad);
                break;
            case 0x12: /* dup */
                if (depth == 0)
                    return false;
                stack[depth] = stack[depth - 1];
                depth++;
                break;
            case 0x13: /* drop */
                if (depth == 0)
                    return false;
                depth--;
                break;
            case 0x16: { /* swap */
                if (depth < 2)
                    return false;
                uint64_t top = stack[depth - 1];
                stack[depth - 1] = stack[depth - 2];
                stack[depth - 2] = top;
                break;
            }
            case 0x1f: /* neg */
                if (depth == 0)
                    return false;
                stack[depth - 1] = 0 - stack[depth - 1];
                break;
            case 0x23: /* plus_uconst */
                if (depth == 0)
                    return false;
                stack[depth - 1] += leb128_unsigned(&p, end, &bad);
                break;
            case 0x96: /* nop */
                break;
            default:
                return false;
            }
        }
    }
    if (depth == 0 || bad)
        return false;
    *value = stack[depth - 1];
    return true;
}
