/* SPDX-License-Identifier: MIT */
#include "references.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

#include "arch.h"

struct search {
    const char *const *prefixes;
    bool weak;
    const char *but;
    uint64_t except;
};

/* What the dynamic section says. */
struct dynamic {
    const ElfW(Sym) * symbol;
    const char *text;
    const ElfW(Rela) * relocation, *call;
    size_t relocations, relative, calls; /* of `relocation`: relative ones come first */
    const uint32_t *hash;                /* DT_GNU_HASH */
};

static bool names(const struct search *s, const char *name) {
    for (const char *const *p = s->prefixes; *p != NULL; p++)
        if (strncmp(name, *p, strlen(*p)) == 0)
            return true;
    return false;
}

static bool refers(const struct search *s, const struct dynamic *d, const ElfW(Rela) * r,
                   size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t symbol = ELF64_R_SYM(r[i].r_info);
        const ElfW(Sym) *to = &d->symbol[symbol];
        if (symbol != 0 && to->st_shndx == SHN_UNDEF &&
            (!s->weak || ELF64_ST_BIND(to->st_info) == STB_WEAK) && names(s, d->text + to->st_name))
            return true;
    }
    return false;
}

/* glibc leaves run-time addresses there, but in modules whose section cannot be written (vDSO). */
static struct dynamic read_dynamic(const ElfW(Dyn) * entry, uint64_t base) {
    struct dynamic d = {0};
    for (; entry->d_tag != DT_NULL; entry++) {
        const void *p = (const void *)entry->d_un.d_ptr;
        if (entry->d_tag == DT_SYMTAB)
            d.symbol = entry->d_un.d_ptr >= base ? p : NULL;
        else if (entry->d_tag == DT_STRTAB)
            d.text = p;
        else if (entry->d_tag == DT_RELA)
            d.relocation = p;
        else if (entry->d_tag == DT_JMPREL)
            d.call = p;
        else if (entry->d_tag == DT_GNU_HASH)
            d.hash = p;
        else if (entry->d_tag == DT_RELASZ)
            d.relocations = entry->d_un.d_val / sizeof(ElfW(Rela));
        else if (entry->d_tag == DT_RELACOUNT)
            d.relative = entry->d_un.d_val;
        else if (entry->d_tag == DT_PLTRELSZ)
            d.calls = entry->d_un.d_val / sizeof(ElfW(Rela));
    }
    return d;
}

static bool holds(const struct dl_phdr_info *info, uint64_t address) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && address - info->dlpi_addr - h->p_vaddr < h->p_memsz)
            return true;
    }
    return false;
}

static int search_module(struct dl_phdr_info *info, size_t size, void *arg) {
    const struct search *s = arg;
    (void)size;
    if ((s->but != NULL && strstr(info->dlpi_name, s->but) != NULL) || holds(info, s->except))
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_DYNAMIC)
            continue;
        struct dynamic d =
            read_dynamic((const void *)(info->dlpi_addr + h->p_vaddr), info->dlpi_addr);
        if (d.symbol == NULL || d.text == NULL || d.relative > d.relocations)
            return 0;
        return (d.relocation != NULL &&
                refers(s, &d, d.relocation + d.relative, d.relocations - d.relative)) ||
               (d.call != NULL && refers(s, &d, d.call, d.calls));
    }
    return 0;
}

bool references_any(const char *const *prefixes, bool weak, const char *but, uint64_t except) {
    struct search s = {prefixes, weak, but, except};
    return dl_iterate_phdr(search_module, &s) != 0;
}

struct slots {
    references_slot *found;
    void *context;
};

static void list_slots(const struct slots *s, const struct dl_phdr_info *info,
                       const struct dynamic *d, uint64_t inside, const ElfW(Rela) * r,
                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        const ElfW(Sym) *to = &d->symbol[ELF64_R_SYM(r[i].r_info)];
        uint64_t type = ELF64_R_TYPE(r[i].r_info);
        if ((type == ARCH_RELOCATION_CALL || type == ARCH_RELOCATION_ADDRESS) &&
            to->st_shndx == SHN_UNDEF)
            s->found(s->context, info->dlpi_name, inside, d->text + to->st_name,
                     (const uint64_t *)(info->dlpi_addr + r[i].r_offset));
    }
}

static int slots_of_module(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_DYNAMIC)
            continue;
        uint64_t inside = info->dlpi_addr + h->p_vaddr;
        struct dynamic d = read_dynamic((const void *)inside, info->dlpi_addr);
        if (d.symbol == NULL || d.text == NULL || d.relative > d.relocations)
            return 0;
        if (d.relocation != NULL)
            list_slots(arg, info, &d, inside, d.relocation + d.relative,
                       d.relocations - d.relative);
        if (d.call != NULL)
            list_slots(arg, info, &d, inside, d.call, d.calls);
    }
    return 0;
}

void references_slots(references_slot *found, void *context) {
    struct slots s = {found, context};
    dl_iterate_phdr(slots_of_module, &s);
}

/* ---- what a module defines ---------------------------------------------------------------- */

struct definition {
    uint64_t inside;
    const char *symbol;
};

/* The table: number of buckets, first symbol in it, words of a Bloom filter, its shift; the filter;
 * a bucket's first symbol; of each symbol the hash, the last bit set in the last one of a bucket.
 * After U. Drepper, "How to Write Shared Libraries", 1.5.3, and glibc's elf/dl-lookup.c. */
static bool defines(const struct dynamic *d, const char *symbol) {
    const uint32_t *h = d->hash, buckets = h[0], first = h[1];
    const uint32_t *bucket = h + 4 + h[2] * (sizeof(ElfW(Addr)) / sizeof *h);
    const uint32_t *hash_of = bucket + buckets;
    uint32_t hash = 5381;
    for (const char *p = symbol; *p != '\0'; p++)
        hash = hash * 33 + (unsigned char)*p;
    uint32_t i = buckets != 0 ? bucket[hash % buckets] : 0;
    for (; i >= first && i != 0; i++) {
        uint32_t found = hash_of[i - first];
        if ((found | 1) == (hash | 1) && d->symbol[i].st_shndx != SHN_UNDEF &&
            strcmp(d->text + d->symbol[i].st_name, symbol) == 0)
            return true;
        if ((found & 1) != 0)
            break;
    }
    return false;
}

static int define_in_module(struct dl_phdr_info *info, size_t size, void *arg) {
    const struct definition *f = arg;
    (void)size;
    if (!holds(info, f->inside))
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_DYNAMIC)
            continue;
        struct dynamic d =
            read_dynamic((const void *)(info->dlpi_addr + h->p_vaddr), info->dlpi_addr);
        return d.symbol != NULL && d.text != NULL && d.hash != NULL && defines(&d, f->symbol) ? 2
                                                                                              : 1;
    }
    return 1;
}

bool references_defines(uint64_t inside, const char *symbol) {
    struct definition f = {inside, symbol};
    return dl_iterate_phdr(define_in_module, &f) == 2;
}
