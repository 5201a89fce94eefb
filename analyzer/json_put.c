/* SPDX-License-Identifier: MIT */
#include "json_put.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"

void json_put(struct json_object *o, const char *key, uint64_t value) {
    json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_put_bool(struct json_object *o, const char *key, bool value) {
    json_object_object_add(o, key, json_object_new_boolean(value));
}

struct json_object *json_text(const char *text) {
    char *printable = names_printable(text, strlen(text));
    struct json_object *o = json_object_new_string(printable);
    free(printable);
    return o;
}

void json_put_text(struct json_object *o, const char *key, const char *text) {
    if (text != NULL)
        json_object_object_add(o, key, json_text(text));
}

struct json_object *json_amounts(uint64_t bytes, uint64_t blocks) {
    struct json_object *o = json_object_new_object();
    json_put(o, "bytes", bytes);
    json_put(o, "blocks", blocks);
    return o;
}
