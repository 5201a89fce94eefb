/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "completeness.h"
#include "diag.h"
#include "merge.h"
#include "names.h"
#include "operand.h"
#include "tape/blobs.h"
#include "tape/memory.h"
#include "tape/python.h"

static const struct command_option options[] = {
    {"no-stacks", 0, NULL, "leave out the lines that define call stacks"},
    {"ticks", 0, NULL, "times as the tape's clock ticks instead of ns since the start"},
    {"json", 0, NULL, "one JSON object a line"},
    {NULL, 0, NULL, NULL},
};

static int run(int argc, char **argv);

const struct command command_dump = {
    .name = "dump",
    .usage = "[options] FILE",
    .summary = "every record as one line, in time order, nothing left out",
    .options = options,
    .details =
        "Lines are\n"
        "  TIME STREAM TID OP address=… size=… align=… stack=N   calls that allocate (address 0:\n"
        "                                                        the call failed)\n"
        "  TIME STREAM TID OP address=…                          free, cfree, realloc_from,\n"
        "                                                        pool_free\n"
        "  TIME STREAM TID sample rss=BYTES monotonic=NS\n"
        "  TIME STREAM TID thread name=\"…\"\n"
        "  TIME STREAM TID mark text=\"…\" | mark kind=test_begin|test_end|iteration text=\"…\"\n"
        "  TIME STREAM TID ignore address=…                      heaptape_ignore()\n"
        "  TIME STREAM TID module_load start=… end=… bias=… generation=… build_id=… path=\"…\"\n"
        "  TIME STREAM TID module_unload start=… generation=…\n"
        "  stack N caller=M frame=ADDRESS MODULE+OFFSET          ahead of the first use of N\n"
        "TIME is ns since the start; TID is 0 where the tape does not tell. ADDRESS is a return\n"
        "address, OFFSET what it is in the module's file, ? an unknown module. A stack is its\n"
        "innermost frame on top of the stack M of the caller; stack 0 is empty.\n"
        "In texts a backslash and a quote have a backslash in front; bytes that are not\n"
        "printable appear as \\xHH. --json has the same fields, addresses as numbers.\n"
        "Exit status: 0; 1 when the recording has damage or loss.\n",
    .run = run,
};

struct dump {
    struct replay *replay;
    bool stacks, ticks, json;
    /* Stacks are numbered as they appear, so that the output depends on the events alone and not
     * on how they are stored. */
    uint32_t *number; /* by stack id; 0: not printed yet */
    uint32_t room, count;
    uint32_t *path; /* scratch: ids from a stack outward */
    uint32_t path_room;
};

/* ---- texts ---------------------------------------------------------------------------------- */

/* The text without loss: bytes that are not printable as \xHH, a backslash doubled, a quote with
 * one in front where it would end the text. The caller frees. */
static char *printable(const void *text, size_t length, bool quoted) {
    const char *from = text;
    char *escaped = xmalloc(2 * length + 1);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '\\' || (quoted && from[i] == '"'))
            escaped[n++] = '\\';
        escaped[n++] = from[i];
    }
    char *result = names_printable(escaped, n);
    free(escaped);
    return result;
}

