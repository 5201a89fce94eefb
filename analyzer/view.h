/* SPDX-License-Identifier: MIT */
/*
 * The commands that show call trees of one metric (peak, leaks) are this one: a metric and a label.
 */
#ifndef VIEW_H
#define VIEW_H

#include "command.h"
#include "folding.h"
#include "naming.h"
#include "profile.h"

struct view {
    const char *json_name; /* value of "view" in JSON */
    const char *title;     /* "Live at the peak" */
    const char *nothing;   /* what to say instead of an empty tree */
    enum metric bytes, blocks;
    bool kinds; /* blocks can be told apart by kind of leak: there are --kinds, --image and --why */
};

/* Options that every view has; VIEW_OPTIONS ends the table of the command. */
#define VIEW_OPTIONS                                                                               \
    {"bottom-up", 0, NULL, "trees from the allocating place out to its callers (default)"},        \
        {"top-down", 0, NULL, "trees from main inward"},                                           \
        {"flat", 0, NULL,                                                                          \
         "a list of places: own, and with calls (sorted by that with --top-down)"},                \
        {"threshold", 0, "PERCENT", "fold places below this share of the total (default 1)"},      \
        {"depth", 0, "N", "frames to show per call path, 0: all (default 16)"},                    \
        {"limit", 'n', "N", "entries at the top level, 0: all (default 20)"},                      \
        {"filter", 0, "GLOB", "only stacks in which a function, file or module matches"},          \
        FOLDING_NO_FOLD, FOLDING_ALLOC_FN, NAMING_NO_DEMANGLE, NAMING_DEBUG_DIR,                   \
        NAMING_DEBUGINFOD, NAMING_NO_CACHE, NAMING_FULL_NAMES, NAMING_WIDE,                        \
        {"json", 0, NULL, "machine-readable output, exact integers"}, {                            \
        NULL, 0, NULL, NULL                                                                        \
    }

/* What --help says behind the options. */
#define VIEW_DETAILS                                                                               \
    "TIME is 1.5s, 250ms, 10us, 7 (seconds), 50% (of the run), peak, end, or the name\n"           \
    "of a mark, a test or a loop.\n"                                                               \
    "Shares are of the whole, also with --filter. A line without numbers is the same blocks,\n"    \
    "one frame further. Left out: what only hands the request on (operator new, standard\n"        \
    "libraries; see --no-fold), and what lies outside main.\n"                                     \
    "Exit status: 0; 1 when the recording has damage or loss (the last line says so).\n"

/* Runs the command `c` for its command line. Returns the exit status. */
int view_run(const struct command *c, const struct view *view, int argc, char **argv);

#endif
