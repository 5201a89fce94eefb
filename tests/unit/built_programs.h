/* SPDX-License-Identifier: MIT */
/* For tests that compile programs and look at them: a directory of their own, and commands in it.
 */
#ifndef BUILT_PROGRAMS_H
#define BUILT_PROGRAMS_H

#include <stdio.h>
#include <stdlib.h>

static char directory[] = "/tmp/heaptape-programs-XXXXXX"; /* mkdtemp()'s template */

/* Group set-up and tear-down. */
static inline int programs_enter(void **state) {
    (void)state;
    return mkdtemp(directory) == NULL;
}

static inline int programs_leave(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* Whether a shell command succeeds, run in the directory. */
static inline __attribute__((format(printf, 1, 2))) bool run(const char *format, ...) {
    char *command, *line;
    va_list ap;
    va_start(ap, format);
    assert_true(vasprintf(&command, format, ap) >= 0);
    va_end(ap);
    assert_true(asprintf(&line, "cd %s && ( %s )", directory, command) >= 0);
    bool ok = system(line) == 0;
    free(line);
    free(command);
    return ok;
}

static inline void write_file(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
