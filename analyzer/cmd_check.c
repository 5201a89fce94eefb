/* SPDX-License-Identifier: MIT */
/*
 * heaptape check: runs a program under the recorder and says what it did not free.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "check_format.h"
#include "check_log.h"
#include "command.h"
#include "diag.h"
#include "leak_heuristics.h"
#include "lsan_options.h"
#include "naming.h"
#include "option_value.h"
#include "output.h"
#include "recording.h"
#include "remaining.h"
#include "scratch.h"

#define GRACE_STEPS   50 /* how long to wait for processes that are just ending */
#define GRACE_STEP_NS (20 * 1000 * 1000)

extern const struct command command_check;

enum {
    OPT_SUPPRESSIONS,
    OPT_NO_DEFAULTS,
    OPT_PRINT_DEFAULTS,
    OPT_SHOW_SUPPRESSED,
    OPT_GEN_SUPPRESSIONS,
    OPT_FAIL_ON_STALE,
    OPT_FAIL_ON_GROWTH,
    OPT_FAIL_ON_MISMATCH,
    OPT_FAIL_ON_KILLED,
    OPT_FAIL_ON_UNRECORDED,
    OPT_MAX_PEAK,
    OPT_MAX_PEAK_AT,
    OPT_MAX_ALLOCS,
    OPT_MAX_ALLOCS_AT,
    OPT_MAX_LEAKED,
    OPT_MAX_LEAKED_AT,
    OPT_ERROR_EXITCODE,
    OPT_LEAK_KINDS,
    OPT_SHOW_LEAK_KINDS,
    OPT_HEURISTICS,
    OPT_RESOLUTION,
    OPT_NO_LEAK_KINDS,
    OPT_OUTPUT,
    OPT_LOG_FILE,
    OPT_LOG_FD,
    OPT_FORMAT,
    OPT_JSON,
    OPT_JUNIT,
    OPT_SARIF,
    OPT_TAP,
    OPT_XML,
    OPT_XML_FILE,
    OPT_XML_FD,
    OPT_GITHUB,
    OPT_LSAN_OPTIONS,
    OPT_QUIET,
    OPT_PYTHON,
    OPT_ONLY,
    OPT_ALLOCATOR,
    OPT_LIMIT,
    OPT_DEPTH,
    OPT_NO_FOLD,
    OPT_ALLOC_FN,
    OPT_NO_DEMANGLE,
    OPT_DEBUG_DIR,
    OPT_DEBUGINFOD,
    OPT_NO_CACHE,
    OPT_FULL_NAMES,
    OPT_WIDE
};

