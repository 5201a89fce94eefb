/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "massif.h"
#include "naming.h"
#include "operand.h"
#include "option_value.h"

static const struct command_option options[] = {
    {"output", 'o', "FILE", "write a massif output file for ms_print and massif-visualizer"},
    {"time-unit", 0, "UNIT", "ms: milliseconds (default), B: bytes allocated and freed"},
    {"threshold", 0, "PERCENT", "fold places below this share of a snapshot (default 1)"},
    {"detailed-freq", 0, "N", "every Nth snapshot has a tree (default 10)"},
    {"max-snapshots", 0, "N", "snapshots to keep at most, 10 to 1000 (default 100)"},
    {"depth", 0, "N", "frames in a tree, 1 to 200 (default 30)"},
    FOLDING_NO_FOLD,
    FOLDING_ALLOC_FN,
    NAMING_NO_DEMANGLE,
    NAMING_DEBUG_DIR,
    NAMING_DEBUGINFOD,
    NAMING_NO_CACHE,
    {"pages-as-heap", 0, NULL, "all pages of the process, not the heap's blocks alone"},
    {"heap-admin", 0, "BYTES", "taken to be the allocator's own share of a block (default 8)"},
    {"alignment", 0, "BYTES", "to which sizes are taken to be rounded up (default 16)"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_massif = {
    .name = "massif",
    .usage = "[options] FILE",
    .summary = "the heap over time: a massif output file, or its graph and trees",
    .options = options,
    .details = "Options are named as valgrind's, but the peak is exact: the first instant of most "
               "requested\nbytes. Extra bytes are massif's guess of what an allocator adds to "
               "each block.\n"
               "Exit status: 0; 1 when the recording has damage or loss, or FILE cannot be "
               "written.\n",
    .run = run,
};

static bool parse(int argc, char **argv, struct massif_options *m, const char **output) {
    const struct command *c = &command_massif;
    const char *value;
    int found;
    while ((found = command_next_option(c, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        uint64_t number = 0;
        if (folding_option(&m->folding, name, value) || naming_option(c, name, value))
            continue;
        if (strcmp(name, "output") == 0) {
            *output = value;
        } else if (strcmp(name, "time-unit") == 0) {
            if (strcmp(value, "ms") != 0 && strcmp(value, "B") != 0) {
                command_usage_error(c, "--time-unit is ms or B, not '%s'", value);
                return false;
            }
            m->unit = *value == 'B' ? MASSIF_B : MASSIF_MS;
        } else if (strcmp(name, "threshold") == 0) {
            if (!option_percent(c, name, value, &m->threshold))
                return false;
        } else if (strcmp(name, "detailed-freq") == 0) {
            if (!option_number(c, name, value, 1, 1000000, &number))
                return false;
            m->detailed_freq = (uint32_t)number;
        } else if (strcmp(name, "max-snapshots") == 0) {
            if (!option_number(c, name, value, MASSIF_SNAPSHOTS_MIN, 1000, &number))
                return false;
            m->max_snapshots = (uint32_t)number;
        } else if (strcmp(name, "depth") == 0) {
            if (!option_number(c, name, value, 1, MASSIF_DEPTH_MAX, &number))
                return false;
            m->depth = (uint32_t)number;
        } else if (strcmp(name, "pages-as-heap") == 0) {
            m->pages = true;
        } else if (strcmp(name, "heap-admin") == 0) {
            if (!option_number(c, name, value, 0, 1024, &m->heap_admin))
                return false;
        } else if (!option_number(c, name, value, 1, 4096, &m->alignment)) {
            return false;
        }
    }
    return true;
}

/* Writes the file; a failure is named and leaves nothing that looks like a result. */
static int write_file(const char *path, const struct massif *m,
                      const struct tape_process *process) {
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (out == NULL) {
        diag("%s: cannot be written: %s", path, strerror(errno));
        return EXIT_FINDING;
    }
    struct stat file;
    bool regular = fstat(fileno(out), &file) == 0 && S_ISREG(file.st_mode);
    massif_write(out, m, process);
    bool failed = fflush(out) != 0 || ferror(out) != 0;
    int error = errno;
    if (out != stdout && fclose(out) != 0 && !failed) {
        failed = true;
        error = errno;
    }
    if (!failed)
        return EXIT_FINE;
    diag("%s: not written completely: %s", path, strerror(error));
    if (out != stdout && regular) /* never a device or a pipe that was named */
        remove(path);
    return EXIT_FINDING;
}

static int run(int argc, char **argv) {
    struct massif_options m = massif_defaults;
    const char *output = NULL;
    if (!parse(argc, argv, &m, &output))
        return EXIT_USAGE;
    const char *file = option_file(&command_massif, argc, argv);
    if (file == NULL)
        return EXIT_USAGE;
    struct tape_file *tape = operand_open(file);
    if (tape == NULL)
        return EXIT_FINDING;
    struct massif *massif = massif_new(tape, &m);
    const struct tape_process *process = tape_file_process(tape);
    const struct replay_counts *counts = replay_counts(massif->replay);
    /* Pages there are always. */
    const char *empty = m.pages ? NULL : completeness_why_empty(tape, counts);
    int status = completeness_status(tape);
    if (output != NULL) {
        if (empty != NULL)
            diag("%s: %s", file, empty);
        if (write_file(output, massif, process) != EXIT_FINE)
            status = EXIT_FINDING;
        else if (status != EXIT_FINE)
            diag("%s: incomplete, see heaptape report", file);
    } else {
        if (empty != NULL)
            printf("%s.\n", empty);
        else
            massif_print(stdout, massif, process);
        fputc('\n', stdout);
        completeness_print(stdout, tape, counts, massif->names);
    }
    massif_free(massif);
    folding_free(&m.folding);
    tape_file_close(tape);
    return status;
}
