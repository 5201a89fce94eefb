/* SPDX-License-Identifier: MIT */
/*
 * Where separate debug files are looked for, and those that are there, but not of the module's
 * build: libdwfl passes over them without a word; a person would think that they are used.
 */
#ifndef DEBUG_FILE_H
#define DEBUG_FILE_H

#include <libelf.h>
#include <stdbool.h>

/*
 * Calls `at` with each place where the debug file of a module may lie, whether there is one or not,
 * until it returns true; returns whether it did. elf: the module's file, which is at `path`.
 * search: directories as in Dwfl_Callbacks.debuginfo_path, of which absolute ones count.
 */
typedef bool debug_file_place(void *context, const char *path);
bool debug_file_places(Elf *elf, const char *path, const char *search, debug_file_place *at,
                       void *context);

/*
 * To be asked for a module for which libdwfl found no debug information.
 *
 * The first file at one of these places that is an ELF file with another build-id, or any where
 * the module has none. NULL: there is none. The caller frees.
 */
char *debug_file_of_another_build(Elf *elf, const char *path, const char *search);

#endif
