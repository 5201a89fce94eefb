/* SPDX-License-Identifier: MIT */
#include "view.h"

static const struct command_option options[] = {
    {"at", 0, "TIME", "the live heap at this instant: 1.5s, 250ms, 50%, end, or a mark's name"},
    VIEW_OPTIONS,
};

static int run(int argc, char **argv);

const struct command command_peak = {
    .name = "peak",
    .usage = "[options] FILE",
    .summary = "what was on the heap at its peak, or at any instant, as call trees",
    .options = options,
    .details = VIEW_DETAILS,
    .run = run,
};

static int run(int argc, char **argv) {
    static const struct view view = {
        .json_name = "peak",
        .title = "Live at the peak",
        .nothing = "The heap was never in use.",
        .bytes = METRIC_PEAK_BYTES,
        .blocks = METRIC_PEAK_BLOCKS,
    };
    return view_run(&command_peak, &view, argc, argv);
}
