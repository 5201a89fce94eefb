/* SPDX-License-Identifier: MIT */
#include "cfi.h"

#include <dlfcn.h>
#include <string.h>

#include "leb128.h"

/* Bounded reader over .eh_frame; the section is trusted to be mapped, not to be sane. */
struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t get_fixed(struct reader *r, unsigned bytes) {
    if ((size_t)(r->end - r->p) < bytes) {
        r->bad = true;
        r->p = r->end;
        return 0;
    }
    uint64_t v = 0;
    memcpy(&v, r->p, bytes);
    r->p += bytes;
    return v;
}

static uint64_t get_uleb(struct reader *r) {
    return leb128_unsigned(&r->p, r->end, &r->bad);
}

static int64_t get_sleb(struct reader *r) {
    return leb128_signed(&r->p, r->end, &r->bad);
}

/* Pointer encodings, LSB "DWARF Exception Header Encoding". */
enum { PE_OMIT = 0xff, PE_PCREL = 0x10, PE_DATAREL = 0x30, PE_INDIRECT = 0x80 };

static unsigned fixed_size(uint8_t encoding) {
    switch (encoding & 7) {
    case 2:
        return 2;
    case 3:
        return 4;
    default:
        return 8;
    }
}

static uint64_t get_encoded(struct reader *r, uint8_t encoding, uint64_t data_base) {
    uint64_t place = (uint64_t)r->p, v;
    if (encoding == PE_OMIT)
        return 0;
    switch (encoding & 0x0f) {
    case 0x01:
        v = get_uleb(r);
        break;
    case 0x09:
        v = (uint64_t)get_sleb(r);
        break;
    case 0x0a:
        v = (uint64_t)(int16_t)get_fixed(r, 2);
        break;
    case 0x0b:
        v = (uint64_t)(int32_t)get_fixed(r, 4);
        break;
    default:
        v = get_fixed(r, fixed_size(encoding));
        break;
    }
    if (v != 0 && (encoding & 0x70) == PE_PCREL)
        v += place;
    else if (v != 0 && (encoding & 0x70) == PE_DATAREL)
        v += data_base;
    if (v != 0 && (encoding & PE_INDIRECT) != 0)
        v = *(const uint64_t *)v; /* NOLINT: a mapped word of the module by the ABI */
    return v;
}

bool cfi_find_module(uint64_t pc, struct cfi_module *m) {
    struct dl_find_object found;
    if (_dl_find_object((void *)pc, &found) != 0)
        return false;
    m->start = (uint64_t)found.dlfo_map_start;
    m->end = (uint64_t)found.dlfo_map_end;
    m->link_map = found.dlfo_link_map;
    m->eh_frame_hdr = found.dlfo_eh_frame;
    return true;
}

struct cie {
    const uint8_t *code, *code_end;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool has_augmentation_data, signal_frame;
};

static bool read_cie(const uint8_t *at, struct cie *c) {
    struct reader r = {at, at + 16, false};
    uint64_t length = get_fixed(&r, 4);
    if (length == 0xffffffff)
        length = get_fixed(&r, 8);
    r.end = r.p + length;
    get_fixed(&r, 4); /* CIE id */
    uint8_t version = (uint8_t)get_fixed(&r, 1);
    const uint8_t *augmentation = r.p;
    while (r.p < r.end && *r.p != 0)
        r.p++;
    get_fixed(&r, 1);
    c->code_align = get_uleb(&r);
    c->data_align = get_sleb(&r);
    if (version == 1)
        get_fixed(&r, 1);
    else
        get_uleb(&r); /* return address column */
    c->pointer_encoding = 0;
    c->has_augmentation_data = c->signal_frame = false;
    const uint8_t *data_end = NULL;
    if (*augmentation == 'z') {
        uint64_t n = get_uleb(&r);
        data_end = r.p + n;
        c->has_augmentation_data = true;
    }
    bool known = true;
    for (; known && !r.bad && *augmentation != 0; augmentation++) {
        switch (*augmentation) {
        case 'z':
        case 'B':
            break;
        case 'R':
            c->pointer_encoding = (uint8_t)get_fixed(&r, 1);
            break;
        case 'P': {
            uint8_t encoding = (uint8_t)get_fixed(&r, 1);
            get_encoded(&r, encoding & 0x7f, 0);
            break;
        }
        case 'L':
            get_fixed(&r, 1);
            break;
        case 'S':
            c->signal_frame = true;
            break;
        default: /* 'z' gave the length of what an unknown letter may have added */
            if (data_end == NULL)
                return false;
            known = false;
            break;
        }
    }
    c->code = data_end != NULL ? data_end : r.p;
    c->code_end = r.end;
    return !r.bad && c->code <= c->code_end;
}

