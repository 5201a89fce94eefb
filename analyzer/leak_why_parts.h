/* SPDX-License-Identifier: MIT */
/* What keeps blocks, as found: leak_why_print.c and leak_why_json.c say it. */
#ifndef LEAK_WHY_PARTS_H
#define LEAK_WHY_PARTS_H

#include <json-c/json.h>
#include <stdio.h>

#include "leak_paths.h"
#include "leak_survey.h"
#include "names.h"
#include "symbols.h"

struct why {
    struct leak_survey *survey;
    struct names *names;
    struct symbols *symbols;
    struct leak_paths *paths;
};

/* Blocks of one stack and kind. */
struct why_group {
    uint32_t stack, block; /* block: the first of them in the graph */
    enum leak_kind kind;
    uint64_t bytes, blocks;
};

/* The name of the place where a stack asks for memory; NULL: unknown. */
const struct name *why_place(struct why *, uint32_t stack);

/* The variable, as far as it is known, that an address in a module's static data belongs to. */
struct why_static {
    const struct module *module; /* NULL: none */
    const char *variable;        /* NULL: unknown; the symbolizer's */
    uint64_t offset;             /* into the variable, or the address in the module's file */
};
struct why_static why_static_at(struct why *, uint64_t address);

/* The thread's name; NULL: unknown. */
const char *why_thread_name(struct why *, uint64_t tid);

void why_print_group(FILE *, struct why *, const struct why_group *);
struct json_object *why_json_group(struct why *, const struct why_group *);

#endif
