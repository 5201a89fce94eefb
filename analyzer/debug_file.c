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

struct place {
    Elf *elf;
    struct stat own; /* of the module's file, which may have its own name for debug link */
    const void *id;
    ssize_t id_len; /* 0 or less: none */
};

/* Whether a file is an ELF file of another build. */
static bool is_other(const struct place *p, const char *path) {
    struct stat st;
    const void *id;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    Elf *elf = NULL;
    bool other = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (st.st_dev != p->own.st_dev || st.st_ino != p->own.st_ino))
        elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf != NULL && elf_kind(elf) == ELF_K_ELF) {
        ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
        other = n <= 0 || n != p->id_len || memcmp(id, p->id, (size_t)n) != 0;
    }
    elf_end(elf);
    close(fd);
    return other;
}

/* Takes over `path`; gives it back where it is such a file, otherwise NULL. */
static char *take_other(const struct place *p, char *path) {
    if (path == NULL || is_other(p, path))
        return path;
    free(path);
    return NULL;
}

static char *format(const char *directory, size_t n, const char *middle, const char *name) {
    char *text;
    return asprintf(&text, "%.*s%s%s", (int)n, directory, middle, name) < 0 ? NULL : text;
}

static char *by_link(const struct place *p, const char *path, const char *search) {
    GElf_Word crc;
    const char *name = dwelf_elf_gnu_debuglink(p->elf, &crc), *slash = strrchr(path, '/');
    if (name == NULL || slash == NULL || strchr(name, '/') != NULL)
        return NULL;
    size_t n = (size_t)(slash - path) + 1; /* the module's directory, with its slash */
    char *found = take_other(p, format(path, n, "", name));
    if (found == NULL)
        found = take_other(p, format(path, n, ".debug/", name));
    for (const char *d = search; *d != '\0' && found == NULL;) {
        size_t length = strcspn(d, ":");
        char *below = *d == '/' ? format(d, length, "", path) : NULL;
        if (below != NULL)
            found = take_other(p, format(below, length + n, "", name));
        free(below);
        d += length + (d[length] == ':');
    }
    return found;
}

static char *by_build_id(const struct place *p, const char *search) {
    char name[160], *at = name;
    char *found = NULL;
    if (p->id_len < 2 || p->id_len > 64)
        return NULL;
    at += sprintf(at, "/.build-id/%02x/", ((const uint8_t *)p->id)[0]);
    for (ssize_t i = 1; i < p->id_len; i++)
        at += sprintf(at, "%02x", ((const uint8_t *)p->id)[i]);
    for (const char *d = search; *d != '\0' && found == NULL;) {
        size_t length = strcspn(d, ":");
        if (*d == '/')
            found = take_other(p, format(d, length, name, ".debug"));
        d += length + (d[length] == ':');
    }
    return found;
}

char *debug_file_of_another_build(Elf *elf, const char *path, const char *search) {
    struct place p = {.elf = elf};
    if (stat(path, &p.own) != 0)
        return NULL;
    p.id_len = dwelf_elf_gnu_build_id(elf, &p.id);
    char *found = by_build_id(&p, search);
    return found != NULL ? found : by_link(&p, path, search);
}
