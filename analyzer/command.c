/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

#define OPTIONS_MAX 64
#define HELP_VALUE  -2

static int count_options(const struct command *c) {
    int n = 0;
    while (c->options != NULL && c->options[n].name != NULL)
        n++;
    return n < OPTIONS_MAX ? n : OPTIONS_MAX;
}

static bool has_letter(const struct command *c, char letter) {
    for (int i = 0; i < count_options(c); i++)
        if (c->options[i].letter == letter)
            return true;
    return false;
}

int command_next_option(const struct command *c, int argc, char **argv, const char **argument) {
    struct option table[OPTIONS_MAX + 2] = {0};
    char letters[2 * OPTIONS_MAX + 4], *l = letters;
    int n = count_options(c);
    if (strstr(c->usage, "[--]") != NULL)
        *l++ = '+'; /* what follows the first operand belongs to another program */
    *l++ = ':';
    for (int i = 0; i < n; i++) {
        const struct command_option *o = &c->options[i];
        table[i] = (struct option){.name = o->name,
                                   .has_arg = o->argument == NULL     ? no_argument
                                              : o->argument[0] == '[' ? optional_argument
                                                                      : required_argument,
                                   .val = 256 + i};
        if (o->letter != 0) {
            *l++ = o->letter;
            if (o->argument != NULL)
                *l++ = ':';
        }
    }
    table[n] = (struct option){.name = "help", .val = HELP_VALUE};
    if (!has_letter(c, 'h'))
        *l++ = 'h';
    *l = 0;

    opterr = 0;
    int last = optind > 0 ? optind : 1;
    int found = getopt_long(argc, argv, letters, table, NULL);
    *argument = optarg;
    if (found == -1)
        return -1;
    if (found >= 256)
        return found - 256;
    if (found == HELP_VALUE || (found == 'h' && !has_letter(c, 'h'))) {
        command_help(c);
        exit(command_finish(EXIT_FINE));
    }
    for (int i = 0; i < n && found != '?' && found != ':'; i++)
        if (c->options[i].letter == found)
            return i;

    /* The word that holds the culprit: getopt may or may not have stepped over it. */
    const char *word = optind > last || optind >= argc ? argv[optind - 1] : argv[optind];
    char letter[] = {'-', (char)optopt, 0};
    const char *culprit = optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0 ? letter : word;
    if (found == ':')
        exit(command_usage_error(c, "%s needs an argument", culprit));
    exit(command_usage_error(c, "%s is no option of it, or not a clear one", culprit));
}

void command_help(const struct command *c) {
    printf("Usage: heaptape %s %s\n%c%s.\n\nOptions:\n", c->name, c->usage,
           c->summary[0] >= 'a' && c->summary[0] <= 'z' ? c->summary[0] - 'a' + 'A' : c->summary[0],
           c->summary + 1);
    for (int i = 0; i < count_options(c); i++) {
        const struct command_option *o = &c->options[i];
        char left[80];
        int n = snprintf(left, sizeof left, o->letter != 0 ? "-%c, " : "    ", o->letter);
        snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name,
                 o->argument != NULL && o->argument[0] != '[' ? " " : "",
                 o->argument ? o->argument : "");
        printf("  %-27s %s\n", left, o->help);
    }
    printf("  %-27s %s\n", has_letter(c, 'h') ? "    --help" : "-h, --help", "show this help");
    if (c->details != NULL)
        printf("\n%s", c->details);
}

int command_usage_error(const struct command *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    diag("%s: %s; heaptape %s --help shows its usage", c->name, text != NULL ? text : "wrong usage",
         c->name);
    free(text);
    return EXIT_USAGE;
}

int command_finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE) /* a reader such as head has seen enough */
        diag("the output could not be written: %s", strerror(errno));
    return status == EXIT_FINE ? EXIT_FINDING : status;
}
