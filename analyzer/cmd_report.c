/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "option_value.h"
#include "report.h"

static const struct command_option options[] = {
    {"limit", 'n', "N", "sites to show by each metric, 0: all (default 5)"},
    {"depth", 0, "N", "frames to show of a site's stack, 0: all (default 6)"},
    {"wide", 0, NULL, "do not shorten long names"},
    {"json", 0, NULL, "machine-readable output, exact integers"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_report = {
    .name = "report",
    .usage = "[options] FILE",
    .summary = "what ran, what it allocated, and the largest allocation sites",
    .options = options,
    .details =
        "Shares are of the column's total over all sites. Temporary: freed before the thread "
        "that\nallocated it allocated again. Left out of stacks: operator new, and what lies "
        "outside main.\n"
        "Exit status: 0; 1 when the recording has damage or loss (the last line says so).\n",
    .run = run,
};

static int run(int argc, char **argv) {
    uint64_t limit = 5, depth = 6;
    bool wide = false, json = false;
    const char *value;
    int found;
    while ((found = command_next_option(&command_report, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        if (strcmp(name, "wide") == 0)
            wide = true;
        else if (strcmp(name, "json") == 0)
            json = true;
        else if (strcmp(name, "limit") == 0) {
            if (!option_number(&command_report, name, value, 0, UINT32_MAX, &limit))
                return EXIT_USAGE;
        } else if (!option_number(&command_report, name, value, 0, TREE_DEPTH_MAX, &depth)) {
            return EXIT_USAGE;
        }
    }
    const char *file = option_file(&command_report, argc, argv);
    if (file == NULL)
        return EXIT_USAGE;
    struct report r = {.tape = tape_file_open(file)};
    if (r.tape == NULL)
        return EXIT_FINDING;
    struct profile *profile = profile_run(r.tape, NULL);
    r.profile = profile;
    r.names = names_new(replay_stacks(profile->replay));
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        r.ranking[i] =
            ranking_new(r.names, profile, &ranking_info[i], (uint32_t)depth, (uint32_t)limit);
    if (json) {
        report_print_json(stdout, &r);
    } else {
        struct screen screen = screen_of(stdout, wide);
        report_print(stdout, &r, &screen);
    }
    int status = completeness_status(r.tape);
    for (unsigned i = 0; i < RANKING_COUNT; i++)
        ranking_free(r.ranking[i]);
    names_free(r.names);
    profile_free(profile);
    tape_file_close(r.tape);
    return status;
}
