/* SPDX-License-Identifier: MIT */
#include "unseen.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "names.h"

static void add(struct unseen *u, const char *path, enum unseen_why why, const char *reason) {
    for (size_t i = 0; i < u->count; i++) {
        struct unseen_module *m = &u->module[i];
        if (m->why == why && strcmp(m->path, path) == 0) {
            m->programs++;
            return;
        }
    }
    u->module = xrealloc(u->module, (u->count + 1) * sizeof *u->module);
    u->module[u->count++] = (struct unseen_module){xstrdup(path), why, xstrdup(reason), 1};
}

void unseen_add(struct unseen *u, const struct tape_process *p) {
    if (p->bypassed != NULL)
        add(u, p->bypassed, UNSEEN_INSIDE, "");
    for (size_t i = 0; p->unhooked[i] != NULL; i++)
        add(u, p->unhooked[i], UNSEEN_DEEPBIND, "");
    for (size_t i = 0; p->past[i] != NULL; i++)
        add(u, *p->past[i] != '\0' || p->exe == NULL ? p->past[i] : p->exe, UNSEEN_PAST, "");
    for (size_t i = 0; p->unrecorded[i] != NULL && p->unrecorded[i + 1] != NULL; i += 2)
        add(u, p->unrecorded[i], UNSEEN_STARTED, p->unrecorded[i + 1]);
}

void unseen_free(struct unseen *u) {
    for (size_t i = 0; i < u->count; i++) {
        free(u->module[i].path);
        free(u->module[i].reason);
    }
    free(u->module);
    *u = (struct unseen){0};
}

char *unseen_what(const struct unseen_module *m) {
    char *path = names_printable(m->path, strlen(m->path));
    char *text = m->why == UNSEEN_INSIDE ? xasprintf("blocks of the allocator inside %s", path)
                 : m->why == UNSEEN_STARTED
                     ? xasprintf("%s, which %s and left no recording", path, m->reason)
                 : m->why == UNSEEN_DEEPBIND
                     ? xasprintf("what %s allocates, opened with RTLD_DEEPBIND", path)
                     : xasprintf("what %s gets from operators of C++ or mallocx of another "
                                 "allocator than libc's: these are hooked in programs that are "
                                 "recorded or checked directly",
                                 path);
    free(path);
    return text;
}

void unseen_print(FILE *out, const struct unseen *u) {
    for (size_t i = 0; i < u->count; i++) {
        const struct unseen_module *m = &u->module[i];
        char *what = unseen_what(m);
        fprintf(out, "Not seen: %s", what);
        if (m->programs > 1)
            fprintf(out, ", in %" PRIu64 " recordings", m->programs);
        fprintf(out, "%s.\n", m->why != UNSEEN_INSIDE ? "" : " (see heaptape memory)");
        free(what);
    }
}

void unseen_put(struct json_object *o, const struct unseen *u, bool several) {
    static const char *const key[UNSEEN_WHYS] = {"bypassed", "unhooked", "past", "unrecorded"};
    struct json_object *list[UNSEEN_WHYS] = {NULL};
    for (size_t i = 0; i < u->count; i++) {
        const struct unseen_module *m = &u->module[i];
        if (m->why == UNSEEN_INSIDE && !several) {
            json_put_text(o, "bypassed", m->path);
            continue;
        }
        if (list[m->why] == NULL) {
            list[m->why] = json_object_new_array();
            json_object_object_add(o, key[m->why], list[m->why]);
        }
        json_object_array_add(list[m->why], json_text(m->path));
    }
}
