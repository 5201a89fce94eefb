/* SPDX-License-Identifier: MIT */
/*
 * The program that `heaptape record` is to run: found as a shell finds it, and looked at before
 * it starts, because the loader ignores LD_PRELOAD without a word where it cannot honour it.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * Finds `name` (in PATH unless it holds a slash) and checks that it and the interpreters that its
 * #! lines name can be run and recorded. Returns 0 and the path to execute in *path (the caller
 * frees), or prints one line and returns EXIT_NOT_FOUND or EXIT_NOT_EXECUTABLE.
 */
int program_find(const char *name, char **path);

/*
 * What a process that ran this file had as its executable: for a script its interpreter, without
 * symbolic links where they can be followed; the caller frees. *why becomes why the recorder cannot
 * be loaded into it, "is statically linked", which the caller frees, or NULL when it can or when
 * that cannot be told any more. Prints nothing.
 */
char *program_image(const char *path, char **why);

#endif
