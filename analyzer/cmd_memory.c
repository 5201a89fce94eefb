/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "family_choice.h"
#include "ledger_print.h"
#include "naming.h"
#include "option_value.h"
#include "report_family.h"

static const struct command_option options[] = {
    {"rows", 0, "N", "rows of the table over time, 0: all (default 20)"},
    {"limit", 'n', "N", "places, mappings and processes to show, 0: all (default 10)"},
    FAMILY_CHOICE_PID,
    FAMILY_CHOICE_EXE,
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
    .usage = "[options] FILE|DIRECTORY|PID...",
    .summary =
        "all memory of a process, or of several: the heap, mappings, stacks, files, and the rest",
    .options = options,
    .details = "Every resident byte is of one class: they add up to what the kernel says. Samples "
               "are taken\nwhile the program runs, more often while it grows. Several recordings "
               "are laid beside each\nother in time, and summed up.\n"
               "Exit status: 0; 1 when a recording has damage or loss (the last lines say so).\n",
    .run = run,
};

struct settings {
    struct folding folding;
    uint64_t rows, limit;
    struct family_choice choice;
    bool json;
};

static bool parse(int argc, char **argv, struct settings *s) {
    const char *value;
    int found;
    while ((found = command_next_option(&command_memory, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        bool good = true;
        if (folding_option(&s->folding, name, value) || naming_option(&command_memory, name, value))
            continue;
        if (family_choice_option(&command_memory, &s->choice, name, value, &good))
            ;
        else if (strcmp(name, "json") == 0)
            s->json = true;
        else
            good = option_number(&command_memory, name, value, 0, UINT32_MAX,
                                 strcmp(name, "rows") == 0 ? &s->rows : &s->limit);
        if (!good)
            return false;
    }
    if (optind == argc)
        command_usage_error(&command_memory, "no recording is named");
    return optind < argc;
}

static void print_object(struct json_object *o) {
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                               JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

/* ---- one recording ------------------------------------------------------------------------ */

static void show_one(void *context, struct family_member *m, struct tape_file *tape,
                     const struct profile *p) {
    const struct settings *s = context;
    const struct tape_process *process = tape_file_process(tape);
    const struct replay_counts *counts = replay_counts(p->replay);
    struct names *names = names_of_recording(replay_stacks(p->replay), &s->folding, process);
    (void)m;
    if (s->json) {
        struct json_object *o = ledger_json(process, p->ledger, names, true);
        json_object_object_add(o, "completeness", completeness_json(tape, counts, names));
        print_object(o);
    } else {
        struct screen screen = screen_of(stdout, naming()->full_names);
        size_t limit = s->limit != 0 ? (size_t)s->limit : SIZE_MAX;
        ledger_print_rows(stdout, p->ledger->rows, p->ledger->row_count, &screen, (size_t)s->rows);
        ledger_print(stdout, process, p->ledger, names, &screen, limit);
        ledger_print_details(stdout, p->ledger, &screen, limit);
        fputc('\n', stdout);
        completeness_print(stdout, tape, counts, names);
    }
    names_free(names);
}

static int show_single(struct family *f, struct settings *s) {
    family_run(f, show_one, s);
    return family_status(f);
}

/* ---- several ------------------------------------------------------------------------------ */

static void print_several(const struct report_family *r, const struct settings *s) {
    struct screen screen = screen_of(stdout, naming()->full_names);
    ledger_print_rows(stdout, r->memory->rows, r->memory->row_count, &screen, (size_t)s->rows);
    ledger_family_print(stdout, r->memory, &screen);
    ledger_family_print_processes(stdout, r->memory, r->family, &screen, (size_t)s->limit);
    fputc('\n', stdout);
    report_family_print_completeness(stdout, r);
}

static int show_several(struct family *f, const struct settings *s) {
    struct report_family *r = report_family_new(f, &s->folding, 1, 1, false);
    if (s->json)
        report_family_print_memory_json(stdout, r);
    else
        print_several(r, s);
    int status = report_family_status(r);
    report_family_free(r);
    return status;
}

static int run(int argc, char **argv) {
    struct settings s = {.rows = 20, .limit = 10};
    if (!parse(argc, argv, &s))
        return EXIT_USAGE;
    uint32_t selected;
    struct family *f =
        family_chosen(&command_memory, argc - optind, argv + optind, &s.choice, &selected);
    int status = EXIT_FINDING;
    if (selected == 1)
        status = show_single(f, &s);
    else if (selected != 0)
        status = show_several(f, &s);
    family_free(f);
    folding_free(&s.folding);
    return status;
}
