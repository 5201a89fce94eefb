/* SPDX-License-Identifier: MIT */
#include "check_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "option_value.h"

int check_log_take(const struct command *c, const char *option, const char *value) {
    uint64_t number;
    if (!option_number(c, option, value, 1, INT_MAX, &number))
        return -1;
    int given = (int)number, fd = fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) {
        command_usage_error(c, "--%s=%s: no file is open there for writing", option, value);
        return -1;
    }
    if (given > STDERR_FILENO)
        fcntl(given, F_SETFD, FD_CLOEXEC);
    return fd;
}

int check_log_open(struct check_log *log) {
    log->out = log->fd != 0        ? fdopen(log->fd, "w")
               : log->name != NULL ? fopen(log->name, "we")
                                   : stderr;
    if (log->out != NULL)
        return EXIT_FINE;
    diag("%s: cannot be written: %s", log->name != NULL ? log->name : "log", strerror(errno));
    return EXIT_FINDING;
}

int check_log_close(struct check_log *log, int status) {
    FILE *out = log->out;
    log->out = NULL;
    if (out == NULL || out == stderr)
        return status;
    bool bad = ferror(out) != 0;
    if (fclose(out) == 0 && !bad)
        return status;
    diag("%s: the result could not be written: %s", log->name != NULL ? log->name : "log",
         strerror(errno));
    return status == EXIT_FINE ? EXIT_FINDING : status;
}