static void print_object(struct json_object *o) {
    puts(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

/* ---- stacks -------------------------------------------------------------------------------- */

static void print_stack(struct dump *d, uint32_t stack) {
    struct stacks *s = replay_stacks(d->replay);
    uint32_t number = d->number[stack], caller = d->number[stacks_caller(s, stack)];
    const struct frame *f = stacks_frame(s, stacks_innermost(s, stack));
    const struct module *m = f->module != UINT32_MAX ? stacks_module(s, f->module) : NULL;
    char *path = m != NULL ? printable(m->path, strlen(m->path), false) : NULL;
    if (d->json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "op", json_object_new_string("stack"));
        json_object_object_add(o, "stack", json_object_new_uint64(number));
        json_object_object_add(o, "caller", json_object_new_uint64(caller));
        json_object_object_add(o, "frame", json_object_new_uint64(f->address));
        if (m != NULL) {
            json_object_object_add(o, "module", json_object_new_string(path));
            json_object_object_add(o, "offset", json_object_new_uint64(f->address - m->bias));
        } else if (tape_python_is(f->address)) {
            json_object_object_add(o, "code",
                                   json_object_new_uint64(tape_python_number(f->address)));
            json_object_object_add(o, "line", json_object_new_uint64(tape_python_line(f->address)));
        }
        print_object(o);
    } else if (m != NULL) {
        printf("stack %" PRIu32 " caller=%" PRIu32 " frame=0x%" PRIx64 " %s+0x%" PRIx64 "\n",
               number, caller, f->address, path, f->address - m->bias);
    } else if (tape_python_is(f->address)) {
        printf("stack %" PRIu32 " caller=%" PRIu32 " frame=0x%" PRIx64 " code=%u line=%u\n", number,
               caller, f->address, tape_python_number(f->address), tape_python_line(f->address));
    } else {
        printf("stack %" PRIu32 " caller=%" PRIu32 " frame=0x%" PRIx64 " ?\n", number, caller,
               f->address);
    }
    free(path);
}

/* The stack's number; what has not been printed of it is, outermost frames first. */
static uint32_t say_stack(struct dump *d, uint32_t stack) {
    struct stacks *s = replay_stacks(d->replay);
    if (stack >= d->room) {
        uint32_t room = stacks_count(s) * 2;
        d->number = xrealloc(d->number, room * sizeof *d->number);
        memset(d->number + d->room, 0, (room - d->room) * sizeof *d->number);
        d->room = room;
    }
    if (stack == 0 || d->number[stack] != 0)
        return d->number[stack];
    if (d->path_room < stacks_depth(s, stack)) {
        d->path_room = stacks_depth(s, stack) * 2;
        d->path = xrealloc(d->path, d->path_room * sizeof *d->path);
    }
    uint32_t unknown = 0;
    for (uint32_t i = stack; i != 0 && d->number[i] == 0; i = stacks_caller(s, i))
        d->path[unknown++] = i;
    while (unknown-- > 0) {
        d->number[d->path[unknown]] = ++d->count;
        if (d->stacks)
            print_stack(d, d->path[unknown]);
    }
    return d->number[stack];
}

/* ---- events -------------------------------------------------------------------------------- */

/* One field of a line or object: a number, written in hexadecimal when it is an address. */
static void field(struct json_object *o, const char *name, uint64_t value, bool address) {
    if (o != NULL)
        json_object_object_add(o, name, json_object_new_uint64(value));
    else if (address)
        printf(" %s=0x%" PRIx64, name, value);
    else
        printf(" %s=%" PRIu64, name, value);
}

static void field_text(struct json_object *o, const char *name, const void *text, size_t length) {
    char *value = printable(text, length, o == NULL);
    if (o != NULL)
        json_object_object_add(o, name, json_object_new_string(value));
    else
        printf(" %s=\"%s\"", name, value);
    free(value);
}

static void module_fields(struct json_object *o, const struct tape_event *e) {
    struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
    struct tape_module m;
    if (tape_get_module(&in, &m) != TAPE_OK)
        return;
    char hex[2 * TAPE_BUILD_ID_MAX + 1] = "";
    for (unsigned i = 0; i < m.build_id_len; i++)
        snprintf(hex + 2 * i, 3, "%02x", m.build_id[i]);
    field(o, "end", m.end, true);
    field(o, "bias", m.bias, true);
    field(o, "generation", m.generation, false);
    field_text(o, "build_id", hex, strlen(hex));
    field_text(o, "path", m.path, m.path_len);
}

static void python_fields(struct json_object *o, const struct tape_event *e) {
    struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
    struct tape_python p;
    struct tape_python_code c;
    if (e->address == 0 && tape_get_python(&in, &p) == TAPE_OK) {
        field(o, "version", p.version, true);
        field(o, "state", p.state, false);
        field(o, "module", p.module, true);
    } else if (e->address != 0 && tape_get_python_code(&in, &c) == TAPE_OK) {
        field(o, "code", e->address, false);
        field(o, "line", c.line, false);
        field_text(o, "name", c.name, c.name_len);
        field_text(o, "file", c.file, c.file_len);
    }
}

/* Nothing for heaptape_mark(), and for kinds that are not known: they are taken for that. */
static void mark_kind(struct json_object *o, uint64_t kind) {
    static const char *const name[] = {[TAPE_MARK_TEST_BEGIN] = "test_begin",
                                       [TAPE_MARK_TEST_END] = "test_end",
                                       [TAPE_MARK_ITERATION] = "iteration"};
    if (kind == TAPE_MARK_TEXT || kind >= sizeof name / sizeof *name)
        return;
    if (o != NULL)
        json_object_object_add(o, "kind", json_object_new_string(name[kind]));
    else
        printf(" kind=%s", name[kind]);
}

/* Of a mapping: names of its bits, separated by commas. */
static void mapping_flags(struct json_object *o, unsigned bits) {
    static const char *const name[] = {"file",    "shared",    "no_access",
                                       "execute", "allocator", "failed"};
    char text[64] = "";
    for (unsigned i = 0; i < sizeof name / sizeof *name; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        if (text[0] != 0)
            strcat(text, ",");
        strcat(text, name[i]);
    }
    if (text[0] != 0)
        field_text(o, "flags", text, strlen(text));
}

static const char *const memory_kind[TAPE_MEMORY_KINDS] = {"anonymous", "file", "brk", "stack",
                                                           "other"};

/* "rwxs", then t of a thread, o of the recorder's own; a dash for what is not. */
static void memory_bits(char text[7], unsigned bits) {
    memcpy(text, "rwxsto", 7);
    for (int i = 0; i < 6; i++)
        if ((bits >> i & 1) == 0)
            text[i] = '-';
}

static void memory_json(struct json_object *list, const struct tape_memory_mapping *m) {
    struct json_object *o = json_object_new_object();
    char bits[7];
    memory_bits(bits, m->bits);
    field(o, "start", m->start, true);
    field(o, "end", m->end, true);
    field_text(o, "kind", memory_kind[m->kind], strlen(memory_kind[m->kind]));
    field_text(o, "bits", bits, 6);
    field(o, "resident", m->resident, false);
    field(o, "anonymous", m->anonymous, false);
    field(o, "swapped", m->swapped, false);
    if (m->name != NULL)
        field_text(o, "name", m->name, m->name_len);
    json_object_array_add(list, o);
}

/* " START-END kind bits resident/anonymous/swapped "name"" */
static void memory_line(const struct tape_memory_mapping *m) {
    char bits[7];
    memory_bits(bits, m->bits);
    printf(" 0x%" PRIx64 "-0x%" PRIx64 " %s %s %" PRIu64 "/%" PRIu64 "/%" PRIu64, m->start, m->end,
           memory_kind[m->kind], bits, m->resident, m->anonymous, m->swapped);
    if (m->name != NULL) {
        char *name = printable(m->name, m->name_len, true);
        printf(" \"%s\"", name);
        free(name);
    }
}

/* A part of a memory sample. */
static void memory_fields(struct json_object *o, const struct tape_event *e) {
    struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
    struct tape_memory_head h;
    struct tape_memory_mapping m = {.end = 0};
    struct json_object *list = o != NULL ? json_object_new_array() : NULL;
    field(o, "part", e->address, false);
    if (tape_get_memory_head(&in, &h) == TAPE_OK) {
        field(o, "last", h.last, false);
        field(o, "monotonic", h.mono, false);
        field(o, "cost", h.cost, false);
        field(o, "peak", h.peak, false);
    }
    while (in.error == TAPE_OK && tape_in_left(&in) != 0 &&
           tape_get_memory_mapping(&in, &m, m.end) == TAPE_OK) {
        if (list != NULL)
            memory_json(list, &m);
        else
            memory_line(&m);
    }
    if (list != NULL)
        json_object_object_add(o, "mappings", list);
}

static void event_fields(struct json_object *o, const struct tape_event *e, uint32_t stack) {
    switch (tape_op_class(e->op)) {
    case TAPE_CLASS_ALLOC:
    case TAPE_CLASS_REALLOC:
        field(o, "address", e->address, true);
        field(o, "size", e->size, false);
        if (tape_op_is_mapping(e->op))
            mapping_flags(o, e->align_log2);
        else if (tape_op_has_align(e->op) && e->align_log2 < 63)
            field(o, "align", UINT64_C(1) << e->align_log2, false);
        else if (tape_op_has_align(e->op))
            field_text(o, "align", "invalid", 7);
        field(o, "stack", stack, false);
        break;
    case TAPE_CLASS_SAMPLE:
        field(o, "rss", e->address, false);
        field(o, "monotonic", e->size, false);
        break;
    case TAPE_CLASS_BLOB:
        if (e->op == TAPE_OP_THREAD) {
            field_text(o, "name", e->blob, (size_t)e->size);
        } else if (e->op == TAPE_OP_MARK) {
            mark_kind(o, e->address);
            field_text(o, "text", e->blob, (size_t)e->size);
        } else if (e->op == TAPE_OP_IGNORE) {
            field(o, "address", e->address, true);
        } else if (e->op == TAPE_OP_PYTHON) {
            python_fields(o, e);
        } else if (e->op == TAPE_OP_MEMORY) {
            memory_fields(o, e);
        } else {
            field(o, "start", e->address, true);
            if (e->op == TAPE_OP_MODULE_LOAD) {
                module_fields(o, e);
            } else {
                struct tape_in in = tape_in_of(e->blob, (size_t)e->size);
                field(o, "generation", tape_get_varint(&in, UINT64_MAX), false);
            }
        }
        break;
    default:
        field(o, "address", e->address, true);
        break;
    }
}

static void print_event(void *context, const struct tape_event *e, uint64_t now, uint32_t stream,
                        uint32_t thread, uint32_t stack) {
    struct dump *d = context;
    stack = say_stack(d, stack);
    uint64_t tid = thread != UINT32_MAX ? replay_thread(d->replay, thread)->tid : 0;
    uint64_t time = d->ticks ? e->stamp : now;
    if (!d->json) {
        printf("%" PRIu64 " %" PRIu32 " %" PRIu64 " %s", time, stream, tid, tape_op_name(e->op));
        event_fields(NULL, e, stack);
        putchar('\n');
        return;
    }
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "time", json_object_new_uint64(time));
    json_object_object_add(o, "stream", json_object_new_uint64(stream));
    json_object_object_add(o, "tid", json_object_new_uint64(tid));
    json_object_object_add(o, "op", json_object_new_string(tape_op_name(e->op)));
    event_fields(o, e, stack);
    print_object(o);
}

