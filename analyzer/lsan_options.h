/* SPDX-License-Identifier: MIT */
/*
 * What LSAN_OPTIONS says that has a meaning here: log_path, suppressions and exitcode. All else is
 * passed over, as it is for programs without LeakSanitizer.
 */
#ifndef LSAN_OPTIONS_H
#define LSAN_OPTIONS_H

#include <stdint.h>

struct lsan_options {
    char *log_path;     /* with our process number behind it, as LeakSanitizer has it; NULL: none */
    char *suppressions; /* NULL: none */
    uint64_t exit_status; /* 23 unless told otherwise */
};

/* `text`: options joined by colons, commas or blanks, values perhaps in quotes; NULL: none. */
struct lsan_options lsan_options_read(const char *text);
void lsan_options_free(struct lsan_options *);

#endif
