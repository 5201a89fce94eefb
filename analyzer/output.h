/* SPDX-License-Identifier: MIT */
/*
 * Where a recording goes: names, and whether the file system can take it.
 *
 * The process that is started writes FILE (and FILE.tail while it runs); later process images,
 * children and what they execute, write FILE.<pid> and FILE.<pid>.<n> beside it.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Checks that `path` can be made, and removes what `force` allows to be removed: a tape of that
 * name and its tail. Returns EXIT_FINE, or prints one line and returns EXIT_FINDING.
 */
int output_check(const char *path, bool force);

/* `path` seen from `directory`, both absolute from then on; the caller frees. */
char *output_absolute(const char *path, const char *directory);

/* Names of the files in a directory that begin with a prefix. */
struct output_list {
    char **name;
    size_t count;
};

/* Lists the directory of `prefix` (an absolute path without its end); full paths, unsorted. */
struct output_list output_list(const char *prefix);
void output_list_free(struct output_list *);
bool output_list_has(const struct output_list *, const char *path);

/* dir/heaptape.<exe>.<pid>.tape, or with .2, .3, … behind the pid when `taken` has that. The caller
 * frees. */
char *output_default_name(const char *dir, const char *exe, pid_t pid,
                          const struct output_list *taken);

/* Whether `path` is the tape of another process of the recording `tape`. */
bool output_is_other_process(const char *tape, const char *path);

#endif
