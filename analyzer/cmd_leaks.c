/* SPDX-License-Identifier: MIT */
#include "view.h"

static const struct command_option options[] = {
    {"between", 0, "A B", "what was allocated after A and lived past B (times as for peak --at)"},
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
    };
    return view_run(&command_leaks, &view, argc, argv);
}
