/* SPDX-License-Identifier: MIT */
/*
 * SARIF 2.1.0 for code scanning. What failed in the program's heap is a result; what makes the
 * answer doubtful is a notification of the run, as the format wants it. Files in the source tree
 * are named relative to it.
 */
#include <stdlib.h>
#include <string.h>

#include "check_format.h"
#include "diag.h"
#include "json_put.h"

#define RESULTS_MAX 25000 /* GitHub takes no more in a run */

static struct json_object *text_object(const char *text) {
    struct json_object *o = json_object_new_object();
    json_put_text(o, "text", text);
    return o;
}

/* The path as a URI reference; the caller frees. */
static char *uri_of(const char *path) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    bool absolute = *path == '/';
    char *uri = xmalloc(3 * strlen(path) + sizeof "file://"), *out = uri;
    out = stpcpy(out, absolute ? "file://" : "");
    for (const char *p = path; *p != '\0'; p++)
        if (strchr(plain, *p) != NULL)
            *out++ = *p;
        else
            out += snprintf(out, 4, "%%%02X", (unsigned char)*p);
    *out = '\0';
    return uri;
}

static struct json_object *location(const char *file, unsigned line, const char *function) {
    struct json_object *o = json_object_new_object();
    if (file != NULL) {
        struct json_object *place = json_object_new_object(), *artifact = json_object_new_object();
        char *uri = uri_of(file);
        json_object_object_add(artifact, "uri", json_object_new_string(uri));
        free(uri);
        if (*file != '/')
            json_put_text(artifact, "uriBaseId", "%SRCROOT%");
        json_object_object_add(place, "artifactLocation", artifact);
        if (line != 0) {
            struct json_object *region = json_object_new_object();
            json_put(region, "startLine", line);
            json_object_object_add(place, "region", region);
        }
        json_object_object_add(o, "physicalLocation", place);
    }
    if (function != NULL) {
        struct json_object *logical = json_object_new_object(), *list = json_object_new_array();
        json_put_text(logical, "fullyQualifiedName", function);
        json_put_text(logical, "kind", "function");
        json_object_array_add(list, logical);
        json_object_object_add(o, "logicalLocations", list);
    }
    return o;
}

static struct json_object *stack_json(const struct check_stack *s, const char *message) {
    struct json_object *o = json_object_new_object(), *frames = json_object_new_array();
    json_object_object_add(o, "message", text_object(message));
    for (size_t i = 0; i < s->count; i++) {
        const struct check_frame *f = &s->frame[i];
        struct json_object *frame = json_object_new_object();
        if (f->module != NULL)
            json_put_text(frame, "module", names_base(f->module));
        json_object_object_add(frame, "location", location(f->path, f->line, f->function));
        json_object_array_add(frames, frame);
    }
    json_object_object_add(o, "frames", frames);
    return o;
}

static struct json_object *stacks_json(const struct check_item *item) {
    struct json_object *list = json_object_new_array();
    if (item->budget == NULL)
        json_object_array_add(list, stack_json(&item->stack, "allocated by"));
    for (size_t i = 0; item->budget != NULL && i < item->budget->site_count; i++) {
        char *amount = budget_amount(item->budget, item->budget->site[i].value);
        json_object_array_add(list, stack_json(&item->budget->site[i].stack, amount));
        free(amount);
    }
    return list;
}

static struct json_object *result_json(const struct check_item *item) {
    struct json_object *o = json_object_new_object(), *places = json_object_new_array(),
                       *prints = json_object_new_object(), *properties = json_object_new_object();
    json_put_text(o, "ruleId", check_rule_info[item->rule].id);
    json_put(o, "ruleIndex", item->rule);
    json_put_text(o, "level", check_rule_info[item->rule].level);
    json_object_object_add(o, "message", text_object(item->message));
    if (item->file != NULL)
        json_object_array_add(places, location(item->file, item->line, NULL));
    json_object_object_add(o, "locations", places);
    if (item->stack.count != 0)
        json_object_object_add(o, "stacks", stacks_json(item));
    char *print = xasprintf("%016llx:%u", (unsigned long long)item->fingerprint, item->ordinal);
    json_put_text(prints, "primaryLocationLineHash", print);
    free(print);
    json_object_object_add(o, "partialFingerprints", prints);
    if (item->finding != NULL) {
        json_put(properties, "bytes", item->finding->bytes);
        json_put(properties, "blocks", item->finding->blocks);
    } else if (item->budget != NULL) {
        json_put(properties, "value", item->budget->value);
        json_put(properties, "limit", item->budget->limit);
    }
    json_object_object_add(o, "properties", properties);
    return o;
}

static struct json_object *tool_json(void) {
    struct json_object *o = json_object_new_object(), *driver = json_object_new_object(),
                       *rules = json_object_new_array();
    json_put_text(driver, "name", "heaptape");
    json_put_text(driver, "version", HEAPTAPE_VERSION);
    json_put_text(driver, "semanticVersion", HEAPTAPE_VERSION);
    for (int i = 0; i < RULE_COUNT; i++) {
        const struct check_rule_info *info = &check_rule_info[i];
        struct json_object *rule = json_object_new_object(), *how = json_object_new_object();
        json_put_text(rule, "id", info->id);
        json_object_object_add(rule, "shortDescription", text_object(info->title));
        json_object_object_add(rule, "fullDescription", text_object(info->help));
        json_put_text(how, "level", info->level);
        json_object_object_add(rule, "defaultConfiguration", how);
        json_object_array_add(rules, rule);
    }
    json_object_object_add(driver, "rules", rules);
    json_object_object_add(o, "driver", driver);
    return o;
}

static bool is_result(const struct check_item *item) {
    return item->failed && item->rule != RULE_RECORDINGS && item->rule != RULE_PROGRAM;
}

static void add_notification(struct json_object *list, const char *level, const char *text) {
    struct json_object *note = json_object_new_object();
    json_put_text(note, "level", level);
    json_object_object_add(note, "message", text_object(text));
    json_object_array_add(list, note);
}

static struct json_object *invocation_json(const struct check *c, const struct check_items *items) {
    struct json_object *o = json_object_new_object(), *notes = json_object_new_array();
    bool reliable = true;
    for (size_t i = 0; i < items->count; i++) {
        const struct check_item *item = &items->item[i];
        if (!item->failed || is_result(item))
            continue;
        add_notification(notes, "error", item->message);
        reliable &= item->rule != RULE_RECORDINGS;
    }
    for (size_t i = 0; i < c->note_count; i++)
        add_notification(notes, "note", c->note[i]);
    json_put_bool(o, "executionSuccessful", reliable);
    json_object_object_add(o, "toolExecutionNotifications", notes);
    return o;
}

void check_print_sarif(FILE *out, const struct check *c, const struct check_context *context) {
    struct json_object *o = json_object_new_object(), *runs = json_object_new_array(),
                       *run = json_object_new_object(), *results = json_object_new_array(),
                       *invocations = json_object_new_array();
    json_put_text(o, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_put_text(o, "version", "2.1.0");
    json_object_object_add(run, "tool", tool_json());
    json_object_array_add(invocations, invocation_json(c, context->items));
    json_object_object_add(run, "invocations", invocations);
    for (size_t i = 0; i < context->items->count; i++)
        if (is_result(&context->items->item[i]) && json_object_array_length(results) < RESULTS_MAX)
            json_object_array_add(results, result_json(&context->items->item[i]));
    json_object_object_add(run, "results", results);
    json_object_array_add(runs, run);
    json_object_object_add(o, "runs", runs);
    fprintf(out, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
