/* SPDX-License-Identifier: MIT */
#include "plt.h"

#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define STUB_BYTES_MAX 16

/* A slot of the global offset table that the loader fills with a function's address. */
struct slot {
    uint64_t address;
    const char *name;
};

struct plt {
    Elf *elf;
    struct slot *slot; /* by address */
    size_t slots;
    const char **lazy; /* by index in .rela.plt; NULL: not a function of that name */
    size_t lazies;
};

/* ---- tables ------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b) {
    const struct slot *s = a, *t = b;
    return (s->address > t->address) - (s->address < t->address);
}

static const char *section_name(Elf *elf, const GElf_Shdr *header) {
    size_t strings;
    const char *name =
        elf_getshdrstrndx(elf, &strings) == 0 ? elf_strptr(elf, strings, header->sh_name) : NULL;
    return name != NULL ? name : "";
}

static void add_relocations(struct plt *p, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Scn *symbols = elf_getscn(p->elf, header->sh_link);
    GElf_Shdr symbol_header;
    Elf_Data *symbol_data = symbols != NULL ? elf_getdata(symbols, NULL) : NULL;
    if (data == NULL || symbol_data == NULL || header->sh_entsize == 0 ||
        gelf_getshdr(symbols, &symbol_header) == NULL)
        return;
    size_t count = data->d_size / header->sh_entsize;
    bool lazy = p->lazy == NULL && strcmp(section_name(p->elf, header), ".rela.plt") == 0;
    p->slot = xrealloc(p->slot, (p->slots + count + 1) * sizeof *p->slot);
    if (lazy) {
        p->lazy = xcalloc(count + 1, sizeof *p->lazy);
        p->lazies = count;
    }
    for (size_t i = 0; i < count; i++) {
        GElf_Rela rela;
        GElf_Sym symbol;
        if (gelf_getrela(data, (int)i, &rela) == NULL ||
            (GELF_R_TYPE(rela.r_info) != R_X86_64_JUMP_SLOT &&
             GELF_R_TYPE(rela.r_info) != R_X86_64_GLOB_DAT) ||
            gelf_getsym(symbol_data, (int)GELF_R_SYM(rela.r_info), &symbol) == NULL)
            continue;
        const char *name = elf_strptr(p->elf, symbol_header.sh_link, symbol.st_name);
        if (name == NULL || *name == '\0')
            continue;
        p->slot[p->slots++] = (struct slot){rela.r_offset, name};
        if (lazy)
            p->lazy[i] = name;
    }
}

struct plt *plt_new(Elf *elf) {
    GElf_Ehdr header;
    GElf_Shdr section;
    if (elf == NULL || gelf_getehdr(elf, &header) == NULL || header.e_machine != EM_X86_64)
        return NULL;
    struct plt *p = xcalloc(1, sizeof *p);
    p->elf = elf;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;)
        if (gelf_getshdr(s, &section) != NULL && section.sh_type == SHT_RELA &&
            (section.sh_flags & SHF_ALLOC) != 0)
            add_relocations(p, s, &section);
    if (p->slots == 0) {
        plt_free(p);
        return NULL;
    }
    qsort(p->slot, p->slots, sizeof *p->slot, by_address);
    return p;
}

void plt_free(struct plt *p) {
    if (p == NULL)
        return;
    free(p->slot);
    free(p->lazy);
    free(p);
}

static const char *slot_name(const struct plt *p, uint64_t address) {
    const struct slot key = {.address = address};
    const struct slot *found = bsearch(&key, p->slot, p->slots, sizeof *p->slot, by_address);
    return found != NULL ? found->name : NULL;
}

/* ---- instructions ------------------------------------------------------------------------- */

/* Copies code; false where the file has none. */
static bool read_code(const struct plt *p, uint64_t address, uint8_t *out, size_t n) {
    size_t size, segments = 0;
    const char *raw = elf_rawfile(p->elf, &size);
    elf_getphdrnum(p->elf, &segments);
    for (size_t i = 0; raw != NULL && i < segments; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(p->elf, (int)i, &segment) == NULL || segment.p_type != PT_LOAD ||
            address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz ||
            segment.p_filesz - (address - segment.p_vaddr) < n)
            continue;
        uint64_t offset = segment.p_offset + (address - segment.p_vaddr);
        if (offset > size || size - offset < n)
            return false;
        memcpy(out, raw + offset, n);
        return true;
    }
    return false;
}

static uint64_t relative(const uint8_t *displacement, uint64_t next) {
    int32_t d;
    memcpy(&d, displacement, sizeof d);
    return next + (uint64_t)(int64_t)d;
}

/* The function of a stub: perhaps endbr64, then perhaps a bnd prefix and jmp *slot(%rip), or the
 * index in .rela.plt pushed for the loader. */
static const char *stub_name(const struct plt *p, uint64_t stub) {
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    uint8_t code[11];
    uint32_t index;
    if (!read_code(p, stub, code, sizeof code))
        return NULL;
    size_t at = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
    if (code[at] == 0x68) { /* push imm32 */
        memcpy(&index, code + at + 1, sizeof index);
        return index < p->lazies ? p->lazy[index] : NULL;
    }
    at += code[at] == 0xf2;
    if (at + 6 > sizeof code || code[at] != 0xff || code[at + 1] != 0x25)
        return NULL;
    return slot_name(p, relative(code + at + 2, stub + at + 6));
}

const char *plt_called(const struct plt *p, uint64_t return_address) {
    uint8_t code[6];
    if (return_address < sizeof code ||
        !read_code(p, return_address - sizeof code, code, sizeof code))
        return NULL;
    if (code[0] == 0xff && code[1] == 0x15) /* call *slot(%rip) */
        return slot_name(p, relative(code + 2, return_address));
    if (code[1] == 0xe8) /* call stub */
        return stub_name(p, relative(code + 2, return_address));
    return NULL;
}

/* ---- all stubs ---------------------------------------------------------------------------- */

static bool has_stubs(const struct plt *p, const GElf_Shdr *section) {
    const char *name = section_name(p->elf, section);
    return section->sh_type == SHT_PROGBITS && (section->sh_flags & SHF_EXECINSTR) != 0 &&
           (strcmp(name, ".plt") == 0 || strcmp(name, ".plt.sec") == 0 ||
            strcmp(name, ".plt.got") == 0);
}

void plt_each_stub(const struct plt *p, plt_found *found, void *context) {
    GElf_Shdr section;
    size_t file_size;
    elf_rawfile(p->elf, &file_size);
    for (Elf_Scn *s = NULL; (s = elf_nextscn(p->elf, s)) != NULL;) {
        if (gelf_getshdr(s, &section) == NULL || !has_stubs(p, &section) ||
            section.sh_size > file_size) /* damaged */
            continue;
        uint64_t step = section.sh_entsize;
        if (step != 8 && step != STUB_BYTES_MAX) /* linkers that leave it out */
            step = STUB_BYTES_MAX;
        for (uint64_t at = 0; at + step <= section.sh_size; at += step) {
            const char *name = stub_name(p, section.sh_addr + at);
            if (name != NULL)
                found(context, section.sh_addr + at, step, name);
        }
    }
}
