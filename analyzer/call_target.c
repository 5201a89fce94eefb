/* SPDX-License-Identifier: MIT */
#include "call_target.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"

/* A slot of the global offset table that the loader fills with a function's address. */
struct slot {
    uint64_t address;
    const char *name;
};

struct target_module {
    char *path;
    Elf *elf; /* NULL: not to be had */
    struct slot *slot;
    size_t slots;
};

struct call_targets {
    struct target_module *module;
    size_t count;
};

struct call_targets *call_targets_new(void) {
    elf_version(EV_CURRENT);
    return xcalloc(1, sizeof(struct call_targets));
}

void call_targets_free(struct call_targets *t) {
    for (size_t i = 0; i < t->count; i++) {
        elf_end(t->module[i].elf);
        free(t->module[i].slot);
        free(t->module[i].path);
    }
    free(t->module);
    free(t);
}

/* ---- one module --------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b) {
    const struct slot *s = a, *t = b;
    return (s->address > t->address) - (s->address < t->address);
}

static void add_relocations(struct target_module *m, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Scn *symbols = elf_getscn(m->elf, header->sh_link);
    GElf_Shdr symbol_header;
    Elf_Data *symbol_data = symbols != NULL ? elf_getdata(symbols, NULL) : NULL;
    if (data == NULL || symbol_data == NULL || header->sh_entsize == 0 ||
        gelf_getshdr(symbols, &symbol_header) == NULL)
        return;
    size_t count = header->sh_size / header->sh_entsize;
    m->slot = xrealloc(m->slot, (m->slots + count) * sizeof *m->slot);
    for (size_t i = 0; i < count; i++) {
        GElf_Rela rela;
        GElf_Sym symbol;
        if (gelf_getrela(data, (int)i, &rela) == NULL ||
            (GELF_R_TYPE(rela.r_info) != R_X86_64_JUMP_SLOT &&
             GELF_R_TYPE(rela.r_info) != R_X86_64_GLOB_DAT) ||
            gelf_getsym(symbol_data, (int)GELF_R_SYM(rela.r_info), &symbol) == NULL)
            continue;
        const char *name = elf_strptr(m->elf, symbol_header.sh_link, symbol.st_name);
        if (name != NULL && *name != '\0')
            m->slot[m->slots++] = (struct slot){rela.r_offset, name};
    }
}

static bool is_build(Elf *elf, const uint8_t *build_id, size_t length) {
    const void *found;
    return length == 0 || (dwelf_elf_gnu_build_id(elf, &found) == (ssize_t)length &&
                           memcmp(found, build_id, length) == 0);
}

static void module_open(struct target_module *m, const uint8_t *build_id, size_t build_id_len) {
    struct stat st;
    int fd = open(m->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not block */
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        m->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (m->elf != NULL)
        elf_cntl(m->elf, ELF_C_FDREAD); /* the descriptor is not needed from here on */
    close(fd);
    GElf_Ehdr header;
    if (m->elf == NULL || gelf_getehdr(m->elf, &header) == NULL || header.e_machine != EM_X86_64 ||
        !is_build(m->elf, build_id, build_id_len)) {
        elf_end(m->elf);
        m->elf = NULL;
        return;
    }
    GElf_Shdr section;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(m->elf, s)) != NULL;)
        if (gelf_getshdr(s, &section) != NULL && section.sh_type == SHT_RELA &&
            (section.sh_flags & SHF_ALLOC) != 0)
            add_relocations(m, s, &section);
    if (m->slots != 0)
        qsort(m->slot, m->slots, sizeof *m->slot, by_address);
}

/* The object's module of this path; two builds of one path in one run are not told apart. */
static struct target_module *module_get(struct call_targets *t, const char *path,
                                        const uint8_t *build_id, size_t build_id_len) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->module[i].path, path) == 0)
            return &t->module[i];
    t->module = xrealloc(t->module, (t->count + 1) * sizeof *t->module);
    struct target_module *m = &t->module[t->count++];
    *m = (struct target_module){.path = xstrdup(path)};
    module_open(m, build_id, build_id_len);
    return m;
}

/* ---- instructions ------------------------------------------------------------------------- */

/* Copies code; false where the file has none. */
static bool read_code(const struct target_module *m, uint64_t address, uint8_t *out, size_t n) {
    size_t size, segments = 0;
    const char *raw = elf_rawfile(m->elf, &size);
    elf_getphdrnum(m->elf, &segments);
    for (size_t i = 0; raw != NULL && i < segments; i++) {
        GElf_Phdr p;
        if (gelf_getphdr(m->elf, (int)i, &p) == NULL || p.p_type != PT_LOAD ||
            address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz ||
            p.p_filesz - (address - p.p_vaddr) < n)
            continue;
        uint64_t offset = p.p_offset + (address - p.p_vaddr);
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

/* The slot that a stub of the linkage table jumps through, 0 when it is none: perhaps endbr64 and
 * a bnd prefix, then jmp *slot(%rip). */
static uint64_t stub_slot(const struct target_module *m, uint64_t stub) {
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    uint8_t code[11];
    if (!read_code(m, stub, code, sizeof code))
        return 0;
    size_t at = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
    at += code[at] == 0xf2;
    if (at + 6 > sizeof code || code[at] != 0xff || code[at + 1] != 0x25)
        return 0;
    return relative(code + at + 2, stub + at + 6);
}

const char *call_targets_name(struct call_targets *t, const char *path, const uint8_t *build_id,
                              size_t build_id_len, uint64_t return_address) {
    struct target_module *m = module_get(t, path, build_id, build_id_len);
    uint8_t code[6];
    if (m->slots == 0 || return_address < sizeof code ||
        !read_code(m, return_address - sizeof code, code, sizeof code))
        return NULL;
    struct slot key = {0};
    if (code[0] == 0xff && code[1] == 0x15) /* call *slot(%rip) */
        key.address = relative(code + 2, return_address);
    else if (code[1] == 0xe8) /* call stub */
        key.address = stub_slot(m, relative(code + 2, return_address));
    const struct slot *found =
        key.address != 0 ? bsearch(&key, m->slot, m->slots, sizeof *m->slot, by_address) : NULL;
    return found != NULL ? found->name : NULL;
}
