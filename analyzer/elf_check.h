/* SPDX-License-Identifier: MIT */
/*
 * Whether one ELF file can take a preloaded library.
 */
#ifndef ELF_CHECK_H
#define ELF_CHECK_H

enum elf_verdict {
    ELF_RECORDABLE,   /* dynamically linked, for this machine and C library */
    ELF_NOT_ELF,      /* something else: a script, perhaps */
    ELF_DAMAGED,      /* begins like ELF but is cut off or contradictory */
    ELF_32_BIT,       /* a 32-bit program */
    ELF_OTHER_CPU,    /* for another processor */
    ELF_STATIC,       /* statically linked: no loader that could preload */
    ELF_OTHER_LOADER, /* its loader is no glibc one, e.g. musl's */
    ELF_NO_LOADER,    /* the loader it names does not exist */
};

#define ELF_LOADER_MAX 256

/*
 * Looks at an open file. `loader` receives the path of the program's loader, or "" when it has
 * none. Uses pread only; allocates nothing.
 */
enum elf_verdict elf_check(int fd, char loader[ELF_LOADER_MAX]);

#endif