static const struct command_option options[] = {
    [OPT_SUPPRESSIONS] = {"suppressions", 0, "FILE",
                          "places to pass over: Valgrind's or LeakSanitizer's format; repeatable"},
    [OPT_NO_DEFAULTS] = {"no-default-suppressions", 0, NULL,
                         "count what the C library and libstdc++ keep for themselves"},
    [OPT_PRINT_DEFAULTS] = {"print-default-suppressions", 0, NULL, "print these and exit"},
    [OPT_SHOW_SUPPRESSED] = {"show-suppressed", 0, NULL, "say which entry suppressed how much"},
    [OPT_GEN_SUPPRESSIONS] = {"gen-suppressions", 0, "[=yes|no|all]",
                              "print an entry for --suppressions with each finding; all: up to "
                              "main"},
    [OPT_FAIL_ON_STALE] = {"fail-on-stale", 0, NULL,
                           "fail when a suppression of your files matches nothing"},
    [OPT_FAIL_ON_GROWTH] = {"fail-on-growth", 0, NULL,
                            "fail when call sites grow with each heaptape_iteration()"},
    [OPT_FAIL_ON_MISMATCH] = {"fail-on-mismatch", 0, NULL,
                              "fail when new is freed by free(), new[] by delete, or their like"},
    [OPT_FAIL_ON_KILLED] = {"fail-on-killed", 0, NULL,
                            "fail when a child was killed, so that it could not be checked"},
    [OPT_FAIL_ON_UNRECORDED] =
        {"fail-on-unrecorded", 0, NULL,
         "fail when a program left no recording, or has an unseen allocator"},
    [OPT_MAX_PEAK] = {"max-peak", 0, "SIZE", "fail when a process has more on its heap at once"},
    [OPT_MAX_PEAK_AT] = {"max-peak-at", 0, "PATTERN=SIZE",
                         "the same for stacks in which a name matches; repeatable"},
    [OPT_MAX_ALLOCS] = {"max-allocs", 0, "N", "fail when all processes allocate more often"},
    [OPT_MAX_ALLOCS_AT] = {"max-allocs-at", 0, "PATTERN=N",
                           "the same for stacks in which a name matches; repeatable"},
    [OPT_MAX_LEAKED] = {"max-leaked", 0, "SIZE", "allow so much not to be freed"},
    [OPT_MAX_LEAKED_AT] = {"max-leaked-at", 0, "PATTERN=SIZE",
                           "the same for stacks in which a name matches; repeatable"},
    [OPT_ERROR_EXITCODE] = {"error-exitcode", 0, "N",
                            "exit status when something was found (default 1)"},
    [OPT_LEAK_KINDS] = {"leak-kinds", 0, "KINDS",
                        "kinds that count, or all, or none (default definite,indirect)"},
    [OPT_SHOW_LEAK_KINDS] = {"show-leak-kinds", 0, "KINDS",
                             "kinds that are listed (default: those that count)"},
    [OPT_HEURISTICS] = {"leak-check-heuristics", 0, "NAMES",
                        "pointers into a block that are as good as to its start (default all)"},
    [OPT_RESOLUTION] = {"leak-resolution", 0, "LEVEL",
                        "frames that tell findings apart: low 2, med 4, high all and every call"},
    [OPT_NO_LEAK_KINDS] = {"no-leak-kinds", 0, NULL,
                           "count everything that was not freed; take no heap image"},
    [OPT_OUTPUT] = {"output", 'o', "DIR", "record to this directory, and keep it"},
    [OPT_LOG_FILE] = {"log-file", 0, "FILE", "write the result to FILE instead of stderr"},
    [OPT_LOG_FD] = {"log-fd", 0, "N", "write the result to this open file instead"},
    [OPT_FORMAT] = {"format", 0, "NAME",
                    "form of that text: text (default), or that of memcheck or lsan"},
    [OPT_JSON] = {"json", 0, NULL, "machine-readable result"},
    [OPT_JUNIT] = {"junit", 0, "FILE", "write the result as JUnit XML, too"},
    [OPT_SARIF] = {"sarif", 0, "FILE", "write the result as SARIF 2.1.0, too"},
    [OPT_TAP] = {"tap", 0, "FILE", "write the result as TAP 13, too"},
    [OPT_XML] = {"xml", 0, "yes|no", "write the result as Valgrind's XML, too; with --xml-file"},
    [OPT_XML_FILE] = {"xml-file", 0, "FILE", "where --xml=yes writes"},
    [OPT_XML_FD] = {"xml-fd", 0, "N", "the open file that --xml=yes writes to"},
    [OPT_GITHUB] = {"github", 0, NULL, "print annotations for GitHub Actions on stderr, too"},
    [OPT_LSAN_OPTIONS] = {"lsan-options", 0, NULL,
                          "take log_path, suppressions and exitcode from LSAN_OPTIONS"},
    [OPT_QUIET] = {"quiet", 'q', NULL, "say nothing when all is well"},
    [OPT_PYTHON] = {"python", 0, NULL, "functions of Python stand in the stacks (CPython 3.11)"},
    [OPT_ONLY] = {"only", 0, "PATTERNS",
                  "check only processes whose program matches, e.g. 'test_*,helper'"},
    [OPT_ALLOCATOR] = RECORDING_ALLOCATOR,
    [OPT_LIMIT] = {"limit", 'n', "N", "findings to show, 0: all (default 20)"},
    [OPT_DEPTH] = {"depth", 0, "N", "frames to show of each, 0: all (default 16)"},
    [OPT_NO_FOLD] = FOLDING_NO_FOLD,
    [OPT_ALLOC_FN] = FOLDING_ALLOC_FN,
    [OPT_NO_DEMANGLE] = NAMING_NO_DEMANGLE,
    [OPT_DEBUG_DIR] = NAMING_DEBUG_DIR,
    [OPT_DEBUGINFOD] = NAMING_DEBUGINFOD,
    [OPT_NO_CACHE] = NAMING_NO_CACHE,
    [OPT_FULL_NAMES] = NAMING_FULL_NAMES,
    [OPT_WIDE] = NAMING_WIDE,
    {0},
};

