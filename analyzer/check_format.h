/* SPDX-License-Identifier: MIT */
/*
 * What CI systems read: a check's result in the formats of others, each to a file of its own or
 * instead of the text. One writer a file; the table below lists them.
 *
 * How to add one: write check_NAME.c with the writer, add it here and to the table in
 * check_format.c, and give cmd_check.c its option.
 */
#ifndef CHECK_FORMAT_H
#define CHECK_FORMAT_H

#include "check_item.h"

/* What writers want to know besides the check. */
struct check_context {
    const struct check_items *items;
    int status;                /* exit status of the check */
    char **command, **program; /* argument vectors: our own up to the program's, and the program's;
                                * command ends where program begins */
    uint64_t started;          /* s since 1970 */
    uint64_t ran;              /* ns */
    const char *kept;          /* where the recordings are, NULL: they go */
    int gen_suppressions;      /* entries with each finding: GEN_YES and so on */
    bool brief;                /* leave out summaries of what is well */
};

/* "1,024 bytes in 2 blocks are possibly lost in loss record 1 of 3", as memcheck says it: the
 * blocks are those of the record, the bytes have what is lost through them. What is not freed and
 * not looked at further is possibly lost: that is what it means. The caller frees. */
char *check_loss_record(const struct check_finding *, uint64_t record, uint64_t records);

/* How many there are: what is found and shown, and what is shown and does not count. */
uint64_t check_loss_records(const struct check *);

typedef void check_writer(FILE *, const struct check *, const struct check_context *);

check_writer check_print_xml;          /* Valgrind's XML, protocol 4, tool memcheck */
check_writer check_print_junit;        /* JUnit XML */
check_writer check_print_sarif;        /* SARIF 2.1.0 */
check_writer check_print_tap;          /* TAP 13 */
check_writer check_print_github;       /* workflow commands: annotations */
check_writer check_print_memcheck_log; /* memcheck's text */
check_writer check_print_lsan_log;     /* LeakSanitizer's text */

enum check_format {
    FORMAT_XML,
    FORMAT_JUNIT,
    FORMAT_SARIF,
    FORMAT_TAP,
    FORMAT_GITHUB, /* goes to stderr; its name is only a mark that it is wanted */
    FORMAT_COUNT
};

/* The writer of --format=NAME, NULL: there is none. *known is false when there is no such name;
 * "text" is known and has none here. */
check_writer *check_format_log(const char *name, bool *known);

struct check_files {
    const char *name[FORMAT_COUNT]; /* NULL: not wanted; not owned */
    int fd[FORMAT_COUNT];           /* of check_log_take(), 0: the file of the name is made */
    FILE *file[FORMAT_COUNT];
};

/* Opens the files: before the program runs, so that a wrong name costs no run. Returns EXIT_FINE,
 * or prints one line and returns EXIT_FINDING. */
int check_files_open(struct check_files *);
void check_files_write(struct check_files *, const struct check *, const struct check_context *);
/* Closes what is open. Returns `status`, or EXIT_FINDING instead of EXIT_FINE, with a line, when
 * something could not be written. */
int check_files_close(struct check_files *, int status);

#endif
