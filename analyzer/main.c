/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "diag.h"
#include "memcheck.h"

#define COMMAND(name) extern const struct command command_##name;
#include "commands.def"
#undef COMMAND

const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "commands.def"
#undef COMMAND
    NULL,
};

static void help(void) {
    puts("Usage: heaptape COMMAND [options] ...\n"
         "Records every heap allocation of a program, exactly, and answers from the recording.\n\n"
         "Commands:");
    for (const struct command *const *c = commands; *c != NULL; c++)
        printf("  %-8s %s\n", (*c)->name, (*c)->summary);
    puts("\nOptions:\n"
         "  --help     show this help; heaptape COMMAND --help shows a command's\n"
         "  --version  show the version\n\n"
         "Start with: heaptape record -- PROGRAM ARGUMENT...\n"
         "Exit status: 0 fine, 1 a finding or damage, 2 wrong usage; record passes on the\n"
         "program's own.");
}

int main(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0 && strcmp(slash != NULL ? slash + 1 : argv[0], "heaptape-memcheck") == 0)
        return command_finish(memcheck_run(argc, argv));
    if (argc < 2) {
        diag("no command given; heaptape --help lists them");
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help();
        return command_finish(EXIT_FINE);
    }
    if (strcmp(name, "--version") == 0) {
        puts("heaptape " HEAPTAPE_VERSION);
        return command_finish(EXIT_FINE);
    }
    for (const struct command *const *c = commands; *c != NULL; c++)
        if (strcmp(name, (*c)->name) == 0)
            return command_finish((*c)->run(argc - 1, argv + 1));
    diag("no command '%s'; heaptape --help lists them", name);
    return EXIT_USAGE;
}
