/* SPDX-License-Identifier: MIT */
/* What every JSON output puts together from: members of objects, owned by the object behind it. */
#ifndef JSON_PUT_H
#define JSON_PUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void json_put(struct json_object *, const char *key, uint64_t value);
void json_put_bool(struct json_object *, const char *key, bool value);

/* Text made printable, as JSON wants it (names_printable); NULL: no member at all. */
void json_put_text(struct json_object *, const char *key, const char *text);
/* The same, alone: the caller owns the reference. */
struct json_object *json_text(const char *text);

/* {bytes, blocks}; the caller owns the reference. */
struct json_object *json_amounts(uint64_t bytes, uint64_t blocks);

#endif
