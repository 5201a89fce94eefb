/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/resource.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "family_choice.h"
#include "naming.h"
#include "option_value.h"
#include "report.h"
#include "report_family.h"

static const struct command_option options[] = {
    {"limit", 'n', "N", "sites to show by each metric, 0: all, processes too (default 5)"},
    {"depth", 0, "N", "frames to show of a site's stack, 0: all (default 6)"},
    FAMILY_CHOICE_PID,
    FAMILY_CHOICE_EXE,
    FOLDING_NO_FOLD,
    FOLDING_ALLOC_FN,
    NAMING_NO_DEMANGLE,
    NAMING_DEBUG_DIR,
    NAMING_DEBUGINFOD,
    NAMING_NO_CACHE,
    NAMING_FULL_NAMES,
    NAMING_WIDE,
    {"json", 0, NULL, "machine-readable output, exact integers"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_report = {
    .name = "report",
    .usage = "[options] FILE|DIRECTORY|PID...",
    .summary = "what ran, what it allocated, and the largest allocation sites",
    .options = options,
    .details =
        "One recording is shown in detail; several as a tree of processes, and their sites joined. "
        "A\nDIRECTORY stands for all recordings in it, a PID for that of a running process.\n"
        "Shares are of the column's total over all sites. Temporary: freed before the thread "
        "that\nallocated it allocated again. Left out of stacks: what only hands the "
        "request on\n(operator new, standard libraries; see --no-fold), and what lies outside "
        "main.\n"
        "Exit status: 0; 1 when a recording has damage or loss (the last lines say so).\n",
    .run = run,
};

struct settings {
    uint64_t limit, depth;
    struct family_choice choice;
    bool json;
    struct folding folding;
};

static bool parse(int argc, char **argv, struct settings *s) {
    const char *value;
    int found;
    while ((found = command_next_option(&command_report, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        bool good = true;
        if (folding_option(&s->folding, name, value) || naming_option(&command_report, name, value))
            continue;
        if (family_choice_option(&command_report, &s->choice, name, value, &good))
            ;
        else if (strcmp(name, "json") == 0)
            s->json = true;
        else if (strcmp(name, "limit") == 0)
            good = option_number(&command_report, name, value, 0, UINT32_MAX, &s->limit);
        else
            good = option_number(&command_report, name, value, 0, TREE_DEPTH_MAX, &s->depth);
        if (!good)
            return false;
    }
    if (optind == argc)
        command_usage_error(&command_report, "no recording is named");
    return optind < argc;
}

/* ---- one recording ------------------------------------------------------------------------ */

static void report_one(void *context, struct family_member *m, struct tape_file *tape,
                       const struct profile *profile) {
    const struct settings *s = context;
    struct report r = {.tape = tape,
                       .profile = profile,
                       .depth = (uint32_t)s->depth,
                       .limit = (uint32_t)s->limit};
    (void)m;
    r.names =
        names_of_recording(replay_stacks(profile->replay), &s->folding, tape_file_process(tape));
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        r.ranking[i] =
            ranking_new(r.names, profile, &ranking_info[i], (uint32_t)s->depth, (uint32_t)s->limit);
    if (s->json) {
        report_print_json(stdout, &r);
    } else {
        struct screen screen = screen_of(stdout, naming()->full_names);
        report_print(stdout, &r, &screen);
    }
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        ranking_free(r.ranking[i]);
    names_free(r.names);
}

static int report_single(struct family *f, struct settings *s) {
    family_run(f, report_one, s);
    return family_status(f);
}

/* ---- several ------------------------------------------------------------------------------ */

/* Every module of every process stays open while names are looked up. */
static void allow_many_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* if not, some names are missing, which the page says */
}

static int report_several(struct family *f, const struct settings *s) {
    allow_many_files();
    struct report_family *r =
        report_family_new(f, &s->folding, (uint32_t)s->depth, (uint32_t)s->limit, true);
    if (s->json) {
        report_family_print_json(stdout, r);
    } else {
        struct screen screen = screen_of(stdout, naming()->full_names);
        report_family_print(stdout, r, &screen);
    }
    int status = report_family_status(r);
    report_family_free(r);
    return status;
}

static int run(int argc, char **argv) {
    struct settings s = {.limit = 5, .depth = 6};
    if (!parse(argc, argv, &s))
        return EXIT_USAGE;
    uint32_t selected;
    struct family *f =
        family_chosen(&command_report, argc - optind, argv + optind, &s.choice, &selected);
    int status = EXIT_FINDING;
    if (selected == 1)
        status = report_single(f, &s);
    else if (selected != 0)
        status = report_several(f, &s);
    family_free(f);
    folding_free(&s.folding);
    return status;
}
