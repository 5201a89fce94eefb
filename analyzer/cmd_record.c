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
#include "launch.h"
#include "output.h"
#include "program.h"
#include "record_summary.h"

enum { OPT_OUTPUT, OPT_FORCE, OPT_UNWINDER, OPT_QUIET, OPT_BUFFER_EVENTS };

extern const struct command command_record;

static const struct command_option options[] = {
    [OPT_OUTPUT] = {"output", 'o', "FILE",
                    "write the recording to FILE (default: heaptape.<program>.<pid>.tape)"},
    [OPT_FORCE] = {"force", 'f', NULL, "replace FILE if it exists"},
    [OPT_UNWINDER] = {"unwinder", 0, "NAME",
                      "how stacks are captured: rows (default), libunwind, or verify (both, "
                      "compared)"},
    [OPT_QUIET] = {"quiet", 'q', NULL, "no closing line; errors are still printed"},
    [OPT_BUFFER_EVENTS] = {"buffer-events", 0, "N",
                           "events a thread gathers before it writes them (for tests)"},
    {0},
};

struct record {
    const char *output; /* as given; NULL: the name is made from the child's pid */
    const char *unwinder, *buffer_events;
    bool force, quiet;
    char *library;             /* absolute path of the recorder */
    char *path;                /* file to execute */
    char **argv;               /* of the program; argv[0] as given */
    char *directory;           /* working directory at the start */
    struct output_list before; /* files there that could be taken for this recording's */
};

/* libheaptape.so beside the command (build tree), or in ../lib/heaptape (installed). NULL when it
 * is in neither, with one line printed. */
static char *find_library(void) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) {
        diag("/proc/self/exe cannot be read, so the recorder's library cannot be found");
        return NULL;
    }
    *slash = '\0';
    static const char *const places[] = {"libheaptape.so", "../lib/heaptape/libheaptape.so"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *candidate = xasprintf("%s/%s", self, places[i]);
        char *library = realpath(candidate, NULL);
        free(candidate);
        if (library == NULL)
            continue;
        if (strpbrk(library, ": ") != NULL) {
            diag("%s: LD_PRELOAD cannot hold a path with a space or a colon; install heaptape "
                 "elsewhere",
                 library);
            free(library);
            return NULL;
        }
        return library;
    }
    diag("libheaptape.so is neither in %s nor in %s/../lib/heaptape; build or install heaptape",
         self, self);
    return NULL;
}

/* The tape's path. Child and parent find the same one, from what was there before the start. */
static char *tape_path(const struct record *r, pid_t pid) {
    if (r->output != NULL)
        return output_absolute(r->output, r->directory);
    return output_default_name(r->directory, basename(r->argv[0]), pid, &r->before);
}

/* Runs in the child: the environment that the recorder reads. */
static void prepare(void *context) {
    const struct record *r = context;
    const char *others = getenv("LD_PRELOAD");
    if (others == NULL || others[0] == '\0')
        setenv("LD_PRELOAD", r->library, 1);
    else
        setenv("LD_PRELOAD", xasprintf("%s:%s", r->library, others), 1);
    setenv("HEAPTAPE_OUT", tape_path(r, getpid()), 1);
    setenv("HEAPTAPE_LAUNCHER", "1", 1);
    if (r->unwinder != NULL)
        setenv("HEAPTAPE_UNWINDER", r->unwinder, 1);
    if (r->buffer_events != NULL)
        setenv("HEAPTAPE_BUFFER_EVENTS", r->buffer_events, 1);
}

/* Everything is checked: start the program, wait, say where the recording is. */
static int start(struct record *r) {
    struct launch_result result;
    if (launch_run(r->path, r->argv, prepare, r, &result) != 0) {
        diag("no process could be started: %s", strerror(errno));
        return EXIT_FINDING;
    }
    if (result.exec_errno != 0) {
        diag("%s: cannot be started: %s", r->path, strerror(result.exec_errno));
        return result.exec_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    if (!r->quiet) {
        char *tape = tape_path(r, result.pid);
        signal(SIGPIPE, SIG_IGN); /* a lost stderr must not change the exit status */
        record_summary(tape, r->directory, r->argv[0], &r->before);
        free(tape);
    }
    return launch_exit_status(result.wait_status);
}

/* The place for the recording, before the program has done anything. */
static int check_place(struct record *r) {
    r->directory = getcwd(NULL, 0);
    if (r->directory == NULL) {
        diag("the working directory cannot be named: %s", strerror(errno));
        return EXIT_FINDING;
    }
    char *prefix = r->output != NULL
                       ? output_absolute(r->output, r->directory)
                       : xasprintf("%s/heaptape.%s.", r->directory, basename(r->argv[0]));
    r->before = output_list(prefix);
    free(prefix);
    char *tape = tape_path(r, getpid()); /* for a name made from a pid, any pid is as good */
    int status = output_check(tape, r->force);
    free(tape);
    return status;
}

static bool known_unwinder(const char *name) {
    return strcmp(name, "rows") == 0 || strcmp(name, "libunwind") == 0 ||
           strcmp(name, "verify") == 0;
}

/* What the recorder accepts, too. */
static bool buffer_size(const char *text) {
    size_t n = strlen(text);
    return n > 0 && n <= 5 && strspn(text, "0123456789") == n && atoi(text) >= 16 &&
           atoi(text) <= 65536;
}

static int run(int argc, char **argv) {
    struct record r = {0};
    const char *argument;
    int option;
    while ((option = command_next_option(&command_record, argc, argv, &argument)) >= 0) {
        switch (option) {
        case OPT_OUTPUT:
            if (argument[0] == '\0')
                return command_usage_error(&command_record, "--output needs a file name");
            r.output = argument;
            break;
        case OPT_FORCE:
            r.force = true;
            break;
        case OPT_UNWINDER:
            if (!known_unwinder(argument))
                return command_usage_error(&command_record,
                                           "--unwinder=%s: it is rows, libunwind or verify",
                                           argument);
            r.unwinder = argument;
            break;
        case OPT_QUIET:
            r.quiet = true;
            break;
        case OPT_BUFFER_EVENTS:
            if (!buffer_size(argument))
                return command_usage_error(&command_record,
                                           "--buffer-events=%s: it is a number from 16 to 65536",
                                           argument);
            r.buffer_events = argument;
            break;
        }
    }
    if (optind >= argc)
        return command_usage_error(&command_record, "no program given to record");
    r.argv = argv + optind;

    int status = program_find(r.argv[0], &r.path);
    if (status == EXIT_FINE && (r.library = find_library()) == NULL)
        status = EXIT_FINDING;
    if (status == EXIT_FINE)
        status = check_place(&r);
    if (status == EXIT_FINE)
        status = start(&r);
    output_list_free(&r.before);
    free(r.directory);
    free(r.library);
    free(r.path);
    return status;
}

const struct command command_record = {
    .name = "record",
    .usage = "[options] [--] PROGRAM [ARGUMENT...]",
    .summary = "run a program and record every heap allocation it makes",
    .options = options,
    .run = run,
};