struct settings {
    const char *output;
    bool json, quiet, no_defaults, print_defaults, fail_on_stale, fail_on_growth, xml, lsan;
    bool fail_on_killed, fail_on_unrecorded;
    struct recording_options recording;
    bool unclassified;
    unsigned kinds, shown, heuristics;
    bool shown_given;
    uint32_t resolution;
    bool calls_apart;
    check_writer *log_writer; /* of the log; NULL: our own text */
    struct lsan_options lsan_options;
    uint64_t error_status, limit, depth;
    struct check_style style;
};

/* A run of the program. */
struct run {
    const struct settings *settings;
    struct recording recording;
    struct folding folding;
    struct scratch scratch;
    char *process_log; /* programs that were started, in the scratch directory; NULL: none */
    struct suppressions suppressions;
    struct budgets budgets;
    struct check_files files;
    char **command;          /* our own argument vector */
    struct timespec started; /* CLOCK_REALTIME */
    uint64_t ran;            /* ns */
    struct check_log log;
};

static bool parse_resolution(const char *text, struct settings *s) {
    static const struct {
        const char *name;
        uint32_t frames;
    } level[] = {{"low", 2}, {"med", 4}, {"high", 0}};
    for (size_t i = 0; i < sizeof level / sizeof *level; i++)
        if (strcmp(level[i].name, text) == 0) {
            s->resolution = level[i].frames;
            s->calls_apart = level[i].frames == 0;
            return true;
        }
    return false;
}

static bool parse_generated(struct settings *s, const char *value) {
    if (value == NULL || strcmp(value, "yes") == 0)
        s->style.gen_suppressions = GEN_YES;
    else if (strcmp(value, "all") == 0)
        s->style.gen_suppressions = GEN_ALL;
    else if (strcmp(value, "no") == 0)
        s->style.gen_suppressions = GEN_NONE;
    else
        return command_usage_error(&command_check, "--gen-suppressions is yes, no or all, not '%s'",
                                   value) == EXIT_FINE;
    return true;
}

static int parse_format(struct run *r, struct settings *s, int option, const char *value) {
    static const enum check_format format[] = {[OPT_JUNIT] = FORMAT_JUNIT,
                                               [OPT_SARIF] = FORMAT_SARIF,
                                               [OPT_TAP] = FORMAT_TAP,
                                               [OPT_XML_FILE] = FORMAT_XML,
                                               [OPT_GITHUB] = FORMAT_GITHUB};
    const struct command *c = &command_check;
    if (option == OPT_FORMAT) {
        bool known;
        s->log_writer = check_format_log(value, &known);
        return known
                   ? EXIT_FINE
                   : command_usage_error(c, "--format is text, memcheck or lsan, not '%s'", value);
    }
    if (option == OPT_XML) {
        s->xml = strcmp(value, "yes") == 0;
        return s->xml || strcmp(value, "no") == 0
                   ? EXIT_FINE
                   : command_usage_error(c, "--xml is yes or no, not '%s'", value);
    }
    if (option != OPT_GITHUB && *value == '\0')
        return command_usage_error(c, "--%s needs a file name", options[option].name);
    r->files.name[format[option]] = option == OPT_GITHUB ? "stderr" : value;
    r->files.fd[format[option]] = 0;
    return EXIT_FINE;
}

/* Without a log_path LeakSanitizer's text goes where ours would. */
static int take_lsan_options(struct settings *s, struct run *r) {
    s->lsan_options = lsan_options_read(getenv("LSAN_OPTIONS"));
    bool known;
    s->log_writer = check_format_log("lsan", &known);
    s->error_status = s->lsan_options.exit_status;
    if (s->lsan_options.log_path != NULL)
        r->log.name = s->lsan_options.log_path;
    return s->lsan_options.suppressions != NULL
               ? suppressions_load(&r->suppressions, s->lsan_options.suppressions)
               : EXIT_FINE;
}

/* What is wrong with a suppression file is said while reading the command line: before the program
 * has run. */
