/* SPDX-License-Identifier: MIT */
#include "view.h"

static const struct command_option options[] = {
    {"between", 0, "A B", "what was allocated after A and lived past B (times as for peak --at)"},
    {"kinds", 0, "KINDS", "only blocks of these kinds: definite,indirect,possible,reachable, all"},
    {"why", 0, "SITE", "what keeps blocks of a site: a function's glob, or #N, a stack of dump"},
    {"image", 0, "WHICH", "heap image by number or name of its mark (default: that of the exit)"},
    VIEW_OPTIONS,
};

static int run(int argc, char **argv);

const struct command command_leaks = {
    .name = "leaks",
    .usage = "[options] FILE",
    .summary = "what was not freed at exit, as call trees",
    .options = options,
    .details = VIEW_DETAILS,
    .run = run,
};

static int run(int argc, char **argv) {
    static const struct view view = {
        .json_name = "not-freed",
        .title = "Not freed at exit",
        .nothing = "Every block was freed.",
        .bytes = METRIC_LIVE_BYTES,
        .blocks = METRIC_LIVE_BLOCKS,
        .kinds = true,
    };
    return view_run(&command_leaks, &view, argc, argv);
}
