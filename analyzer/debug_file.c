/* SPDX-License-Identifier: MIT */
#include "debug_file.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct places {
    Elf *elf;
    const char *search;
    debug_file_place *at;
    void *context;
    bool found;
};

/* Takes over `path`. */
static void visit(struct places *p, char *path) {
    p->found = p->found || (path != NULL && p->at(p->context, path));
    free(path);
}

static char *format(const char *directory, size_t n, const char *middle, const char *name) {
    char *text;
    return asprintf(&text, "%.*s%s%s", (int)n, directory, middle, name) < 0 ? NULL : text;
}

static void by_link(struct places *p, const char *path) {
    GElf_Word crc;
    const char *name = dwelf_elf_gnu_debuglink(p->elf, &crc), *slash = strrchr(path, '/');
    if (name == NULL || slash == NULL || strchr(name, '/') != NULL)
        return;
    size_t n = (size_t)(slash - path) + 1; /* the module's directory, with its slash */
    visit(p, format(path, n, "", name));
    visit(p, format(path, n, ".debug/", name));
    for (const char *d = p->search; *d != '\0';) {
        size_t length = strcspn(d, ":");
        char *below = *d == '/' ? format(d, length, "", path) : NULL;
        if (below != NULL)
            visit(p, format(below, length + n, "", name));
        free(below);
        d += length + (d[length] == ':');
    }
}

static void by_build_id(struct places *p) {
    const void *id;
    ssize_t id_len = dwelf_elf_gnu_build_id(p->elf, &id);
    char name[160], *at = name;
    if (id_len < 2 || id_len > 64)
        return;
    at += sprintf(at, "/.build-id/%02x/", ((const uint8_t *)id)[0]);
    for (ssize_t i = 1; i < id_len; i++)
        at += sprintf(at, "%02x", ((const uint8_t *)id)[i]);
    for (const char *d = p->search; *d != '\0';) {
        size_t length = strcspn(d, ":");
        if (*d == '/')
            visit(p, format(d, length, name, ".debug"));
        d += length + (d[length] == ':');
    }
}

bool debug_file_places(Elf *elf, const char *path, const char *search, debug_file_place *at,
                       void *context) {
    struct places p = {elf, search, at, context, false};
    by_build_id(&p);
    by_link(&p, path);
    return p.found;
}

/* ---- those of another build --------------------------------------------------------------- */

struct module {
    struct stat own; /* of the module's file, which may have its own name for debug link */
    const void *id;
    ssize_t id_len; /* 0 or less: none */
    char *other;    /* the file that was looked for; NULL: not yet found */
};

/* Whether a file is an ELF file of another build. */
static bool is_other(const struct module *m, const char *path) {
    struct stat st;
    const void *id;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    Elf *elf = NULL;
    bool other = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (st.st_dev != m->own.st_dev || st.st_ino != m->own.st_ino))
        elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf != NULL && elf_kind(elf) == ELF_K_ELF) {
        ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
        other = n <= 0 || n != m->id_len || memcmp(id, m->id, (size_t)n) != 0;
    }
    elf_end(elf);
    close(fd);
    return other;
}

static bool take_other(void *context, const char *path) {
    struct module *m = context;
    if (is_other(m, path))
        m->other = strdup(path);
    return m->other != NULL;
}

char *debug_file_of_another_build(Elf *elf, const char *path, const char *search) {
    struct module m = {0};
    if (stat(path, &m.own) == 0) {
        m.id_len = dwelf_elf_gnu_build_id(elf, &m.id);
        debug_file_places(elf, path, search, take_other, &m);
    }
    return m.other;
}