static void set_rule(struct cfi_rules *now, uint64_t reg, uint8_t kind, int64_t value) {
    if (reg < ARCH_REGS)
        now->reg[reg] = (struct cfi_rule){.kind = kind, .value = value};
}

static void set_expr(struct cfi_rules *now, uint64_t reg, uint8_t kind, struct reader *r) {
    uint64_t n = get_uleb(r);
    if (n > (size_t)(r->end - r->p)) {
        r->bad = true;
        return;
    }
    if (reg < ARCH_REGS)
        now->reg[reg] = (struct cfi_rule){.kind = kind, .expr_bytes = (uint32_t)n, .expr = r->p};
    r->p += n;
}

/* Runs call frame instructions until `target` is passed. DWARF 5 §6.4.2, §7.24. */
static bool execute(struct cfi_scratch *s, const struct cie *c, const uint8_t *code,
                    const uint8_t *end, uint64_t location, uint64_t target) {
    struct reader r = {code, end, false};
    struct cfi_rules *now = &s->now;
    unsigned depth = 0;
    while (!r.bad && r.p < r.end) {
        uint8_t op = *r.p++, low = op & 0x3f;
        uint64_t reg;
        switch (op & 0xc0 ? op & 0xc0 : op) {
        case 0x40: /* advance_loc */
            location += low * c->code_align;
            break;
        case 0x80: /* offset */
            set_rule(now, low, CFI_OFFSET, (int64_t)get_uleb(&r) * c->data_align);
            break;
        case 0xc0: /* restore */
            if (low < ARCH_REGS)
                now->reg[low] = s->initial.reg[low];
            break;
        case 0x00: /* nop */
            break;
        case 0x01: /* set_loc */
            location = get_encoded(&r, c->pointer_encoding, 0);
            break;
        case 0x02:
            location += get_fixed(&r, 1) * c->code_align;
            break;
        case 0x03:
            location += get_fixed(&r, 2) * c->code_align;
            break;
        case 0x04:
            location += get_fixed(&r, 4) * c->code_align;
            break;
        case 0x05: /* offset_extended */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_OFFSET, (int64_t)get_uleb(&r) * c->data_align);
            break;
        case 0x06: /* restore_extended */
            reg = get_uleb(&r);
            if (reg < ARCH_REGS)
                now->reg[reg] = s->initial.reg[reg];
            break;
        case 0x07: /* undefined */
            set_rule(now, get_uleb(&r), CFI_UNDEFINED, 0);
            break;
        case 0x08: /* same_value */
            set_rule(now, get_uleb(&r), CFI_SAME, 0);
            break;
        case 0x09: /* register */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_REGISTER, (int64_t)get_uleb(&r));
            break;
        case 0x0a: /* remember_state */
            if (depth == CFI_REMEMBER_DEPTH)
                return false;
            s->remembered[depth++] = *now;
            break;
        case 0x0b: /* restore_state */
            if (depth == 0)
                return false;
            *now = s->remembered[--depth];
            break;
        case 0x0c: /* def_cfa */
            now->cfa_register = (uint8_t)get_uleb(&r);
            now->cfa_offset = (int64_t)get_uleb(&r);
            now->cfa_expr = NULL;
            break;
        case 0x0d: /* def_cfa_register */
            now->cfa_register = (uint8_t)get_uleb(&r);
            now->cfa_expr = NULL;
            break;
        case 0x0e: /* def_cfa_offset */
            now->cfa_offset = (int64_t)get_uleb(&r);
            break;
        case 0x0f: { /* def_cfa_expression */
            uint64_t n = get_uleb(&r);
            if (n > (size_t)(r.end - r.p))
                return false;
            now->cfa_expr = r.p;
            now->cfa_expr_bytes = (uint32_t)n;
            r.p += n;
            break;
        }
        case 0x10: /* expression */
            reg = get_uleb(&r);
            set_expr(now, reg, CFI_EXPR, &r);
            break;
        case 0x11: /* offset_extended_sf */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_OFFSET, get_sleb(&r) * c->data_align);
            break;
        case 0x12: /* def_cfa_sf */
            now->cfa_register = (uint8_t)get_uleb(&r);
            now->cfa_offset = get_sleb(&r) * c->data_align;
            now->cfa_expr = NULL;
            break;
        case 0x13: /* def_cfa_offset_sf */
            now->cfa_offset = get_sleb(&r) * c->data_align;
            break;
        case 0x14: /* val_offset */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_VAL_OFFSET, (int64_t)get_uleb(&r) * c->data_align);
            break;
        case 0x15: /* val_offset_sf */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_VAL_OFFSET, get_sleb(&r) * c->data_align);
            break;
        case 0x16: /* val_expression */
            reg = get_uleb(&r);
            set_expr(now, reg, CFI_VAL_EXPR, &r);
            break;
        case 0x2e: /* GNU_args_size */
            get_uleb(&r);
            break;
        case 0x2f: /* GNU_negative_offset_extended */
            reg = get_uleb(&r);
            set_rule(now, reg, CFI_OFFSET, -(int64_t)get_uleb(&r) * c->data_align);
            break;
        default:
            return false;
        }
        if (location > target)
            return !r.bad;
    }
    return !r.bad;
}

