/* SPDX-License-Identifier: MIT */
#include "record_summary.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "code_map.h"
#include "diag.h"
#include "replay.h"
#include "settle.h"
#include "units.h"

/* A path as short as the user would type it: relative when it lies in the working directory. */
static const char *shorten(const char *path, const char *directory) {
    size_t n = strlen(directory);
    return n > 1 && strncmp(path, directory, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

size_t record_settle(const char *tape, const struct output_list *before) {
    size_t running = 0;
    char *first_problem = NULL;
    struct output_list now = output_list(tape);
    bool code_maps = code_map_any();
    for (size_t i = 0; i < now.count; i++) {
        const char *path = now.name[i];
        char *problem = NULL;
        if (strcmp(path, tape) == 0 ||
            (output_is_other_process(tape, path) && !output_list_has(before, path))) {
            enum settle_result result = settle_tape(path, &problem);
            running += result == SETTLE_RUNNING;
            if (result == SETTLE_DONE && code_maps)
                problem = code_map_keep(path);
        }
        if (first_problem == NULL)
            first_problem = problem;
        else
            free(problem);
    }
    output_list_free(&now);
    if (first_problem != NULL)
        diag("%s", first_problem);
    free(first_problem);
    return running;
}

/* Other process tapes that this run made: how many, and the one with the most events. */
struct others {
    size_t count;
    char *largest;
    uint64_t events;
};

static struct others find_others(const char *tape, const struct output_list *before) {
    struct others others = {0};
    struct output_list now = output_list(tape);
    for (size_t i = 0; i < now.count; i++) {
        const char *path = now.name[i];
        if (!output_is_other_process(tape, path) || output_list_has(before, path))
            continue;
        others.count++;
        struct tape_file *t = tape_file_open(path);
        if (t == NULL)
            continue;
        uint64_t events = tape_file_health(t)->events;
        tape_file_close(t);
        if (others.largest == NULL || events > others.events) {
            free(others.largest);
            others.largest = xstrdup(path);
            others.events = events;
        }
    }
    output_list_free(&now);
    return others;
}

/* "N events, peak P, recorded in FILE; next: …", with *events = N. With others the next command
 * reads all of them. */
static void print_recording(struct tape_file *t, const char *name, bool others, uint64_t *events) {
    char number[UNITS_ROOM], size[UNITS_ROOM];
    struct replay *replay = replay_new(t);
    replay_run(replay, UINT64_MAX);
    const struct replay_counts *counts = replay_counts(replay);
    const struct tape_health *health = tape_file_health(t);
    *events = counts->events;
    fprintf(stderr, "%s events, peak %s", units_count(number, counts->events),
            units_bytes(size, counts->peak_bytes));
    if (health->lost != 0)
        fprintf(stderr, ", %s events lost", units_count(number, health->lost));
    if (counts->allocations == 0)
        fputs(", no allocation among them", stderr);
    size_t unhooked = 0;
    while (tape_file_process(t)->unhooked[unhooked] != NULL)
        unhooked++;
    if (unhooked != 0) /* of the program's own malloc the launcher has spoken before */
        fprintf(stderr, ", what %zu module%s not seen (RTLD_DEEPBIND)", unhooked,
                unhooked == 1 ? " allocates" : "s allocate");
    fprintf(stderr, ", recorded in %s; next: heaptape report %s%s", name, name, others ? "*" : "");
    replay_free(replay);
}

static void print_others(const struct others *others, const char *name, const char *largest,
                         uint64_t events) {
    char number[UNITS_ROOM];
    fprintf(stderr, " (%zu more recording%s: %s.*", others->count, others->count == 1 ? "" : "s",
            name);
    if (largest != NULL && others->events > events)
        fprintf(stderr, ", most events, %s, in %s", units_count(number, others->events), largest);
    fputc(')', stderr);
}

void record_summary(const char *tape, const char *directory, const char *program,
                    const struct output_list *before) {
    size_t running = record_settle(tape, before);
    struct others others = find_others(tape, before);
    const char *name = shorten(tape, directory);
    uint64_t events = 0;
    bool there = access(tape, F_OK) == 0;
    struct tape_file *t = there ? tape_file_open(tape) : NULL; /* says what is wrong with it */
    fputs("heaptape: ", stderr);
    if (t != NULL)
        print_recording(t, name, others.count != 0, &events);
    else if (there)
        fprintf(stderr, "the recording %s cannot be read", name);
    else if (getenv("HEAPTAPE_ONLY") != NULL)
        fprintf(stderr, "no recording: no process ran a program that matches --only %s",
                getenv("HEAPTAPE_ONLY"));
    else
        fprintf(stderr,
                "no recording: %s ended before its first allocation, or the recorder could not be "
                "loaded or could not write %s",
                program, name);
    if (others.count != 0)
        print_others(&others, name,
                     others.largest != NULL ? shorten(others.largest, directory) : NULL, events);
    if (running != 0)
        fprintf(stderr, "; %zu process%s still running", running, running == 1 ? "" : "es");
    fputc('\n', stderr);
    if (t != NULL)
        tape_file_close(t);
    free(others.largest);
}
