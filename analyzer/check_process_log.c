/* SPDX-License-Identifier: MIT */
/*
 * What the log of processes has and the recordings have not: programs that were started and left no
 * recording, and the signals that killed those that left one without an end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "diag.h"
#include "process_log.h"
#include "program.h"
#include "tape/process_log.h"

#define NAMED_MAX 10 /* programs in the sentence */

/* The recordings by process, to look them up. */
struct images {
    const struct check_process **image; /* by pid, then by start */
    size_t count;
};

static int by_process(const void *a, const void *b) {
    const struct check_process *p = *(const struct check_process *const *)a,
                               *q = *(const struct check_process *const *)b;
    if (p->pid != q->pid)
        return p->pid < q->pid ? -1 : 1;
    return p->started < q->started ? -1 : p->started > q->started;
}

static struct images list_images(const struct check *c) {
    struct images list = {.image = xcalloc(c->process_count + 1, sizeof(struct check_process *))};
    for (size_t i = 0; i < c->process_count; i++)
        list.image[list.count++] = &c->process[i];
    qsort(list.image, list.count, sizeof *list.image, by_process);
    return list;
}

/* Whether the program recorded: the process did, from when it began until it became another. */
static bool was_recorded(const struct images *list, const struct logged_start *s) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct check_process *p = list->image[middle];
        if (p->pid < s->pid || (p->pid == s->pid && p->started < s->time))
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->image[low]->pid == s->pid &&
           list->image[low]->started < s->replaced;
}

/* As the recorder compares its program with HEAPTAPE_ONLY. */
static bool is_wanted(const char *only, const char *image) {
    bool found = only == NULL;
    for (const char *p = only; p != NULL && !found;) {
        size_t length = strcspn(p, ",");
        char *pattern = xasprintf("%.*s", (int)length, p);
        found = suppressions_glob(pattern, image, true) ||
                suppressions_glob(pattern, names_base(image), true);
        free(pattern);
        p = p[length] != '\0' ? p + length + 1 : NULL;
    }
    return found;
}

/* Takes `why` over. */
static void add(struct check *c, const struct logged_start *s, char *why) {
    for (size_t i = 0; i < c->unrecorded_count; i++) {
        struct check_unrecorded *u = &c->unrecorded[i];
        if (strcmp(u->path, s->path) == 0 && strcmp(u->why, why) == 0) {
            u->times++;
            free(why);
            return;
        }
    }
    c->unrecorded = xrealloc(c->unrecorded, (c->unrecorded_count + 1) * sizeof *c->unrecorded);
    c->unrecorded[c->unrecorded_count++] =
        (struct check_unrecorded){.path = xstrdup(s->path), .why = why, .times = 1};
}

/* The dynamic linker as a program: it lists what another one would load (ldd, record), or runs it,
 * and then that has a recording. */
static bool is_linker(const char *path) {
    const char *base = names_base(path);
    return strncmp(base, "ld-linux", 8) == 0 || strncmp(base, "ld.so", 5) == 0 ||
           strncmp(base, "ld64.so", 7) == 0;
}

static void look_at(struct check *c, const struct logged_start *s) {
    char *why = NULL, *image = NULL;
    if (is_linker(s->path))
        return;
    if ((s->flags & PROCESS_PATH_CUT) == 0)
        image = program_image(s->path, &why);
    if (is_wanted(c->only, image != NULL ? image : s->path)) {
        if (why == NULL)
            why = xstrdup((s->flags & PROCESS_NO_PRELOAD) != 0
                              ? "was started without LD_PRELOAD in its environment"
                          : (s->flags & PROCESS_ELSEWHERE) != 0
                              ? "was started without HEAPTAPE_OUT in its environment"
                              : "");
        add(c, s, why);
        why = NULL;
    }
    free(image);
    free(why);
}

char *check_unrecorded_sentence(const struct check *c) {
    char *text = NULL;
    size_t length;
    uint64_t all = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return xstrdup("programs were started that left no recording");
    for (size_t i = 0; i < c->unrecorded_count; i++)
        all += c->unrecorded[i].times;
    fprintf(out,
            all == 1 ? "%llu program was started that left no recording: "
                     : "%llu programs were started that left no recording: ",
            (unsigned long long)all);
    for (size_t i = 0; i < c->unrecorded_count && i < NAMED_MAX; i++) {
        const struct check_unrecorded *u = &c->unrecorded[i];
        char *path = names_printable(u->path, strlen(u->path));
        fprintf(out, "%s%s%s%s", i != 0 ? "; " : "", path, *u->why != '\0' ? ", which " : "",
                u->why);
        if (u->times > 1)
            fprintf(out, " (%llu times)", (unsigned long long)u->times);
        free(path);
    }
    if (c->unrecorded_count > NAMED_MAX)
        fprintf(out, "; and %zu more", c->unrecorded_count - NAMED_MAX);
    fclose(out);
    return text;
}

/* How processes went whose recordings break off. */
static void mark_ends(struct check *c, const struct process_log *log) {
    for (size_t i = 0; i < c->process_count; i++) {
        struct check_process *p = &c->process[i];
        if (!p->empty && (p->end == CHECK_UNSEEN || p->end == CHECK_RUNNING) &&
            process_log_after(log, p->pid, p->started) != NULL)
            p->end = CHECK_REPLACED;
        else if (p->end == CHECK_UNSEEN)
            p->signal = process_log_signal(log, p->pid, p->started);
        if (p->signal != 0)
            p->end = CHECK_KILLED;
    }
}

void check_take_process_log(struct check *c) {
    if (c->process_log == NULL)
        return;
    struct process_log log = process_log_read(c->process_log);
    struct images list = list_images(c);
    mark_ends(c, &log);
    for (size_t i = 0; i < log.count; i++)
        if (!was_recorded(&list, &log.start[i]))
            look_at(c, &log.start[i]);
    c->process_log_full = log.full;
    free(list.image);
    process_log_free(&log);
}

void check_unrecorded_free(struct check *c) {
    for (size_t i = 0; i < c->unrecorded_count; i++) {
        free(c->unrecorded[i].path);
        free(c->unrecorded[i].why);
    }
    free(c->unrecorded);
}
