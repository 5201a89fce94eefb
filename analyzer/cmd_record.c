/* SPDX-License-Identifier: MIT */
/*
 * heaptape record: runs a program under the recorder and says where the recording is.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "diag.h"
#include "option_value.h"
#include "output.h"
#include "record_programs.h"
#include "record_summary.h"
#include "recording.h"

extern const struct command command_record;

enum {
    OPT_OUTPUT,
    OPT_FORCE,
    OPT_QUIET,
    OPT_ONLY,
    OPT_PAUSED,
    OPT_MAX_SIZE,
    OPT_PYTHON,
    OPT_ALLOCATOR,
    OPT_MISMATCHES,
    OPT_UNWINDER,
    OPT_CLOCK,
    OPT_BUFFER_EVENTS
};

static const struct command_option options[] = {
    [OPT_OUTPUT] = {"output", 'o', "FILE",
                    "write the recording to FILE (default: heaptape.<program>.<pid>.tape)"},
    [OPT_FORCE] = {"force", 'f', NULL, "replace FILE if it exists"},
    [OPT_QUIET] = {"quiet", 'q', NULL, "no closing line; errors are still printed"},
    [OPT_ONLY] = {"only", 0, "PATTERNS",
                  "record only processes whose program matches, e.g. cc1plus,'ld*'"},
    [OPT_PAUSED] = {"paused", 0, NULL, "record nothing before the program calls heaptape_start()"},
    [OPT_MAX_SIZE] = {"max-size", 0, "BYTES",
                      "stop recording at this size of a file; K, M and G may follow"},
    [OPT_PYTHON] = {"python", 0, NULL, "functions of Python stand in the stacks (CPython 3.11)"},
    [OPT_ALLOCATOR] = RECORDING_ALLOCATOR,
    [OPT_MISMATCHES] = {"mismatches", 0, NULL,
                        "record operators of C++ as such: report lists new freed by free()"},
    [OPT_UNWINDER] = {"unwinder", 0, "NAME",
                      "how stacks are captured: rows (default), libunwind, or verify (both, "
                      "compared)"},
    [OPT_CLOCK] = {"clock", 0, "NAME", "tsc (default where it is invariant) or monotonic"},
    [OPT_BUFFER_EVENTS] = {"buffer-events", 0, "N",
                           "events a thread gathers before it writes them (for tests)"},
    {0},
};

struct record {
    const char *output; /* as given; NULL: the name is made from the child's pid */
    bool force, quiet;
    struct recording_options options;
    struct recording recording;
    struct output_list before; /* files there that could be taken for this recording's */
};

/* The tape's path. Child and parent find the same one, from what was there before the start. */
static char *tape_path(void *context, pid_t pid) {
    const struct record *r = context;
    const char *directory = r->recording.directory;
    if (r->output != NULL)
        return output_absolute(r->output, directory);
    return output_default_name(directory, basename(r->recording.argv[0]), pid, &r->before);
}

/* Everything is checked: start the program, wait, say where the recording is. */
static int start(struct record *r) {
    struct launch_result result;
    char *notes = record_programs_begin();
    int status = recording_run(&r->recording, tape_path, r, &result);
    if (status != EXIT_FINE) {
        if (notes != NULL)
            unlink(notes);
        free(notes);
        return status;
    }
    char *tape = tape_path(r, result.pid);
    signal(SIGPIPE, SIG_IGN); /* a lost stderr must not change the exit status */
    if (r->quiet)
        record_settle(tape, &r->before);
    else
        record_summary(tape, r->recording.directory, r->recording.argv[0], &r->before);
    char *unrecorded = record_programs_end(notes, tape, &r->before);
    if (unrecorded != NULL && !r->quiet)
        fprintf(stderr, "heaptape: %s\n", unrecorded);
    free(unrecorded);
    free(tape);
    return launch_exit_status(result.wait_status);
}

/* The place for the recording, before the program has done anything. */
static int check_place(struct record *r) {
    const char *directory = r->recording.directory;
    char *prefix = r->output != NULL
                       ? output_absolute(r->output, directory)
                       : xasprintf("%s/heaptape.%s.", directory, basename(r->recording.argv[0]));
    r->before = output_list(prefix);
    free(prefix);
    char *tape = tape_path(r, getpid()); /* for a name made from a pid, any pid is as good */
    int status = output_check(tape, r->force);
    free(tape);
    return status;
}

