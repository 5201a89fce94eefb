/* SPDX-License-Identifier: MIT */
#include "check_format.h"

#include <errno.h>
#include <string.h>

#include "diag.h"

static check_writer *const writer[FORMAT_COUNT] = {
    [FORMAT_XML] = check_print_xml,       [FORMAT_JUNIT] = check_print_junit,
    [FORMAT_SARIF] = check_print_sarif,   [FORMAT_TAP] = check_print_tap,
    [FORMAT_GITHUB] = check_print_github,
};

static const struct {
    const char *name;
    check_writer *writer;
} logs[] = {
    {"text", NULL},
    {"memcheck", check_print_memcheck_log},
    {"lsan", check_print_lsan_log},
};

check_writer *check_format_log(const char *name, bool *known) {
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (strcmp(logs[i].name, name) == 0) {
            *known = true;
            return logs[i].writer;
        }
    *known = false;
    return NULL;
}

int check_files_open(struct check_files *f) {
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (f->name[i] == NULL)
            continue;
        f->file[i] = i == FORMAT_GITHUB ? stderr
                     : f->fd[i] != 0    ? fdopen(f->fd[i], "w")
                                        : fopen(f->name[i], "we");
        if (f->file[i] == NULL) {
            diag("%s: cannot be written: %s", f->name[i], strerror(errno));
            return EXIT_FINDING;
        }
    }
    return EXIT_FINE;
}

void check_files_write(struct check_files *f, const struct check *c,
                       const struct check_context *context) {
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (f->file[i] != NULL)
            writer[i](f->file[i], c, context);
}

int check_files_close(struct check_files *f, int status) {
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (f->file[i] == NULL || i == FORMAT_GITHUB)
            continue;
        bool bad = ferror(f->file[i]) != 0;
        errno = 0;
        if (fclose(f->file[i]) != 0 || bad) { /* of an earlier failure the reason is gone */
            diag("%s: the result could not be written: %s", f->name[i],
                 errno != 0 ? strerror(errno) : "no room, or an error of the device");
            status = status == EXIT_FINE ? EXIT_FINDING : status;
        }
        f->file[i] = NULL;
    }
    return status;
}
