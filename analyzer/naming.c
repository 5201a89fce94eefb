/* SPDX-License-Identifier: MIT */
#include "naming.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diag.h"
#include "symbol_cache.h"

static struct naming chosen;
static bool no_cache;
static char *debug_directories; /* absolute, separated by colons; NULL: none */

const struct naming *naming(void) {
    return &chosen;
}

static void add_directory(const struct command *c, const char *directory) {
    struct stat st;
    char *path = realpath(directory, NULL);
    if (path == NULL || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        exit(command_usage_error(c, "--debug-dir: '%s' is no directory", directory));
    if (strchr(path, ':') != NULL)
        exit(command_usage_error(c, "--debug-dir: '%s' has a colon in its path", path));
    char *all =
        debug_directories != NULL ? xasprintf("%s:%s", debug_directories, path) : xstrdup(path);
    free(path);
    free(debug_directories);
    debug_directories = all;
}

static void add_directories(const struct command *c, const char *list) {
    char *copy = xstrdup(list), *rest = copy;
    for (const char *one; (one = strsep(&rest, ":")) != NULL;)
        add_directory(c, one);
    free(copy);
}

static void allow_debuginfod(void) {
    const char *servers = getenv("DEBUGINFOD_URLS");
    if (servers == NULL || *servers == '\0')
        diag("--debuginfod: DEBUGINFOD_URLS names no server, so none is asked");
    symbols_allow_debuginfod();
    no_cache = true; /* what a server did not have it may have next time */
}

bool naming_option(const struct command *c, const char *name, const char *value) {
    if (strcmp(name, "no-demangle") == 0)
        chosen.no_demangle = true;
    else if (strcmp(name, "full-names") == 0 || strcmp(name, "wide") == 0)
        chosen.full_names = true;
    else if (strcmp(name, "debug-dir") == 0)
        add_directories(c, value);
    else if (strcmp(name, "debuginfod") == 0)
        allow_debuginfod();
    else if (strcmp(name, "no-cache") == 0)
        no_cache = true;
    else
        return false;
    return true;
}

struct symbols *naming_symbols(void) {
    struct symbols *s = symbols_new(true);
    if (s == NULL || (debug_directories != NULL && !symbols_search(s, debug_directories))) {
        diag("out of memory");
        exit(EXIT_FINDING);
    }
    char *cache = no_cache ? NULL : symbol_cache_directory();
    if (cache != NULL)
        symbols_use_cache(s, cache);
    free(cache);
    return s;
}
