/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "names.h"
#include "operand.h"
#include "python.h"
#include "tape_chunks.h"
#include "units.h"
#include "unseen.h"

static const struct command_option options[] = {
    {"json", 0, NULL, "the same as one JSON object"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_info = {
    .name = "info",
    .usage = "[options] FILE",
    .summary = "what a recording is: process, clock, streams, modules, health",
    .options = options,
    .details = "Exit status: 0; 1 when the recording has damage or loss.\n",
    .run = run,
};

struct info {
    struct tape_file *tape;
    struct replay *replay;
};

static const char *state_of(const struct tape_process *p) {
    if (p->alive)
        return "still running";
    if (p->closed)
        return p->end_reason != NULL ? p->end_reason : "ended";
    return "not closed: killed, or replaced by exec";
}

static const char *clock_text(const struct clock *c) {
    switch (c->source) {
    case CLOCK_SOURCE_NS:
        return "CLOCK_MONOTONIC";
    case CLOCK_SOURCE_MEASURED:
        return "time-stamp counter, rate measured";
    case CLOCK_SOURCE_ESTIMATED:
        return "time-stamp counter, rate as the processor states it";
    case CLOCK_SOURCE_UNCALIBRATED:
        break;
    }
    return "time-stamp counter, clock uncalibrated: times are in ticks";
}

static void hex_of(const struct module *m, char hex[129]) {
    hex[0] = 0;
    for (size_t i = 0; i < m->build_id_len && i < 64; i++)
        snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void line(const char *name, const char *text) {
    if (text == NULL || *text == 0)
        return;
    char *printable = names_printable(text, strlen(text));
    printf("%-12s %s\n", name, printable);
    free(printable);
}

static void list(const char *name, const char **entry) {
    for (bool first = true; entry != NULL && *entry != NULL; entry++, first = false)
        line(first ? name : "", *entry);
}

#define LISTED 32 /* streams and threads that are shown one by one */

static void print_more(uint64_t count) {
    char text[UNITS_ROOM];
    if (count > LISTED)
        printf("%-12s … and %s more\n", "", units_count(text, count - LISTED));
}

static const char *known(const char *text) {
    return text != NULL ? text : "?";
}

static void print_python(const struct python *python) {
    const struct tape_python *p;
    for (size_t i = 0; (p = python_interpreter(python, i)) != NULL; i++) {
        char *version = python_version(p->version);
        char *text = xasprintf("CPython %s%s, its frames are %sin the stacks", version,
                               p->state == TAPE_PYTHON_BUILD ? " (debug build)" : "",
                               p->state == TAPE_PYTHON_RECORDED ? "" : "not ");
        line("python", text);
        free(text);
        free(version);
    }
}

static void print_unseen(const struct tape_process *p) {
    struct unseen unseen = {0};
    unseen_add(&unseen, p);
    for (size_t i = 0; i < unseen.count; i++) {
        char *what = unseen_what(&unseen.module[i]);
        line("not seen", what);
        free(what);
    }
    unseen_free(&unseen);
}

static void print_process(const struct info *n) {
    const struct tape_process *p = tape_file_process(n->tape);
    char duration[UNITS_ROOM];
    line("program", p->exe);
    list("arguments", p->argv);
    line("directory", p->cwd);
    list("environment", p->env);
    char *process = xasprintf("pid %" PRIu64 ", parent %" PRIu64 ", on %s (Linux %s, %s)", p->pid,
                              p->ppid, known(p->host), known(p->kernel), known(p->arch));
    line("process", process);
    free(process);
    line("forked from", p->parent);
    line("recorder", p->recorder);
    line("unwinder", p->unwinder);
    line("allocator", p->allocator);
    print_unseen(p);
    print_python(stacks_python(replay_stacks(n->replay)));
    line("clock", clock_text(tape_file_clock(n->tape)));
    line("duration", units_duration(duration, replay_counts(n->replay)->end_time));
    line("state", state_of(p));
}

static void print_health(const struct info *n) {
    const struct tape_health *health = tape_file_health(n->tape);
    char a[UNITS_ROOM], b[UNITS_ROOM];
    printf("%-12s %s in %s chunk%s\n", "events", units_count(a, health->events),
           units_count(b, health->chunks), health->chunks == 1 ? "" : "s");
    line("lost", units_count(a, health->lost));
    if (health->damaged_chunks != 0)
        printf("%-12s %s chunk%s, %s skipped\n", "damaged", units_count(a, health->damaged_chunks),
               health->damaged_chunks == 1 ? "" : "s", units_bytes(b, health->damaged_bytes));
    line("", health->first_damage);
    const char *empty = completeness_why_empty(n->tape, replay_counts(n->replay));
    if (empty != NULL) {
        char *text = xstrdup(empty);
        for (char *c = text; (c = strchr(c, '\n')) != NULL;)
            *c = ' ';
        line("empty", text);
        free(text);
    }
}

static void print_streams(const struct info *n) {
    char a[UNITS_ROOM], b[UNITS_ROOM];
    for (size_t i = 0; i < n->tape->stream_count && i < LISTED; i++)
        printf("%-12s %" PRIu32 ": %s events\n", i == 0 ? "streams" : "", n->tape->stream[i].id,
               units_count(a, n->tape->stream[i].end));
    print_more(n->tape->stream_count);
    for (uint32_t i = 0; i < replay_thread_count(n->replay) && i < LISTED; i++) {
        const struct replay_thread *t = replay_thread(n->replay, i);
        char *name = names_printable(t->name, strlen(t->name));
        printf("%-12s %" PRIu64 " %s: %s allocations, %s frees\n", i == 0 ? "threads" : "", t->tid,
               name, units_count(a, t->allocations), units_count(b, t->frees));
        free(name);
    }
    print_more(replay_thread_count(n->replay));
}

static void print_modules(struct stacks *stacks) {
    char a[UNITS_ROOM], b[UNITS_ROOM];
    printf("%-12s %s in %s frames\n", "stacks", units_count(a, stacks_count(stacks) - 1),
           units_count(b, stacks_frame_count(stacks)));
    for (uint32_t i = 0; i < stacks_module_count(stacks); i++) {
        const struct module *m = stacks_module(stacks, i);
        char hex[129];
        hex_of(m, hex);
        char *path = names_printable(m->path, strlen(m->path));
        printf("%-12s 0x%" PRIx64 " %s%s%s%s\n", i == 0 ? "modules" : "", m->start, path,
               *hex != 0 ? " build-id " : "", hex, m->gone != UINT64_MAX ? " (unloaded)" : "");
        free(path);
    }
}

static double bytes_per_event(const struct info *n) {
    uint64_t events = tape_file_health(n->tape)->events;
    return events != 0 ? (double)tape_file_bytes(n->tape) / (double)events : 0;
}

static void print_packing(const struct info *n) {
    const struct tape_packing *p = tape_file_packing(n->tape);
    char size[UNITS_ROOM], count[UNITS_ROOM];
    if (!p->packed)
        return;
    if (p->known && p->bytes != 0) {
        char *text = xasprintf("by heaptape %s, %.2f of the %s that were recorded", known(p->by),
                               (double)tape_file_bytes(n->tape) / (double)p->bytes,
                               units_bytes(size, p->bytes));
        line("packed", text);
        free(text);
    } else {
        line("packed", "yes");
    }
    printf("%-12s %s address%s of code\n", "symbols", units_count(count, p->symbols),
           p->symbols == 1 ? "" : "es");
}

static void print_text(const struct info *n) {
    const char *path = tape_file_path(n->tape);
    char *printable = names_printable(path, strlen(path)), size[UNITS_ROOM];
    printf("%-12s %s%s, %s, %.2f bytes an event\n", "recording", printable,
           tape_file_process(n->tape)->tail_read ? " and its tail" : "",
           units_bytes(size, tape_file_bytes(n->tape)), bytes_per_event(n));
    free(printable);
    print_packing(n);
    print_process(n);
    print_health(n);
    print_streams(n);
    print_modules(replay_stacks(n->replay));
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void add_text(struct json_object *o, const char *name, const char *text) {
    if (text == NULL)
        return;
    char *printable = names_printable(text, strlen(text));
    json_object_object_add(o, name, json_object_new_string(printable));
    free(printable);
}

static void add_number(struct json_object *o, const char *name, uint64_t v) {
    json_object_object_add(o, name, json_object_new_uint64(v));
}

static struct json_object *list_json(const char **entry) {
    struct json_object *a = json_object_new_array();
    for (; entry != NULL && *entry != NULL; entry++) {
        char *printable = names_printable(*entry, strlen(*entry));
        json_object_array_add(a, json_object_new_string(printable));
        free(printable);
    }
    return a;
}

static struct json_object *streams_json(const struct info *n) {
    struct json_object *a = json_object_new_array();
    for (size_t i = 0; i < n->tape->stream_count; i++) {
        struct json_object *o = json_object_new_object();
        add_number(o, "stream", n->tape->stream[i].id);
        add_number(o, "events", n->tape->stream[i].end);
        json_object_array_add(a, o);
    }
    return a;
}

static struct json_object *threads_json(const struct info *n) {
    struct json_object *a = json_object_new_array();
    for (uint32_t i = 0; i < replay_thread_count(n->replay); i++) {
        const struct replay_thread *t = replay_thread(n->replay, i);
        struct json_object *o = json_object_new_object();
        add_number(o, "tid", t->tid);
        add_text(o, "name", t->name);
        add_number(o, "allocations", t->allocations);
        add_number(o, "frees", t->frees);
        json_object_array_add(a, o);
    }
    return a;
}

static struct json_object *modules_json(const struct info *n) {
    struct stacks *stacks = replay_stacks(n->replay);
    struct json_object *a = json_object_new_array();
    for (uint32_t i = 0; i < stacks_module_count(stacks); i++) {
        const struct module *m = stacks_module(stacks, i);
        struct json_object *o = json_object_new_object();
        char hex[129];
        hex_of(m, hex);
        add_text(o, "path", m->path);
        add_text(o, "build_id", hex);
        add_number(o, "start", m->start);
        add_number(o, "end", m->end);
        add_number(o, "bias", m->bias);
        add_number(o, "generation", m->generation);
        json_object_object_add(o, "unloaded", json_object_new_boolean(m->gone != UINT64_MAX));
        json_object_array_add(a, o);
    }
    return a;
}

static struct json_object *packing_json(const struct tape_packing *p) {
    struct json_object *o = json_object_new_object();
    add_text(o, "by", p->by);
    add_number(o, "recorded_bytes", p->bytes);
    add_number(o, "recorded_chunks", p->chunks);
    add_number(o, "symbols", p->symbols);
    return o;
}

static struct json_object *python_json(const struct python *python) {
    struct json_object *list = json_object_new_array();
    const struct tape_python *p;
    for (size_t i = 0; (p = python_interpreter(python, i)) != NULL; i++) {
        struct json_object *o = json_object_new_object();
        char *version = python_version(p->version);
        add_text(o, "version", version);
        free(version);
        json_object_object_add(o, "debug", json_object_new_boolean(p->state == TAPE_PYTHON_BUILD));
        json_object_object_add(o, "frames",
                               json_object_new_boolean(p->state == TAPE_PYTHON_RECORDED));
        json_object_array_add(list, o);
    }
    return list;
}

static void print_json(const struct info *n) {
    const struct tape_process *p = tape_file_process(n->tape);
    const struct replay_counts *counts = replay_counts(n->replay);
    struct json_object *o = json_object_new_object();
    add_text(o, "file", tape_file_path(n->tape));
    add_number(o, "bytes", tape_file_bytes(n->tape));
    json_object_object_add(o, "tail_read", json_object_new_boolean(p->tail_read));
    if (tape_file_packing(n->tape)->packed)
        json_object_object_add(o, "packed", packing_json(tape_file_packing(n->tape)));
    add_text(o, "exe", p->exe);
    json_object_object_add(o, "argv", list_json(p->argv));
    add_text(o, "cwd", p->cwd);
    json_object_object_add(o, "environment", list_json(p->env));
    add_number(o, "pid", p->pid);
    add_number(o, "ppid", p->ppid);
    add_text(o, "host", p->host);
    add_text(o, "kernel", p->kernel);
    add_text(o, "arch", p->arch);
    add_text(o, "parent", p->parent);
    add_text(o, "recorder", p->recorder);
    add_text(o, "unwinder", p->unwinder);
    add_text(o, "allocator", p->allocator);
    add_text(o, "bypassed", p->bypassed);
    json_object_object_add(o, "unhooked", list_json(p->unhooked));
    json_object_object_add(o, "past", list_json(p->past));
    add_number(o, "peak_rss", p->peak_rss);
    json_object_object_add(o, "python", python_json(stacks_python(replay_stacks(n->replay))));
    add_text(o, "clock", clock_text(tape_file_clock(n->tape)));
    add_number(o, "start_ns", p->start_real);
    add_number(o, "duration_ns", counts->end_time);
    add_text(o, "state", state_of(p));
    add_number(o, "captures", p->captures);
    add_number(o, "captured_frames", p->frames);
    json_object_object_add(o, "streams", streams_json(n));
    json_object_object_add(o, "threads", threads_json(n));
    add_number(o, "stacks", stacks_count(replay_stacks(n->replay)) - 1);
    add_number(o, "frames", stacks_frame_count(replay_stacks(n->replay)));
    json_object_object_add(o, "modules", modules_json(n));
    json_object_object_add(o, "completeness", completeness_json(n->tape, counts, NULL));
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    json_object_put(o);
}

/* ---- the command --------------------------------------------------------------------------- */

static int run(int argc, char **argv) {
    bool json = false;
    const char *value;
    while (command_next_option(&command_info, argc, argv, &value) >= 0)
        json = true;
    if (optind + 1 != argc)
        return command_usage_error(&command_info, "give one recording");
    struct info n = {.tape = operand_open(argv[optind])};
    if (n.tape == NULL)
        return EXIT_FINDING;
    n.replay = replay_new(n.tape);
    replay_run(n.replay, UINT64_MAX);
    if (json)
        print_json(&n);
    else
        print_text(&n);
    int status = completeness_status(n.tape);
    replay_free(n.replay);
    tape_file_close(n.tape);
    return status;
}