static int parse(int argc, char **argv, struct settings *s, struct run *r) {
    const struct command *c = &command_check;
    const char *value;
    int option, status;
    while ((option = command_next_option(c, argc, argv, &value)) >= 0) {
        switch (option) {
        case OPT_SUPPRESSIONS:
            if ((status = suppressions_load(&r->suppressions, value)) != EXIT_FINE)
                return status;
            break;
        case OPT_NO_DEFAULTS:
            s->no_defaults = true;
            break;
        case OPT_PRINT_DEFAULTS:
            s->print_defaults = true;
            break;
        case OPT_SHOW_SUPPRESSED:
            s->style.show_suppressed = true;
            break;
        case OPT_GEN_SUPPRESSIONS:
            if (!parse_generated(s, value))
                return EXIT_USAGE;
            break;
        case OPT_FAIL_ON_STALE:
            s->fail_on_stale = true;
            break;
        case OPT_FAIL_ON_GROWTH:
            s->fail_on_growth = true;
            break;
        case OPT_FAIL_ON_MISMATCH:
            s->recording.mismatches = true;
            break;
        case OPT_ALLOCATOR:
            if (!recording_takes_allocator(c, value))
                return EXIT_USAGE;
            s->recording.allocator = value;
            break;
        case OPT_FAIL_ON_KILLED:
            s->fail_on_killed = true;
            break;
        case OPT_FAIL_ON_UNRECORDED:
            s->fail_on_unrecorded = true;
            break;
        case OPT_MAX_PEAK:
        case OPT_MAX_PEAK_AT:
        case OPT_MAX_ALLOCS:
        case OPT_MAX_ALLOCS_AT:
        case OPT_MAX_LEAKED:
        case OPT_MAX_LEAKED_AT:
            if (!budgets_add(&r->budgets, c, (enum budget_kind)((option - OPT_MAX_PEAK) / 2),
                             (option - OPT_MAX_PEAK) % 2 != 0, value))
                return EXIT_USAGE;
            break;
        case OPT_ERROR_EXITCODE:
            if (!option_number(c, "error-exitcode", value, 0, 255, &s->error_status))
                return EXIT_USAGE;
            break;
        case OPT_LEAK_KINDS:
        case OPT_SHOW_LEAK_KINDS:
            s->shown_given |= option == OPT_SHOW_LEAK_KINDS;
            if (!leak_kinds_parse(value, option == OPT_LEAK_KINDS ? &s->kinds : &s->shown))
                return command_usage_error(
                    c, "--%s: '%s' is no list of definite, indirect, possible, reachable",
                    options[option].name, value);
            break;
        case OPT_HEURISTICS:
            if (!leak_heuristics_parse(value, &s->heuristics))
                return command_usage_error(c, "--leak-check-heuristics: there is no '%s'", value);
            break;
        case OPT_RESOLUTION:
            if (!parse_resolution(value, s))
                return command_usage_error(c, "--leak-resolution: '%s' is none of low, med, high",
                                           value);
            break;
        case OPT_NO_LEAK_KINDS:
            s->unclassified = true;
            break;
        case OPT_OUTPUT:
            if (value[0] == '\0')
                return command_usage_error(c, "--output needs the name of a directory");
            s->output = value;
            break;
        case OPT_LOG_FILE:
            if (value[0] == '\0')
                return command_usage_error(c, "--log-file needs a file name");
            r->log = (struct check_log){.name = value};
            break;
        case OPT_LOG_FD:
            r->log = (struct check_log){.fd = check_log_take(c, "log-fd", value)};
            if (r->log.fd < 0)
                return EXIT_USAGE;
            break;
        case OPT_XML_FD:
            r->files.name[FORMAT_XML] = "XML";
            r->files.fd[FORMAT_XML] = check_log_take(c, "xml-fd", value);
            if (r->files.fd[FORMAT_XML] < 0)
                return EXIT_USAGE;
            break;
        case OPT_JSON:
            s->json = true;
            break;
        case OPT_FORMAT:
        case OPT_JUNIT:
        case OPT_SARIF:
        case OPT_TAP:
        case OPT_XML:
        case OPT_XML_FILE:
        case OPT_GITHUB:
            if ((status = parse_format(r, s, option, value)) != EXIT_FINE)
                return status;
            break;
        case OPT_LSAN_OPTIONS:
            s->lsan = true;
            break;
        case OPT_QUIET:
            s->quiet = true;
            break;
        case OPT_PYTHON:
            setenv("HEAPTAPE_PYTHON", "1", 1);
            break;
        case OPT_ONLY:
            if (value[0] == '\0')
                return command_usage_error(c, "--only needs a pattern");
            setenv("HEAPTAPE_ONLY", value, 1);
            break;
        case OPT_LIMIT:
            if (!option_number(c, "limit", value, 0, UINT32_MAX, &s->limit))
                return EXIT_USAGE;
            break;
        case OPT_DEPTH:
            if (!option_number(c, "depth", value, 0, UINT32_MAX, &s->depth))
                return EXIT_USAGE;
            break;
        case OPT_NO_FOLD:
        case OPT_ALLOC_FN:
            folding_option(&r->folding, options[option].name, value);
            break;
        case OPT_NO_DEMANGLE:
        case OPT_DEBUG_DIR:
        case OPT_DEBUGINFOD:
        case OPT_NO_CACHE:
        case OPT_FULL_NAMES:
        case OPT_WIDE:
            naming_option(c, options[option].name, value);
            break;
        }
    }
    s->style.wide = naming()->full_names;
    s->style.limit = (uint32_t)s->limit;
    s->style.depth = (uint32_t)s->depth;
    if (s->lsan && (status = take_lsan_options(s, r)) != EXIT_FINE)
        return status;
    if (s->json && s->log_writer != NULL)
        return command_usage_error(c, "--json and --format=memcheck or lsan are two forms of one "
                                      "text");
    if (s->xml && r->files.name[FORMAT_XML] == NULL)
        return command_usage_error(c, "--xml=yes needs --xml-file or --xml-fd");
    if (!s->xml)
        r->files.name[FORMAT_XML] = NULL;
    return EXIT_FINE;
}

