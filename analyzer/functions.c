/* SPDX-License-Identifier: MIT */
#include "functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plt.h"

struct functions {
    Dwfl_Module *handle;
    struct span *code; /* executable sections, few */
    size_t code_count;
    struct function *function;
    size_t count;
    bool named;
    const char *frame_table; /* in the ELF file; NULL: none */
    size_t frame_count;
    uint64_t frame_base;
};

/* ---- executable sections ------------------------------------------------------------------ */

static const struct span *code_at(const struct functions *m, uint64_t addr) {
    for (size_t i = 0; i < m->code_count; i++)
        if (addr >= m->code[i].start && addr < m->code[i].end)
            return &m->code[i];
    return NULL;
}

static void code_add(struct functions *m, uint64_t start, uint64_t size) {
    if (size != 0 && size <= UINT64_MAX - start)
        m->code[m->code_count++] = (struct span){.start = start, .end = start + size};
}

static void load_code(struct functions *m, Elf *elf) {
    size_t sections = 0, segments = 0;
    elf_getshdrnum(elf, &sections);
    elf_getphdrnum(elf, &segments);
    m->code = calloc(sections + segments + 1, sizeof *m->code);
    if (m->code == NULL)
        return;
    GElf_Shdr section;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;)
        if (gelf_getshdr(s, &section) != NULL && (section.sh_flags & SHF_ALLOC) &&
            (section.sh_flags & SHF_EXECINSTR))
            code_add(m, section.sh_addr, section.sh_size);
    if (m->code_count != 0)
        return;
    GElf_Phdr segment; /* section headers can be stripped away */
    for (size_t i = 0; i < segments; i++)
        if (gelf_getphdr(elf, (int)i, &segment) != NULL && segment.p_type == PT_LOAD &&
            (segment.p_flags & PF_X))
            code_add(m, segment.p_vaddr, segment.p_memsz);
}

/* ---- functions ---------------------------------------------------------------------------- */

static int function_order(const void *a, const void *b) {
    const struct function *f = a, *g = b;
    int order = spans_by_start(&f->span, &g->span);
    if (order == 0)
        order = (f->rank > g->rank) - (f->rank < g->rank);
    if (order == 0) /* the rest only makes the choice independent of the table's order */
        order = strcmp(g->linkage, f->linkage);
    return order;
}

unsigned functions_rank(const GElf_Sym *symbol, const char *name) {
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    size_t underscores = strspn(name, "_");
    size_t length = strlen(name);
    unsigned rank = symbol->st_size != 0;
    rank = rank << 1 | (binding != STB_LOCAL);
    rank = rank << 8 | (255 - (unsigned)(underscores < 255 ? underscores : 255));
    rank = rank << 1 | (binding != STB_WEAK);
    return rank << 16 | (65535 - (unsigned)(length < 65535 ? length : 65535));
}

static void function_add(struct functions *m, const GElf_Sym *symbol, uint64_t start,
                         GElf_Word section, const char *name) {
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return;
    /* '$' begins the mapping symbols of ARM and RISC-V, which name no function. */
    if (section == SHN_UNDEF || section == SHN_ABS || section == SHN_COMMON || *name == '\0' ||
        (type == STT_NOTYPE && *name == '$'))
        return;
    const struct span *code = code_at(m, start);
    if (code == NULL)
        return;
    uint64_t room = code->end - start;
    m->function[m->count++] = (struct function){
        .span = {.start = start, .end = start + (symbol->st_size < room ? symbol->st_size : room)},
        .linkage = name,
        .rank = functions_rank(symbol, name),
    };
}

static void stub_add(void *context, uint64_t start, uint64_t size, const char *function) {
    struct functions *m = context;
    struct function *all = reallocarray(m->function, m->count + 1, sizeof *all);
    char *name;
    if (all == NULL)
        return;
    m->function = all;
    if (asprintf(&name, "%s@plt", function) >= 0)
        m->function[m->count++] = (struct function){.span = {.start = start, .end = start + size},
                                                    .linkage = name,
                                                    .owned = name};
}

static void load_stubs(struct functions *m, Elf *elf) {
    struct plt *plt = plt_new(elf);
    if (plt != NULL)
        plt_each_stub(plt, stub_add, m);
    plt_free(plt);
}