/* ---- the command --------------------------------------------------------------------------- */

static int run(int argc, char **argv) {
    struct dump d = {.stacks = true};
    const char *value;
    int found;
    while ((found = command_next_option(&command_dump, argc, argv, &value)) >= 0) {
        const char *name = options[found].name;
        if (strcmp(name, "no-stacks") == 0)
            d.stacks = false;
        else if (strcmp(name, "ticks") == 0)
            d.ticks = true;
        else
            d.json = true;
    }
    if (optind + 1 != argc)
        return command_usage_error(&command_dump, "give one recording");
    struct tape_file *tape = operand_open(argv[optind]);
    if (tape == NULL)
        return EXIT_FINDING;
    d.replay = replay_new(tape);
    replay_observe(d.replay, &(struct observer){.context = &d, .on_event = print_event});
    replay_run(d.replay, UINT64_MAX);
    const struct tape_health *health = tape_file_health(tape);
    if (health->first_damage != NULL)
        diag("%s", health->first_damage);
    if (health->lost > 0)
        diag("%s: %" PRIu64 " events are lost", argv[optind], health->lost);
    if (health->events == 0)
        diag("%s: no events: %s", argv[optind],
             completeness_why_empty(tape, replay_counts(d.replay)));
    int status = completeness_status(tape);
    replay_free(d.replay);
    free(d.number);
    free(d.path);
    tape_file_close(tape);
    return status;
}
