/* SPDX-License-Identifier: MIT */
/*
 * Allocators that the recorder did not stand in front of, of one recording or of several: whose
 * blocks no report can know of.
 */
#ifndef UNSEEN_H
#define UNSEEN_H

#include <json-c/json.h>
#include <stdio.h>

#include "tape_file.h"

struct unseen {
    struct unseen_module {
        char *path; /* as recorded; owned */
        enum unseen_why {
            UNSEEN_INSIDE,   /* the program's own malloc is in it */
            UNSEEN_DEEPBIND, /* it was opened so */
            UNSEEN_PAST,     /* it calls entries that only the second objects hook */
            UNSEEN_STARTED,  /* a program that was started and left no recording */
            UNSEEN_WHYS
        } why;
        char *reason;      /* UNSEEN_STARTED; owned */
        uint64_t programs; /* recordings in which it was met */
    } * module;            /* in the order in which they were met; zeros at the beginning */
    size_t count;
};

void unseen_add(struct unseen *, const struct tape_process *);
void unseen_free(struct unseen *);

/* "blocks of the allocator inside PATH"; the caller frees. */
char *unseen_what(const struct unseen_module *);

/* A line each. */
void unseen_print(FILE *out, const struct unseen *);

/* Adds `bypassed` (a path; of several recordings a list), `unhooked`, `past` and `unrecorded`
 * (lists), where there are any. */
void unseen_put(struct json_object *, const struct unseen *, bool several);

#endif