/* libdwfl's own search reads the whole symbol table for every address. */
static void load_functions(struct functions *m) {
    int n = dwfl_module_getsymtab(m->handle);
    if (n <= 0 || (m->function = calloc((size_t)n, sizeof *m->function)) == NULL)
        return;
    for (int i = 0; i < n; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        GElf_Word section;
        const char *name =
            dwfl_module_getsym_info(m->handle, i, &symbol, &start, &section, NULL, NULL);
        if (name != NULL)
            function_add(m, &symbol, start, section, name);
    }
}

static void sort_functions(struct functions *m) {
    if (m->count != 0)
        qsort(m->function, m->count, sizeof *m->function, function_order);
    spans_finish(m->function, sizeof *m->function, m->count);
}

/* ---- boundaries in .eh_frame -------------------------------------------------------------- */

/* The table of .eh_frame_hdr (LSB, "Exception Frames"): pairs of start and entry, by start, both
   relative to the table's own address; other forms than the one that all linkers write are passed
   over. dwarf_frame_info() has the bounds of a row, not of the function. */
#define FRAME_TABLE_FORM "\x01\x1b\x03\x3b"
#define FRAME_TABLE_AT   12

static void load_frame_table(struct functions *m, Elf *elf) {
    size_t size, segments = 0;
    const char *raw = elf_rawfile(elf, &size);
    GElf_Phdr p;
    elf_getphdrnum(elf, &segments);
    for (size_t i = 0; raw != NULL && i < segments; i++) {
        if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_GNU_EH_FRAME ||
            p.p_filesz < FRAME_TABLE_AT || p.p_offset > size || size - p.p_offset < p.p_filesz ||
            memcmp(raw + p.p_offset, FRAME_TABLE_FORM, 4) != 0)
            continue;
        uint32_t count;
        memcpy(&count, raw + p.p_offset + 8, sizeof count);
        if (count > (p.p_filesz - FRAME_TABLE_AT) / 8)
            continue;
        m->frame_table = raw + p.p_offset + FRAME_TABLE_AT;
        m->frame_count = count;
        m->frame_base = p.p_vaddr;
    }
}

static uint64_t frame_at(const struct functions *m, size_t i) {
    int32_t start;
    memcpy(&start, m->frame_table + 8 * i, sizeof start);
    return m->frame_base + (uint64_t)(int64_t)start;
}

/* Where the entry that covers addr begins; 0 when there is none, or it is not known where. */
static uint64_t frame_start(struct functions *m, uint64_t addr) {
    Dwarf_Addr bias;
    Dwarf_Frame *frame;
    Dwarf_CFI *cfi = dwfl_module_eh_cfi(m->handle, &bias);
    if (cfi == NULL || dwarf_cfi_addrframe(cfi, addr - bias, &frame) != 0)
        return 0;
    free(frame);
    size_t low = 0, high = m->frame_count;
    while (low <
           high) { /* entries below `low` begin at or below addr, those from `high` on do not */
        size_t middle = low + (high - low) / 2;
        if (frame_at(m, middle) <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low != 0 ? frame_at(m, low - 1) : 0;
}

/* ---- which function ----------------------------------------------------------------------- */

/* `f` is the last symbol that begins at or below addr. A reach above its start says that it has a
   size, or lies inside a function that has, and then it names nothing beyond. */
static bool label_covers(struct functions *m, const struct function *f, uint64_t addr) {
    return f->span.reach <= f->span.start && code_at(m, f->span.start) == code_at(m, addr) &&
           frame_start(m, f->span.start) == frame_start(m, addr);
}

struct function *functions_at(struct functions *m, uint64_t addr) {
    size_t n = spans_upto(m->function, sizeof *m->function, m->count, addr);
    for (size_t i = n; i > 0 && m->function[i - 1].span.reach > addr; i--)
        if (m->function[i - 1].span.end > addr)
            return &m->function[i - 1];
    return n > 0 && label_covers(m, &m->function[n - 1], addr) ? &m->function[n - 1] : NULL;
}

bool functions_hold(const struct functions *m, uint64_t addr) {
    return code_at(m, addr) != NULL;
}

bool functions_named(const struct functions *m) {
    return m->named;
}

struct functions *functions_read(Dwfl_Module *handle, Elf *elf) {
    struct functions *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->handle = handle;
    load_code(m, elf);
    load_frame_table(m, elf);
    load_functions(m);
    m->named = m->count != 0;
    load_stubs(m, elf);
    sort_functions(m);
    return m;
}

void functions_free(struct functions *m) {
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->count; i++) {
        free(m->function[i].readable);
        free(m->function[i].owned);
    }
    free(m->function);
    free(m->code);
    free(m);
}