/* One of the words, which are separated by spaces. */
static bool is_one_of(const char *text, const char *words) {
    size_t n = strlen(text);
    for (const char *w = words; *w != '\0'; w += strspn(w, " ")) {
        size_t length = strcspn(w, " ");
        if (length == n && memcmp(w, text, n) == 0)
            return true;
        w += length;
    }
    return false;
}

/* Bytes with an optional K, M or G (powers of 1024); 0 when it is none. */
static uint64_t parse_size(const char *text) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (text[0] < '0' || text[0] > '9' || errno != 0 || end[shift != 0 ? 1 : 0] != '\0' ||
        n > UINT64_MAX >> shift)
        return 0;
    return (uint64_t)n << shift;
}

/* Hands an option on to the recorder, which reads its environment. Returns 0 or EXIT_USAGE. */
static int set_option(int option, const char *argument) {
    const struct command *c = &command_record;
    char number[24];
    uint64_t n;
    switch (option) {
    case OPT_ONLY:
        if (argument[0] == '\0')
            return command_usage_error(c, "--only needs a pattern");
        return setenv("HEAPTAPE_ONLY", argument, 1);
    case OPT_PAUSED:
        return setenv("HEAPTAPE_PAUSED", "1", 1);
    case OPT_MAX_SIZE:
        if ((n = parse_size(argument)) == 0)
            return command_usage_error(c, "--max-size=%s: it is a number of bytes, as in 500M",
                                       argument);
        snprintf(number, sizeof number, "%llu", (unsigned long long)n);
        return setenv("HEAPTAPE_MAX_SIZE", number, 1);
    case OPT_PYTHON:
        return setenv("HEAPTAPE_PYTHON", "1", 1);
    case OPT_UNWINDER:
        if (!is_one_of(argument, "rows libunwind verify"))
            return command_usage_error(c, "--unwinder=%s: it is rows, libunwind or verify",
                                       argument);
        return setenv("HEAPTAPE_UNWINDER", argument, 1);
    case OPT_CLOCK:
        if (!is_one_of(argument, "tsc monotonic"))
            return command_usage_error(c, "--clock=%s: it is tsc or monotonic", argument);
        return setenv("HEAPTAPE_CLOCK", argument, 1);
    case OPT_BUFFER_EVENTS:
        if (!option_number(c, "buffer-events", argument, 16, 65536, &n))
            return EXIT_USAGE;
        return setenv("HEAPTAPE_BUFFER_EVENTS", argument, 1);
    }
    return EXIT_FINE;
}

static int run(int argc, char **argv) {
    struct record r = {0};
    const char *argument;
    int option;
    while ((option = command_next_option(&command_record, argc, argv, &argument)) >= 0) {
        if (option == OPT_FORCE) {
            r.force = true;
        } else if (option == OPT_QUIET) {
            r.quiet = true;
        } else if (option == OPT_OUTPUT) {
            if (argument[0] == '\0')
                return command_usage_error(&command_record, "--output needs a file name");
            r.output = argument;
        } else if (option == OPT_ALLOCATOR) {
            if (!recording_takes_allocator(&command_record, argument))
                return EXIT_USAGE;
            r.options.allocator = argument;
        } else if (option == OPT_MISMATCHES) {
            r.options.mismatches = true;
        } else if (set_option(option, argument) != 0) {
            return EXIT_USAGE;
        }
    }
    if (optind >= argc)
        return command_usage_error(&command_record, "no program given to record");
    const char *unwinder = getenv("HEAPTAPE_UNWINDER");
    if (getenv("HEAPTAPE_PYTHON") != NULL && unwinder != NULL && strcmp(unwinder, "libunwind") == 0)
        return command_usage_error(&command_record,
                                   "--python needs --unwinder=rows (the default) or verify");

    int status = recording_prepare(&r.recording, argv + optind, &r.options);
    if (status == EXIT_FINE)
        status = check_place(&r);
    if (status == EXIT_FINE)
        status = start(&r);
    output_list_free(&r.before);
    recording_free(&r.recording);
    return status;
}

const struct command command_record = {
    .name = "record",
    .usage = "[options] [--] PROGRAM [ARGUMENT...]",
    .summary = "run a program and record every heap allocation it makes",
    .options = options,
    .details =
        "The options from --only on are also variables of the recorder's environment, "
        "HEAPTAPE_ONLY\n"
        "and so on, for use with a bare LD_PRELOAD=libheaptape.so.\n"
        "Exit status: the program's own; when a signal killed it, killed by the same one. Before "
        "it\n"
        "runs: 1 the recording cannot be written there; 2 wrong usage; 126 the program cannot be\n"
        "run or recorded; 127 there is no such program.\n",
    .run = run,
};