/* Runs the program of the FDE at `at` when it covers pc. */
static enum cfi_result run_fde(const uint8_t *at, uint64_t pc, struct cfi_scratch *s) {
    struct reader r = {at, at + 16, false};
    uint64_t length = get_fixed(&r, 4);
    if (length == 0xffffffff)
        length = get_fixed(&r, 8);
    r.end = r.p + length;
    const uint8_t *cie_field = r.p;
    uint32_t cie_offset = (uint32_t)get_fixed(&r, 4);
    struct cie cie;
    if (cie_offset == 0 || !read_cie(cie_field - cie_offset, &cie))
        return CFI_BAD;
    uint64_t begin = get_encoded(&r, cie.pointer_encoding, 0);
    uint64_t range = get_encoded(&r, cie.pointer_encoding & 0x0f, 0);
    if (r.bad)
        return CFI_BAD;
    if (pc < begin || pc - begin >= range)
        return CFI_NO_FDE;
    if (cie.has_augmentation_data) {
        uint64_t n = get_uleb(&r);
        if (n > (size_t)(r.end - r.p))
            return CFI_BAD;
        r.p += n;
    }
    memset(&s->now, 0, sizeof s->now);
    s->now.signal_frame = cie.signal_frame;
    /* At entry of a function the stack pointer is the CFA by definition (not said by the CIE). */
    s->now.reg[ARCH_REG_SP] = (struct cfi_rule){.kind = CFI_VAL_OFFSET, .value = 0};
    if (!execute(s, &cie, cie.code, cie.code_end, 0, UINT64_MAX))
        return CFI_BAD;
    s->initial = s->now;
    return execute(s, &cie, r.p, r.end, begin, pc) ? CFI_OK : CFI_BAD;
}

/* .eh_frame without a usable search table: every entry in turn. */
static enum cfi_result scan_section(const uint8_t *at, uint64_t pc, struct cfi_scratch *s) {
    for (;;) {
        struct reader r = {at, at + 16, false};
        uint64_t length = get_fixed(&r, 4);
        if (length == 0)
            return CFI_NO_FDE;
        if (length == 0xffffffff)
            length = get_fixed(&r, 8);
        uint32_t id;
        memcpy(&id, r.p, sizeof id);
        if (id != 0) {
            enum cfi_result result = run_fde(at, pc, s);
            if (result != CFI_NO_FDE)
                return result;
        }
        at = r.p + length;
    }
}

enum cfi_result cfi_find_rules(uint64_t pc, const struct cfi_module *m, struct cfi_scratch *s) {
    const uint8_t *hdr = m->eh_frame_hdr;
    if (hdr == NULL || hdr[0] != 1)
        return CFI_NO_FDE;
    struct reader r = {hdr + 4, hdr + 32, false};
    uint64_t section = get_encoded(&r, hdr[1], (uint64_t)hdr);
    if (hdr[2] == PE_OMIT || hdr[3] != (PE_DATAREL | 0x0b))
        return section != 0 ? scan_section((const uint8_t *)section, pc, s) : CFI_NO_FDE;
    uint64_t count = get_encoded(&r, hdr[2], (uint64_t)hdr);
    const int32_t(*table)[2] = (const int32_t(*)[2])(const void *)r.p;
    /* Last entry that starts at or below pc. */
    int64_t want = (int64_t)(pc - (uint64_t)hdr);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (table[middle][0] <= want)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return CFI_NO_FDE;
    return run_fde(hdr + table[low - 1][1], pc, s);
}