static char *tape_path(void *context, pid_t pid) {
    const struct run *r = context;
    (void)pid;
    return xasprintf("%s/%s.tape", r->scratch.path, names_base(r->recording.argv[0]));
}

/* The status that the result calls for; that of a program that failed itself goes before. */
static int status_of(const struct run *r, const struct check *c) {
    if (WIFSIGNALED(c->wait_status))
        return 128 + WTERMSIG(c->wait_status);
    if (WEXITSTATUS(c->wait_status) != 0)
        return WEXITSTATUS(c->wait_status);
    return check_clean(c) ? EXIT_FINE : (int)r->settings->error_status;
}

/* The recordings of all processes. */
static struct output_list list_tapes(struct run *r) {
    char *first = tape_path(r, 0);
    struct output_list tapes = output_list(first);
    size_t count = 0;
    for (size_t i = 0; i < tapes.count; i++) {
        char *name = tapes.name[i];
        if (strcmp(name, first) == 0 || output_is_other_process(first, name))
            tapes.name[count++] = name;
        else
            free(name);
    }
    tapes.count = count;
    free(first);
    return tapes;
}

/* Nothing more will be recorded, by those who do already or by children that are just starting. */
static bool settled(struct run *r, const struct output_list *tapes) {
    char *first = tape_path(r, 0);
    bool any = remaining_any(first);
    free(first);
    return !any && check_settled(tapes->name, tapes->count);
}

/* The program has ended: read its recordings, say what was found, tidy up. */
static int conclude(struct run *r, const struct launch_result *result) {
    struct check c = {.program = r->recording.argv[0],
                      .folding = &r->folding,
                      .pid = (uint64_t)result->pid,
                      .wait_status = result->wait_status,
                      .only = getenv("HEAPTAPE_ONLY"),
                      .unclassified = r->settings->unclassified,
                      .kinds = r->settings->kinds,
                      .shown = r->settings->shown_given ? r->settings->shown : r->settings->kinds,
                      .heuristics = r->settings->heuristics,
                      .resolution = r->settings->resolution,
                      .calls_apart = r->settings->calls_apart,
                      .suppressions = &r->suppressions,
                      .budgets = &r->budgets,
                      .fail_on_growth = r->settings->fail_on_growth,
                      .fail_on_mismatch = r->settings->recording.mismatches,
                      .fail_on_killed = r->settings->fail_on_killed,
                      .fail_on_unrecorded = r->settings->fail_on_unrecorded,
                      .process_log = r->process_log,
                      .fail_on_stale = r->settings->fail_on_stale};
    struct output_list tapes = list_tapes(r);
    const struct timespec step = {.tv_nsec = GRACE_STEP_NS};
    for (int i = 0; i < GRACE_STEPS; i++) {
        bool end = settled(r, &tapes);
        if (!end)
            nanosleep(&step, NULL);
        output_list_free(&tapes);
        tapes = list_tapes(r); /* at the end, too: one may have come since the list was made */
        if (end)
            break;
    }
    signal(SIGPIPE, SIG_IGN); /* a lost reader must not change the exit status */
    check_gather(&c, tapes.name, tapes.count);
    if (r->process_log != NULL)
        unlink(r->process_log);
    bool clean = check_clean(&c);
    bool keep = !clean || r->scratch.named;
    struct check_style style = r->settings->style;
    style.kept = keep ? r->scratch.path : NULL;
    int status = status_of(r, &c);
    struct check_context context = {.items = check_items_new(&c),
                                    .status = status,
                                    .command = r->command,
                                    .program = r->recording.argv,
                                    .started = (uint64_t)r->started.tv_sec,
                                    .ran = r->ran,
                                    .kept = style.kept,
                                    .gen_suppressions = (int)style.gen_suppressions,
                                    .brief = r->settings->quiet};
    if (r->settings->json)
        check_print_json(r->log.out, &c, &style, status);
    else if (r->settings->log_writer != NULL)
        r->settings->log_writer(r->log.out, &c, &context);
    else if (!clean || !r->settings->quiet)
        check_print(r->log.out, &c, &style);
    check_files_write(&r->files, &c, &context);
    check_items_free((struct check_items *)context.items);
    if (keep)
        scratch_keep(&r->scratch);
    output_list_free(&tapes);
    check_free(&c);
    return status;
}

