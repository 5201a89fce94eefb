/* SPDX-License-Identifier: MIT */
#include "startup_scope.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag.h"

/* ---- asking the linker -------------------------------------------------------------------- */

/* The program's own linker, which the caller frees; NULL: it has none. */
static char *interpreter_of(const char *program) {
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    elf_version(EV_CURRENT);
    Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    size_t headers = 0;
    char *path = NULL;
    if (elf != NULL && elf_getphdrnum(elf, &headers) != 0)
        headers = 0;
    for (size_t i = 0; i < headers && path == NULL; i++) {
        GElf_Phdr h;
        if (gelf_getphdr(elf, (int)i, &h) == NULL || h.p_type != PT_INTERP || h.p_filesz > 4096)
            continue;
        path = xcalloc(1, h.p_filesz + 1);
        if (pread(fd, path, h.p_filesz, (off_t)h.p_offset) != (ssize_t)h.p_filesz) {
            free(path);
            path = NULL;
            break;
        }
    }
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return path;
}

/* This process's environment with another LD_PRELOAD; the list is the caller's to free. */
static char **environment_with(const char *preload, char **own) {
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **list = xcalloc(count + 2, sizeof *list);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
            list[kept++] = environ[i];
    *own = preload != NULL ? xasprintf("LD_PRELOAD=%s", preload) : NULL;
    if (*own != NULL)
        list[kept++] = *own;
    return list;
}

/* What the linker prints; NULL when it failed. The caller closes it, and waits for *pid. */
static FILE *ask(const char *interpreter, const char *program, const char *preload, pid_t *pid) {
    int ends[2];
    char *own, **list = environment_with(preload, &own);
    char *const argv[] = {(char *)interpreter, (char *)"--list", (char *)program, NULL};
    posix_spawn_file_actions_t actions;
    FILE *out = NULL;
    if (pipe2(ends, O_CLOEXEC) == 0) {
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        bool started = posix_spawn(pid, interpreter, &actions, NULL, argv, list) == 0;
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        out = started ? fdopen(ends[0], "r") : NULL;
        if (out == NULL)
            close(ends[0]);
    }
    free(own);
    free(list);
    return out;
}

static void add_object(struct startup_scope *s, const char *path, size_t length) {
    s->object = xrealloc(s->object, (s->count + 1) * sizeof *s->object);
    s->object[s->count] = xcalloc(1, length + 1);
    memcpy(s->object[s->count++], path, length);
}

/* "\tlibm.so.6 => /lib/libm.so.6 (0x…)", "\t/lib64/ld-linux-x86-64.so.2 (0x…)", "\t./libown.so
 * (0x…)"; what has no file has no slash either: "\tlinux-vdso.so.1 (0x…)" */
static void take_line(struct startup_scope *s, const char *line) {
    const char *arrow = strstr(line, " => "), *path = arrow != NULL ? arrow + 4 : line;
    path += strspn(path, " \t");
    const char *end = strstr(path, " (0x");
    if (end != NULL && memchr(path, '/', (size_t)(end - path)) != NULL)
        add_object(s, path, (size_t)(end - path));
}

/* ---- what the objects define -------------------------------------------------------------- */

static bool is_defined(const GElf_Sym *symbol) {
    unsigned bind = GELF_ST_BIND(symbol->st_info), type = GELF_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (type == STT_FUNC || type == STT_GNU_IFUNC);
}

static void note(const char **first, const char *object) {
    if (*first == NULL)
        *first = object;
}

static void look(struct startup_scope *s, const char *object) {
    int fd = open(object, O_RDONLY | O_CLOEXEC);
    Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
    for (Elf_Scn *section = NULL; elf != NULL && (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        Elf_Data *data;
        if (gelf_getshdr(section, &header) == NULL || header.sh_type != SHT_DYNSYM ||
            header.sh_entsize == 0 || (data = elf_getdata(section, NULL)) == NULL)
            continue;
        size_t count = (size_t)(header.sh_size / header.sh_entsize);
        for (size_t i = 1; i < count && i < INT32_MAX; i++) {
            GElf_Sym symbol;
            if (gelf_getsym(data, (int)i, &symbol) == NULL || !is_defined(&symbol))
                continue;
            const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
            if (name == NULL)
                continue;
            if (strcmp(name, "malloc") == 0)
                note(&s->malloc_in, object);
            else if (strcmp(name, "_Znwm") == 0)
                note(&s->operators_in, object);
            else if (strcmp(name, "mallocx") == 0)
                note(&s->mallocx_in, object);
            else if (strcmp(name, "free_sized") == 0)
                note(&s->sized_in, object);
        }
    }
    elf_end(elf);
    if (fd >= 0)
        close(fd);
}

bool startup_scope_read(struct startup_scope *s, const char *program, const char *preload) {
    *s = (struct startup_scope){0};
    char *interpreter = interpreter_of(program), *line = NULL;
    size_t room = 0;
    pid_t pid = 0;
    FILE *out = interpreter != NULL ? ask(interpreter, program, preload, &pid) : NULL;
    free(interpreter);
    if (out == NULL)
        return false;
    add_object(s, program, strlen(program));
    while (getline(&line, &room, out) > 0)
        take_line(s, line);
    free(line);
    fclose(out);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status != 0) {
        startup_scope_free(s);
        return false;
    }
    for (size_t i = 0; i < s->count; i++)
        look(s, s->object[i]);
    return true;
}

void startup_scope_free(struct startup_scope *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->object[i]);
    free(s->object);
    *s = (struct startup_scope){0};
}

const char *startup_scope_find(const struct startup_scope *s, const char *name) {
    for (size_t i = 0; i < s->count; i++) {
        const char *slash = strrchr(s->object[i], '/');
        if (strcmp(slash != NULL ? slash + 1 : s->object[i], name) == 0)
            return s->object[i];
    }
    return NULL;
}
