/* SPDX-License-Identifier: MIT */
/*
 * heaptape pack: recordings in their archive form.
 */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "diag.h"
#include "family_find.h"
#include "json_put.h"
#include "names.h"
#include "naming.h"
#include "option_value.h"
#include "pack.h"
#include "units.h"

extern const struct command command_pack;

enum {
    OPT_OUTPUT,
    OPT_FORCE,
    OPT_LEVEL,
    OPT_DEBUG_DIR,
    OPT_DEBUGINFOD,
    OPT_NO_CACHE,
    OPT_QUIET,
    OPT_JSON
};

static const struct command_option options[] = {
    [OPT_OUTPUT] = {"output", 'o', "FILE|DIR",
                    "write to FILE, or into the directory DIR under the old names"},
    [OPT_FORCE] = {"force", 'f', NULL, "replace files that exist"},
    [OPT_LEVEL] = {"level", 0, "N", "compression level of zstd, 1 to 22 (default: 19)"},
    [OPT_DEBUG_DIR] = NAMING_DEBUG_DIR,
    [OPT_DEBUGINFOD] = NAMING_DEBUGINFOD,
    [OPT_NO_CACHE] = NAMING_NO_CACHE,
    [OPT_QUIET] = {"quiet", 'q', NULL, "print nothing but errors"},
    [OPT_JSON] = {"json", 0, NULL, "what was written as one JSON object"},
    {0},
};

struct packing {
    const char *output;                 /* as given; NULL: beside each recording */
    bool force, quiet, json, directory; /* output is one */
    uint64_t level;
    struct json_object *list;
};

static bool ends_with_slash(const char *path) {
    return path[0] != '\0' && path[strlen(path) - 1] == '/';
}

static bool is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Of the recording `path`; the caller frees. */
static char *output_of(const struct packing *p, const char *path) {
    if (p->output == NULL)
        return pack_default_name(path);
    if (!p->directory)
        return xstrdup(p->output);
    return xasprintf("%s%s%s", p->output, ends_with_slash(p->output) ? "" : "/", names_base(path));
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One line when there is a file that must stay. */
static bool may_write(const struct packing *p, const char *path, const char *out) {
    struct stat st;
    if (lstat(out, &st) != 0)
        return true;
    char *tail = xasprintf("%s.tail", path);
    bool own = same_file(path, out) || same_file(tail, out);
    free(tail);
    if (own)
        diag("%s: is the recording itself, which stays as it is; give another name", out);
    else if (S_ISDIR(st.st_mode))
        diag("%s: is a directory; give the name of a file", out);
    else if (!S_ISREG(st.st_mode))
        diag("%s: exists and is no regular file; give another name", out);
    else if (!p->force)
        diag("%s: exists; give another name, or --force to replace it", out);
    else
        return true;
    return false;
}

static void tell(struct packing *p, const char *path, const char *out,
                 const struct pack_result *r) {
    double ratio = r->recorded != 0 ? (double)r->after / (double)r->recorded : 0;
    if (p->json) {
        struct json_object *o = json_object_new_object();
        json_put_text(o, "recording", path);
        json_put_text(o, "packed", out);
        json_put(o, "recorded_bytes", r->recorded);
        json_put(o, "read_bytes", r->before);
        json_put(o, "packed_bytes", r->after);
        json_put_bool(o, "complete", r->whole);
        json_object_array_add(p->list, o);
        return;
    }
    if (p->quiet)
        return;
    char after[UNITS_ROOM];
    char *from = names_printable(path, strlen(path)), *to = names_printable(out, strlen(out));
    printf("%s: %s of %s, %.2f of the recording's size%s\n", to, units_bytes(after, r->after), from,
           ratio, r->whole ? "" : "; the recording has losses, and so has this");
    free(from);
    free(to);
}

static int pack_one(struct packing *p, const char *path) {
    char *out = output_of(p, path);
    struct pack_result result;
    int status = EXIT_FINDING;
    if (may_write(p, path, out))
        status = pack_tape(path, out, p->force, (int)p->level, &result);
    if (status == EXIT_FINE) {
        tell(p, path, out, &result);
        if (!result.whole)
            status = EXIT_FINDING;
    }
    free(out);
    return status;
}

static int pack_operand(struct packing *p, const char *operand) {
    struct family_files files;
    int status = EXIT_FINE;
    if (!family_find(operand, &files))
        return EXIT_FINDING;
    for (size_t i = 0; i < files.count; i++)
        if (pack_one(p, files.path[i]) != EXIT_FINE)
            status = EXIT_FINDING;
    family_files_free(&files);
    return status;
}

/* Several recordings need a directory, which is made. */
static int prepare_output(struct packing *p, int operands, const char *first) {
    struct stat st;
    if (p->output == NULL)
        return EXIT_FINE;
    p->directory = operands > 1 || is_directory(first) || is_directory(p->output) ||
                   ends_with_slash(p->output);
    if (p->directory && stat(p->output, &st) != 0 && mkdir(p->output, 0777) != 0) {
        diag("%s: cannot be made: %s", p->output, strerror(errno));
        return EXIT_FINDING;
    }
    return EXIT_FINE;
}

static int run(int argc, char **argv) {
    struct packing p = {.level = PACK_LEVEL};
    const char *value;
    for (int option; (option = command_next_option(&command_pack, argc, argv, &value)) >= 0;) {
        switch (option) {
        case OPT_OUTPUT:
            p.output = value;
            break;
        case OPT_FORCE:
            p.force = true;
            break;
        case OPT_LEVEL:
            if (!option_number(&command_pack, "level", value, 1, PACK_LEVEL_MAX, &p.level))
                return EXIT_USAGE;
            break;
        case OPT_QUIET:
            p.quiet = true;
            break;
        case OPT_JSON:
            p.json = true;
            break;
        default:
            naming_option(&command_pack, options[option].name, value);
            break;
        }
    }
    if (optind == argc)
        return command_usage_error(&command_pack, "give a recording");
    signal(SIGXFSZ, SIG_IGN); /* a file that may not be that large is an error like others */
    int status = prepare_output(&p, argc - optind, argv[optind]);
    if (status != EXIT_FINE)
        return status;
    p.list = json_object_new_array();
    for (int i = optind; i < argc; i++)
        if (pack_operand(&p, argv[i]) != EXIT_FINE)
            status = EXIT_FINDING;
    if (p.json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "packed", p.list);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
        json_object_put(o);
    } else {
        json_object_put(p.list);
    }
    return status;
}

const struct command command_pack = {
    .name = "pack",
    .usage = "[options] FILE|DIR...",
    .summary = "make the archive form of recordings: one small file each",
    .options = options,
    .details = "The recording stays as it is. NAME.tape becomes NAME.packed.tape beside it;\n"
               "all other commands read the one as they read the other. Names of functions,\n"
               "files and lines come with it: it can be read where the programs are gone.\n"
               "Exit status: 0; 1 when a recording could not be packed, or has damage or loss.\n",
    .run = run,
};
