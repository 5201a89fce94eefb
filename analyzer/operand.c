/* SPDX-License-Identifier: MIT */
#include "operand.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "diag.h"
#include "family_find.h"

#define NAMED_MAX 3

static void refuse(const char *operand, const struct family_files *files) {
    char *names = NULL;
    size_t length;
    FILE *out = open_memstream(&names, &length);
    if (out == NULL)
        return;
    for (size_t i = 0; i < files->count && i < NAMED_MAX; i++)
        fprintf(out, "%s%s", i != 0 ? ", " : "", files->path[i]);
    if (files->count > NAMED_MAX)
        fputs(", ...", out);
    fclose(out);
    diag("%s: %zu recordings are there; name one of them (%s), or see all with heaptape report",
         operand, files->count, names);
    free(names);
}

struct tape_file *operand_open(const char *operand) {
    struct stat st;
    struct family_files files;
    if (stat(operand, &st) == 0 && !S_ISDIR(st.st_mode)) /* the tail of one, too */
        return tape_file_open(operand);
    if (!family_find(operand, &files))
        return NULL;
    struct tape_file *tape = NULL;
    if (files.count == 1)
        tape = tape_file_open(files.path[0]);
    else
        refuse(operand, &files);
    family_files_free(&files);
    return tape;
}
