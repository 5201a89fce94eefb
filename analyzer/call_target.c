/* SPDX-License-Identifier: MIT */
#include "call_target.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "plt.h"

struct target_module {
    char *path;
    Elf *elf;        /* NULL: not to be had */
    struct plt *plt; /* NULL: nothing is known */
};

struct call_targets {
    struct target_module *module;
    size_t count;
};

struct call_targets *call_targets_new(void) {
    elf_version(EV_CURRENT);
    return xcalloc(1, sizeof(struct call_targets));
}

void call_targets_free(struct call_targets *t) {
    for (size_t i = 0; i < t->count; i++) {
        plt_free(t->module[i].plt);
        elf_end(t->module[i].elf);
        free(t->module[i].path);
    }
    free(t->module);
    free(t);
}

/* ---- one module --------------------------------------------------------------------------- */

static bool is_build(Elf *elf, const uint8_t *build_id, size_t length) {
    const void *found;
    return length == 0 || (dwelf_elf_gnu_build_id(elf, &found) == (ssize_t)length &&
                           memcmp(found, build_id, length) == 0);
}

static void module_open(struct target_module *m, const uint8_t *build_id, size_t build_id_len) {
    struct stat st;
    int fd = open(m->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not block */
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        m->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (m->elf != NULL)
        elf_cntl(m->elf, ELF_C_FDREAD); /* the descriptor is not needed from here on */
    close(fd);
    if (m->elf != NULL && is_build(m->elf, build_id, build_id_len))
        m->plt = plt_new(m->elf);
}

/* The object's module of this path; two builds of one path in one run are not told apart. */
static struct target_module *module_get(struct call_targets *t, const char *path,
                                        const uint8_t *build_id, size_t build_id_len) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->module[i].path, path) == 0)
            return &t->module[i];
    t->module = xrealloc(t->module, (t->count + 1) * sizeof *t->module);
    struct target_module *m = &t->module[t->count++];
    *m = (struct target_module){.path = xstrdup(path)};
    module_open(m, build_id, build_id_len);
    return m;
}

const char *call_targets_name(struct call_targets *t, const char *path, const uint8_t *build_id,
                              size_t build_id_len, uint64_t return_address) {
    const struct target_module *m = module_get(t, path, build_id, build_id_len);
    return m->plt != NULL ? plt_called(m->plt, return_address) : NULL;
}
