/* SPDX-License-Identifier: MIT */
/*
 * Separate debug files that are there, but not of the module's build. libdwfl passes over them
 * without a word; a person would think that they are used.
 */
#ifndef DEBUG_FILE_H
#define DEBUG_FILE_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

/*
 * To be asked for a module for which libdwfl found no debug information.
 *
 * elf      its file, which is at `path`.
 * search   directories as in Dwfl_Callbacks.debuginfo_path: absolute ones count.
 *
 * The first file at a place where its debug file should be, that is an ELF file with another
 * build-id, or any where the module has none. NULL: there is none. The caller frees.
 */
char *debug_file_of_another_build(Elf *elf, const char *path, const char *search);

#endif
