/* SPDX-License-Identifier: MIT */
#include "memcheck.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "diag.h"

extern const struct command command_check;

/* Valgrind's options without a meaning here. They always have their value behind a =. */
static const char *const ignored[] = {
    "aspace-minaddr",
    "alignment",
    "allow-mismatched-debuginfo",
    "avg-transtab-entry-size",
    "child-silent-after-fork",
    "debuginfo-server",
    "default-suppressions",
    "demangle",
    "dsymutil",
    "error-limit",
    "error-markers",
    "exit-on-first-error",
    "expensive-definedness-checks",
    "extra-debuginfo-path",
    "fair-sched",
    "free-fill",
    "freelist-big-blocks",
    "freelist-vol",
    "fullpath-after",
    "ignore-range-below-sp",
    "ignore-ranges",
    "input-fd",
    "keep-debuginfo",
    "keep-stacktraces",
    "kernel-variant",
    "leak-check-heuristics",
    "leak-resolution",
    "main-stacksize",
    "malloc-fill",
    "max-stackframe",
    "max-threads",
    "merge-recursive-frames",
    "num-transtab-sectors",
    "partial-loads-ok",
    "read-inline-info",
    "read-var-info",
    "redzone-size",
    "require-text-symbol",
    "resync-filter",
    "run-cxx-freeres",
    "run-libc-freeres",
    "show-below-main",
    "show-emwarns",
    "show-error-list",
    "show-mismatched-frees",
    "show-possibly-lost",
    "show-reachable",
    "sigill-diagnostics",
    "sim-hints",
    "smc-check",
    "soname-synonyms",
    "stats",
    "time-stamp",
    "trace-children",
    "trace-children-skip",
    "trace-children-skip-by-arg",
    "track-fds",
    "track-origins",
    "undef-value-errors",
    "unw-stack-scan-frames",
    "unw-stack-scan-thresh",
    "valgrind-stacksize",
    "verbose",
    "vgdb",
    "vgdb-error",
    "vgdb-poll",
    "vgdb-prefix",
    "vgdb-shadow-registers",
    "vgdb-stop-at",
    "workaround-gcc312-asm",
    "xml-user-comment",
    "xtree-leak",
    "xtree-leak-file",
    "xtree-memory",
    "xtree-memory-file",
    "s",
};

static bool is_ignored(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strlen(ignored[i]) == length && strncmp(ignored[i], name, length) == 0)
            return true;
    return false;
}

