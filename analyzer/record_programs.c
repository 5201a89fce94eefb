/* SPDX-License-Identifier: MIT */
#include "record_programs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "diag.h"
#include "tape/format.h"
#include "tape_keep.h"

char *record_programs_begin(void) {
    const char *directory = getenv("TMPDIR");
    char *path = xasprintf("%s/heaptape-programs-XXXXXX",
                           directory != NULL && directory[0] == '/' ? directory : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0) {
        free(path);
        unsetenv("HEAPTAPE_PROCESSES"); /* a check's around this one: it does not see these */
        return NULL;
    }
    close(fd);
    setenv("HEAPTAPE_PROCESSES", path, 1);
    return path;
}

static void list_own(struct check *c, const char *tape, const struct output_list *before) {
    struct output_list now = output_list(tape);
    char **own = xcalloc(now.count + 1, sizeof *own);
    size_t count = 0;
    for (size_t i = 0; i < now.count; i++)
        if (strcmp(now.name[i], tape) == 0 ||
            (output_is_other_process(tape, now.name[i]) && !output_list_has(before, now.name[i])))
            own[count++] = now.name[i];
    check_list_processes(c, own, count);
    free(own);
    output_list_free(&now);
}

/* Without a reason it may only have been too early: its recording is still to come. */
static void drop_unexplained(struct check *c) {
    size_t kept = 0;
    for (size_t i = 0; i < c->unrecorded_count; i++) {
        struct check_unrecorded *u = &c->unrecorded[i];
        if (*u->why != '\0') {
            c->unrecorded[kept++] = *u;
            continue;
        }
        free(u->path);
        free(u->why);
    }
    c->unrecorded_count = kept;
}

static char *text_of(void *context, struct tape_file *tape, size_t *length) {
    const struct check *c = context;
    char *text = NULL;
    (void)tape;
    FILE *out = open_memstream(&text, length);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < c->unrecorded_count; i++)
        fprintf(out, "%s%c%s%c", c->unrecorded[i].path, '\0', c->unrecorded[i].why, '\0');
    fclose(out);
    return text;
}

static void keep(struct check *c, const char *tape) {
    char *problem = tape_keep(tape, &(struct tape_kept){.type = TAPE_CHUNK_UNRECORDED,
                                                        .what = "unrecorded programs",
                                                        .text = text_of,
                                                        .context = c});
    if (problem != NULL)
        diag("%s", problem);
    free(problem);
}

char *record_programs_end(char *notes, const char *tape, const struct output_list *before) {
    struct check c = {.only = getenv("HEAPTAPE_ONLY"), .process_log = notes};
    char *sentence = NULL;
    if (notes == NULL)
        return NULL;
    list_own(&c, tape, before);
    check_take_process_log(&c);
    drop_unexplained(&c);
    if (c.unrecorded_count != 0) {
        sentence = check_unrecorded_sentence(&c);
        if (access(tape, F_OK) == 0)
            keep(&c, tape);
    }
    check_free(&c);
    unlink(notes);
    free(notes);
    return sentence;
}
