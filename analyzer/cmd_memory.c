/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "ledger_print.h"
#include "naming.h"
#include "operand.h"
#include "option_value.h"
#include "profile.h"

static const struct command_option options[] = {
    {"rows", 0, "N", "rows of the table over time, 0: all (default 20)"},
    {"limit", 'n', "N", "places and mappings to show, 0: all (default 10)"},
    FOLDING_NO_FOLD,
    FOLDING_ALLOC_FN,
    NAMING_NO_DEMANGLE,
    NAMING_DEBUG_DIR,
    NAMING_DEBUGINFOD,
    NAMING_NO_CACHE,
    NAMING_FULL_NAMES,
    NAMING_WIDE,
    {"json", 0, NULL, "machine-readable output, exact integers"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_memory = {
    .name = "memory",
    .usage = "[options] FILE",
    .summary = "all memory of the process: the heap, mappings, stacks, files, and the rest",
    .options = options,
    .details = "Every resident byte is of one class: they add up to what the kernel says. Samples "
               "are taken\nwhile the program runs, more often while it grows.\n"
               "Exit status: 0; 1 when the recording has damage or loss (the last line says so).\n",
    .run = run,
};

struct settings {
    struct folding folding;
    uint64_t rows, limit;
    bool json;
};

static bool parse(int argc, char **argv, struct settings *s) {
    const char *value;
    int found;
    while ((found = command_next_option(&command_memory, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        if (folding_option(&s->folding, name, value) || naming_option(&command_memory, name, value))
            continue;
        if (strcmp(name, "json") == 0)
            s->json = true;
        else if (!option_number(&command_memory, name, value, 0, UINT32_MAX,
                                strcmp(name, "rows") == 0 ? &s->rows : &s->limit))
            return false;
    }
    if (optind + 1 != argc) {
        command_usage_error(&command_memory, "give one recording");
        return false;
    }
    return true;
}

static void print(const struct settings *s, struct tape_file *tape, const struct profile *p,
                  struct names *names) {
    const struct tape_process *process = tape_file_process(tape);
    if (s->json) {
        struct json_object *o = ledger_json(process, p->ledger, names, true);
        json_object_object_add(o, "completeness",
                               completeness_json(tape, replay_counts(p->replay), names));
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
        return;
    }
    struct screen screen = screen_of(stdout, naming()->full_names);
    size_t limit = s->limit != 0 ? (size_t)s->limit : SIZE_MAX;
    ledger_print_rows(stdout, p->ledger, &screen, (size_t)s->rows);
    ledger_print(stdout, process, p->ledger, names, &screen, limit);
    ledger_print_details(stdout, p->ledger, &screen, limit);
    fputc('\n', stdout);
    completeness_print(stdout, tape, replay_counts(p->replay), names);
}

static int run(int argc, char **argv) {
    struct settings s = {.rows = 20, .limit = 10};
    if (!parse(argc, argv, &s))
        return EXIT_USAGE;
    struct tape_file *tape = operand_open(argv[optind]);
    if (tape == NULL)
        return EXIT_FINDING;
    struct profile *p = profile_run(tape, NULL);
    struct names *names =
        names_of_recording(replay_stacks(p->replay), &s.folding, tape_file_process(tape));
    print(&s, tape, p, names);
    int status = completeness_status(tape);
    names_free(names);
    profile_free(p);
    tape_file_close(tape);
    folding_free(&s.folding);
    return status;
}
