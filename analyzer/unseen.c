/* SPDX-License-Identifier: MIT */
#include "unseen.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "json_put.h"
#include "names.h"

static void add(struct unseen *u, const char *path, bool deepbind) {
    for (size_t i = 0; i < u->count; i++) {
        struct unseen_module *m = &u->module[i];
        if (m->deepbind == deepbind && strcmp(m->path, path) == 0) {
            m->programs++;
            return;
        }
    }
    u->module = xrealloc(u->module, (u->count + 1) * sizeof *u->module);
    u->module[u->count++] = (struct unseen_module){xstrdup(path), deepbind, 1};
}

void unseen_add(struct unseen *u, const struct tape_process *p) {
    if (p->bypassed != NULL)
        add(u, p->bypassed, false);
    for (size_t i = 0; p->unhooked[i] != NULL; i++)
        add(u, p->unhooked[i], true);
}

void unseen_free(struct unseen *u) {
    for (size_t i = 0; i < u->count; i++)
        free(u->module[i].path);
    free(u->module);
    *u = (struct unseen){0};
}

char *unseen_what(const struct unseen_module *m) {
    char *path = names_printable(m->path, strlen(m->path));
    char *text = xasprintf(m->deepbind ? "what %s allocates, opened with RTLD_DEEPBIND"
                                       : "blocks of the allocator inside %s",
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
        fprintf(out, "%s.\n", m->deepbind ? "" : " (see heaptape memory)");
        free(what);
    }
}

void unseen_put(struct json_object *o, const struct unseen *u, bool several) {
    struct json_object *list[2] = {NULL, NULL};
    for (size_t i = 0; i < u->count; i++) {
        const struct unseen_module *m = &u->module[i];
        if (!m->deepbind && !several) {
            json_put_text(o, "bypassed", m->path);
            continue;
        }
        if (list[m->deepbind] == NULL) {
            list[m->deepbind] = json_object_new_array();
            json_object_object_add(o, m->deepbind ? "unhooked" : "bypassed", list[m->deepbind]);
        }
        json_object_array_add(list[m->deepbind], json_text(m->path));
    }
}
