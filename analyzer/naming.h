/* SPDX-License-Identifier: MIT */
/*
 * How the code of this process's reports gets its names, as the command line says. A process has
 * one command line, so there is one set of these options, and every object that looks names up
 * (names.h, or a symbolizer of naming_symbols()) goes by it. Options come before all of them.
 */
#ifndef NAMING_H
#define NAMING_H

#include <stdbool.h>

#include "command.h"
#include "symbols.h"

struct naming {
    bool no_demangle; /* show names as the linker has them; patterns match both */
    bool full_names;  /* texts do not shorten names; JSON never does */
};

/* The options of the commands that show names, for their tables: these all have, */
#define NAMING_NO_DEMANGLE                                                                         \
    { "no-demangle", 0, NULL, "show C++ and Rust names as the linker has them" }
#define NAMING_DEBUG_DIR                                                                           \
    {                                                                                              \
        "debug-dir", 0, "DIR",                                                                     \
            "look for debug files there first, as gdb's debug-file-directory; repeatable"          \
    }
#define NAMING_DEBUGINFOD                                                                          \
    { "debuginfod", 0, NULL, "ask the servers in DEBUGINFOD_URLS for what is missing here" }
#define NAMING_NO_CACHE                                                                            \
    { "no-cache", 0, NULL, "read names anew, and do not keep them for the next time" }
/* and these two those that would shorten them. */
#define NAMING_FULL_NAMES                                                                          \
    { "full-names", 0, NULL, "do not shorten long names" }
#define NAMING_WIDE                                                                                \
    { "wide", 0, NULL, "the same" }

/* Takes one of them; false for another option. Ends the process with a usage error of `c` where
 * DIR is no directory (several may be separated by colons). */
bool naming_option(const struct command *c, const char *name, const char *value);

/* What they said so far; belongs to this file. */
const struct naming *naming(void);

/* A symbolizer by these options; ends the process when memory is out. Free with symbols_free(). */
struct symbols *naming_symbols(void);

#endif