/* The option of check of this name, or NULL. */
static const struct command_option *own_option(const char *name, size_t length) {
    for (const struct command_option *o = command_check.options; o->name != NULL; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

/* A file name with %p (our process number, which the caller knows), %q{VARIABLE} and %% put in; the
 * caller frees. */
static char *expand(const char *name) {
    char *text = xstrdup("");
    while (*name != '\0') {
        size_t plain = strcspn(name, "%");
        char *more, *value = NULL;
        const char *rest = name + plain, *close;
        if (rest[0] == '%' && rest[1] == 'p') {
            value = xasprintf("%d", (int)getpid());
            rest += 2;
        } else if (rest[0] == '%' && rest[1] == 'q' && rest[2] == '{' &&
                   (close = strchr(rest, '}')) != NULL) {
            char *variable = xasprintf("%.*s", (int)(close - rest - 3), rest + 3);
            const char *found = getenv(variable);
            value = xstrdup(found != NULL ? found : "");
            free(variable);
            rest = close + 1;
        } else if (rest[0] == '%') {
            value = xstrdup("%");
            rest += rest[1] == '%' ? 2 : 1;
        }
        more = xasprintf("%s%.*s%s", text, (int)plain, name, value != NULL ? value : "");
        free(value);
        free(text);
        text = more;
        name = rest;
    }
    return text;
}

struct translation {
    char **word; /* for check; texts that were made here are not freed: the process ends with it */
    int count;
    enum { LEAKS_FULL, LEAKS_SUMMARY, LEAKS_NO } leaks; /* --leak-check */
};

static void push(struct translation *t, char *word) {
    t->word[t->count++] = word;
}

static void help(void) {
    puts("Usage: heaptape-memcheck [valgrind's options] [--] PROGRAM [ARGUMENT...]\n"
         "heaptape check behind the command line of valgrind --tool=memcheck: writes a log of the\n"
         "same form. See heaptape-memcheck(1); heaptape check --help shows options that are taken\n"
         "as well.");
}

/* Valgrind's words for what naming.h has. A directory that is not there is none to Valgrind. */
static bool translate_naming(struct translation *t, const char *word) {
    static const char extra[] = "--extra-debuginfo-path=";
    const char *path = word + strlen(extra);
    if (strcmp(word, "--demangle=no") == 0)
        push(t, xstrdup("--no-demangle"));
    else if (strncmp(word, extra, strlen(extra)) == 0 && access(path, X_OK) == 0)
        push(t, xasprintf("--debug-dir=%s", path));
    else
        return false;
    return true;
}

/* One option, at argv[i]; returns how many words it took, or 0 with *status when it ends here. */
static int translate(struct translation *t, char **argv, int *status) {
    const char *word = argv[0], *name = word + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    *status = EXIT_FINE;
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        help();
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts("heaptape-memcheck " HEAPTAPE_VERSION);
        return 0;
    }
    if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0) {
        push(t, xstrdup("--quiet"));
        return 1;
    }
    if (strcmp(word, "-v") == 0 || strcmp(word, "-s") == 0 || strcmp(word, "-d") == 0)
        return 1;
    *status = EXIT_USAGE;
    if (strncmp(word, "--", 2) != 0) {
        diag("memcheck: %s is no option of valgrind", word);
        return 0;
    }
    if (value != NULL && strncmp(name, "tool=", 5) == 0) {
        if (strcmp(value, "memcheck") == 0)
            return 1;
        diag("memcheck: --tool=%s: only memcheck's leak check is there", value);
        return 0;
    }
    if (value != NULL && strncmp(name, "leak-check=", 11) == 0) {
        static const char *const how[] = {"full", "yes", "summary", "no"};
        static const int leaks[] = {LEAKS_FULL, LEAKS_FULL, LEAKS_SUMMARY, LEAKS_NO};
        for (size_t i = 0; i < sizeof how / sizeof *how; i++)
            if (strcmp(value, how[i]) == 0) {
                t->leaks = leaks[i];
                return 1;
            }
        diag("memcheck: --leak-check=%s: it is no, summary, yes or full", value);
        return 0;
    }
    if (strcmp(word, "--show-mismatched-frees=yes") == 0) {
        push(t, xstrdup("--fail-on-mismatch"));
        return 1;
    }
    if (value != NULL && strncmp(name, "num-callers=", 12) == 0) {
        push(t, xasprintf("--depth=%s", value));
        return 1;
    }
    if (value != NULL && strncmp(name, "errors-for-leak-kinds=", 22) == 0) {
        push(t, xasprintf("--leak-kinds=%s", value));
        return 1;
    }
    if (value != NULL &&
        (strncmp(name, "log-file=", 9) == 0 || strncmp(name, "xml-file=", 9) == 0)) {
        push(t, xasprintf("--%.8s=%s", name, expand(value)));
        return 1;
    }
    if (translate_naming(t, word))
        return 1;
    const struct command_option *own = own_option(name, length);
    if (own != NULL) {
        push(t, argv[0]);
        bool next = own->argument != NULL && own->argument[0] != '[' && value == NULL;
        if (next && argv[1] != NULL)
            push(t, argv[1]);
        return next && argv[1] != NULL ? 2 : 1;
    }
    if (is_ignored(name, length))
        return 1;
    diag("memcheck: %s is no option of valgrind or of heaptape check", word);
    return 0;
}

int memcheck_run(int argc, char **argv) {
    struct translation t = {.word = xcalloc((unsigned long)argc + 7, sizeof *t.word)};
    int status = EXIT_FINE, i = 1;
    push(&t, argv[0]);
    push(&t, xstrdup("--format=memcheck"));
    push(&t, xstrdup("--leak-resolution=high"));
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strcmp(argv[i], "--") != 0) {
        int taken = translate(&t, argv + i, &status);
        if (taken == 0)
            return status;
        i += taken;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    if (t.leaks != LEAKS_FULL) { /* behind what else was said of kinds */
        push(&t, xstrdup("--leak-kinds=none"));
        push(&t, xstrdup("--show-leak-kinds=none"));
    }
    if (t.leaks == LEAKS_NO)
        push(&t, xstrdup("--quiet"));
    push(&t, xstrdup("--"));
    for (; i < argc; i++)
        push(&t, argv[i]);
    status = command_check.run(t.count, t.word);
    free(t.word);
    return status;
}
