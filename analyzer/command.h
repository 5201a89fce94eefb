/* SPDX-License-Identifier: MIT */
/*
 * A command of the analyzer: one file cmd_NAME.c that exports one const struct command.
 *
 * How to add one: write cmd_NAME.c, list the descriptor in commands.def, give it a man page
 * man/heaptape-NAME.1 and cases in tests/cli. The completion files and the man pages are compared
 * with `options` by a test.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <stdbool.h>

/* One option: the table drives getopt_long, --help, completion and the man page test. */
struct command_option {
    const char *name;     /* long name without dashes */
    char letter;          /* short form, or 0 */
    const char *argument; /* its name in --help, NULL: none; "[=NAME]": may be left out */
    const char *help;     /* one line */
};

struct command {
    const char *name;
    /* Behind "heaptape NAME", e.g. "[options] FILE". With "[--]" in it, options end at the first
     * operand; otherwise they may stand anywhere. */
    const char *usage;
    const char *summary;                  /* one line */
    const struct command_option *options; /* ends with name == NULL; --help is implied */
    /* argv[0] is the command's name. Returns the exit status. */
    int (*run)(int argc, char **argv);
    const char *details; /* lines that --help prints behind the options, or NULL */
};

extern const struct command *const commands[]; /* ends with NULL */

/*
 * One step of option parsing over c->options: returns the index of the option found (its argument
 * in *argument), -1 when the options are used up (optind is the first operand). --help prints and
 * exits 0; an unknown option or a missing argument prints one line and exits 2.
 */
int command_next_option(const struct command *c, int argc, char **argv, const char **argument);

/* Prints the command's --help to stdout. */
void command_help(const struct command *c);

/* "heaptape NAME: MESSAGE" and a pointer to --help on stderr; returns EXIT_USAGE. */
int command_usage_error(const struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Flushes stdout behind a command: the exit status to end with, EXIT_FINDING (and one line) when
 * results could not be written. */
int command_finish(int status);

#endif