/* Without it nobody learns of programs that leave no recording. */
static void make_process_log(struct run *r) {
    r->process_log = xasprintf("%s/programs.log", r->scratch.path);
    int fd = open(r->process_log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    setenv("HEAPTAPE_PROCESSES", r->process_log, 1);
}

static int run_program(struct run *r) {
    make_process_log(r);
    unsetenv("HEAPTAPE_PAUSED"); /* what is not recorded would look as if it had been freed */
    if (r->settings->unclassified)
        unsetenv("HEAPTAPE_IMAGE");
    else
        setenv("HEAPTAPE_IMAGE", "exit", 1);
    struct launch_result result;
    struct timespec begun, ended;
    clock_gettime(CLOCK_REALTIME, &r->started);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    int status = recording_run(&r->recording, tape_path, r, &result);
    if (status != EXIT_FINE)
        return status;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    r->ran = (uint64_t)((ended.tv_sec - begun.tv_sec) * 1000000000 + ended.tv_nsec - begun.tv_nsec);
    status = conclude(r, &result);
    scratch_remove(&r->scratch);
    status = check_files_close(&r->files, check_log_close(&r->log, status));
    if (WIFSIGNALED(result.wait_status))
        status = launch_exit_status(result.wait_status);
    return status;
}

static int check_place(struct run *r) {
    int status = scratch_make(&r->scratch, r->settings->output, r->recording.directory);
    if (status != EXIT_FINE)
        return status;
    char *tape = tape_path(r, 0);
    status = output_check(tape, false);
    free(tape);
    return status;
}

static int run(int argc, char **argv) {
    struct settings s = {.error_status = EXIT_FINDING,
                         .kinds = 1U << LEAK_DEFINITE | 1U << LEAK_INDIRECT,
                         .heuristics = LEAK_HEURISTICS_ALL,
                         .limit = 20,
                         .depth = 16};
    struct run r = {.settings = &s, .command = argv};
    int status = parse(argc, argv, &s, &r);
    if (status == EXIT_FINE && s.print_defaults) {
        fputs(suppressions_default, stdout);
    } else if (status == EXIT_FINE && optind >= argc) {
        status = command_usage_error(&command_check, "no program given to check");
    } else if (status == EXIT_FINE) {
        if (!s.no_defaults)
            status = suppressions_parse(&r.suppressions, "built in", suppressions_default, true);
        if (status == EXIT_FINE)
            status = recording_prepare(&r.recording, argv + optind, &s.recording);
        if (status == EXIT_FINE)
            status = check_log_open(&r.log);
        if (status == EXIT_FINE)
            status = check_files_open(&r.files);
        if (status == EXIT_FINE)
            status = check_place(&r);
        if (status == EXIT_FINE)
            status = run_program(&r);
    }
    scratch_remove(&r.scratch);
    free(r.process_log);
    check_log_close(&r.log, status);
    check_files_close(&r.files, status);
    lsan_options_free(&s.lsan_options);
    budgets_free(&r.budgets);
    folding_free(&r.folding);
    recording_free(&r.recording);
    suppressions_free(&r.suppressions);
    return status;
}

const struct command command_check = {
    .name = "check",
    .usage = "[options] [--] PROGRAM [ARGUMENT...]",
    .summary = "run a program and say what it and its children did not free",
    .options = options,
    .details =
        "The result goes to stderr: stdout is the program's own. The recordings are kept when\n"
        "something was found; the last line says where.\n"
        "Exit status: the program's own if it failed; otherwise --error-exitcode when something\n"
        "was found, or when a recording is incomplete; otherwise 0. Before the program runs:\n"
        "1 the recordings or the log cannot be written; 2 wrong usage, or a suppression file "
        "with\n"
        "an error; 126 the program cannot be run or recorded; 127 there is no such program.\n",
    .run = run,
};
