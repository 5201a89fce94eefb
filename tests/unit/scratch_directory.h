/* SPDX-License-Identifier: MIT */
/*
 * Group set-up and tear-down of tests that write files: a directory of their own, entered before
 * the first test and removed with the plain files in it behind the last.
 */
#ifndef SCRATCH_DIRECTORY_H
#define SCRATCH_DIRECTORY_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_directory[] = "/tmp/heaptape-unit-XXXXXX";

static inline int scratch_enter(void **state) {
    (void)state;
    return mkdtemp(scratch_directory) == NULL || chdir(scratch_directory) != 0;
}

static inline int scratch_leave(void **state) {
    (void)state;
    DIR *d = opendir(".");
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (e->d_type == DT_REG)
            unlink(e->d_name);
    if (d != NULL)
        closedir(d);
    return chdir("/") != 0 || rmdir(scratch_directory) != 0;
}

#endif
