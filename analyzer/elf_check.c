/* SPDX-License-Identifier: MIT */
#include "elf_check.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PHDR_MAX 512 /* program headers looked at; real programs have about 13 */

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "add this machine's e_machine"
#endif

static bool read_at(int fd, void *to, size_t n, uint64_t offset) {
    return pread(fd, to, n, (off_t)offset) == (ssize_t)n;
}

/* Only shared libraries have a name of their own (DT_SONAME). The loader is one that can be run:
 * `ld.so PROG` preloads like PROG itself. */
static bool has_soname(int fd, const Elf64_Phdr *dynamic) {
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic->p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn d;
        if (!read_at(fd, &d, sizeof d, dynamic->p_offset + at) || d.d_tag == DT_NULL)
            return false;
        if (d.d_tag == DT_SONAME)
            return true;
    }
    return false;
}

enum elf_verdict elf_check(int fd, char loader[ELF_LOADER_MAX]) {
    Elf64_Ehdr e;
    loader[0] = '\0';
    if (!read_at(fd, e.e_ident, SELFMAG, 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
        return ELF_NOT_ELF;
    if (!read_at(fd, e.e_ident, EI_NIDENT, 0))
        return ELF_DAMAGED;
    if (e.e_ident[EI_CLASS] == ELFCLASS32)
        return ELF_32_BIT;
    if (e.e_ident[EI_DATA] != ELFDATA2LSB)
        return ELF_OTHER_CPU;
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || !read_at(fd, &e, sizeof e, 0))
        return ELF_DAMAGED;
    if (e.e_machine != OWN_MACHINE)
        return ELF_OTHER_CPU;
    if ((e.e_type != ET_EXEC && e.e_type != ET_DYN) || e.e_phentsize != sizeof(Elf64_Phdr) ||
        e.e_phnum == 0 || e.e_phnum > PHDR_MAX)
        return ELF_DAMAGED;

    bool found_loader = false, found_soname = false;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;
        if (!read_at(fd, &p, sizeof p, e.e_phoff + i * sizeof p))
            return ELF_DAMAGED;
        if (p.p_type == PT_INTERP) {
            if (p.p_filesz < 2 || p.p_filesz > ELF_LOADER_MAX ||
                !read_at(fd, loader, p.p_filesz, p.p_offset) || loader[p.p_filesz - 1] != '\0')
                return ELF_DAMAGED;
            found_loader = true;
        } else if (p.p_type == PT_DYNAMIC) {
            found_soname = has_soname(fd, &p);
        }
    }
    if (!found_loader)
        return found_soname ? ELF_RECORDABLE : ELF_STATIC;
    if (access(loader, F_OK) != 0)
        return ELF_NO_LOADER;
    const char *slash = strrchr(loader, '/');
    const char *name = slash != NULL ? slash + 1 : loader;
    return strncmp(name, "ld-linux", 8) == 0 ? ELF_RECORDABLE : ELF_OTHER_LOADER;
}
