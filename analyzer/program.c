/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "diag.h"
#include "elf_check.h"

#define SHEBANG_MAX   256 /* bytes of a script's first line that the kernel reads */
#define SHEBANG_DEPTH 5   /* interpreters of interpreters that the kernel follows */

/* Whether the kernel will switch ids for this file: then the loader drops LD_PRELOAD. */
static bool changes_ids(const char *path, const struct stat *st) {
    struct statvfs fs;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
        (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0))
        return false;
    if ((st->st_mode & S_ISUID) != 0 && st->st_uid != getuid())
        return true;
    if ((st->st_mode & S_ISGID) != 0 && (st->st_mode & S_IXGRP) != 0 && st->st_gid != getgid())
        return true;
    return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* A file under examination, and the script whose #! line named it (NULL: the user did). */
struct subject {
    const char *path, *script;
    char **why; /* where the reason goes; NULL: it is printed */
};

/* `advice`: what else is said to a user who wanted to run it, or "". */
static int refuse_with(const struct subject *s, const char *why, const char *advice) {
    if (s->why != NULL)
        *s->why =
            s->script != NULL ? xasprintf("is run by %s, which %s", s->path, why) : xstrdup(why);
    else if (s->script != NULL)
        diag("%s: its interpreter %s %s%s", s->script, s->path, why, advice);
    else
        diag("%s: %s%s", s->path, why, advice);
    return EXIT_NOT_EXECUTABLE;
}

static int refuse(const struct subject *s, const char *why) {
    return refuse_with(s, why, "");
}

static int check_elf(const struct subject *s, enum elf_verdict verdict, const char *loader) {
    char why[ELF_LOADER_MAX + 128];
    switch (verdict) {
    case ELF_RECORDABLE:
    case ELF_NOT_ELF:
        return EXIT_FINE;
    case ELF_DAMAGED:
        return refuse(s, "is a damaged ELF file, or no program");
    case ELF_32_BIT:
        return refuse_with(s, "is a 32-bit program", "; only 64-bit programs can be recorded");
    case ELF_OTHER_CPU:
        return refuse(s, "is a program for another processor architecture");
    case ELF_STATIC:
        return refuse_with(s, "is statically linked",
                           ", so the recorder cannot be loaded into it; link it dynamically to "
                           "record it");
    case ELF_OTHER_LOADER:
        snprintf(why, sizeof why, "is loaded by %s", loader);
        return refuse_with(s, why, "; only programs of the GNU C library can be recorded");
    case ELF_NO_LOADER:
        snprintf(why, sizeof why, "needs the loader %s, which does not exist", loader);
        return refuse(s, why);
    }
    return EXIT_NOT_EXECUTABLE;
}

/* What the first bytes of a file that is no ELF say. */
enum text_kind { TEXT_SHEBANG, TEXT_SHELL, TEXT_BINARY };

/* Reads the interpreter of a #! line as the kernel does: the first word behind "#!". */
static enum text_kind read_text(int fd, char interpreter[SHEBANG_MAX]) {
    char line[SHEBANG_MAX];
    ssize_t n = pread(fd, line, sizeof line - 1, 0);
    line[n > 0 ? n : 0] = '\0';
    if (line[0] != '#' || line[1] != '!') {
        /* Without #! a shell runs it as its own script, unless its first line is binary. */
        const char *end = memchr(line, '\n', (size_t)(n > 0 ? n : 0));
        size_t first = end != NULL ? (size_t)(end - line) : (size_t)(n > 0 ? n : 0);
        return memchr(line, '\0', first) != NULL ? TEXT_BINARY : TEXT_SHELL;
    }
    const char *start = line + 2 + strspn(line + 2, " \t");
    size_t length = strcspn(start, " \t\n");
    memcpy(interpreter, start, length);
    interpreter[length] = '\0';
    return TEXT_SHEBANG;
}

/* Checks one file; for a script, its interpreter goes to `next`, otherwise next is "". */
static int check_file(const struct subject *s, char next[SHEBANG_MAX]) {
    struct stat st;
    next[0] = '\0';
    if (stat(s->path, &st) != 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        refuse(s, missing ? "does not exist" : strerror(errno));
        return missing && s->script == NULL ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    if (S_ISDIR(st.st_mode))
        return refuse(s, "is a directory, not a program");
    if (!S_ISREG(st.st_mode))
        return refuse(s, "is no regular file, so no program");
    if (access(s->path, X_OK) != 0)
        return refuse(s, errno == EACCES ? "is not executable (see chmod +x)" : strerror(errno));
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) /* executable but not readable: the kernel will know what it is */
        return EXIT_FINE;
    char loader[ELF_LOADER_MAX];
    enum elf_verdict verdict = elf_check(fd, loader);
    enum text_kind text = verdict == ELF_NOT_ELF ? read_text(fd, next) : TEXT_BINARY;
    close(fd);
    if (verdict != ELF_NOT_ELF) {
        int status = check_elf(s, verdict, loader);
        if (status == EXIT_FINE && changes_ids(s->path, &st))
            return refuse_with(s, "is set-user-id, set-group-id or has file capabilities",
                               ", so the loader ignores the recorder; record a copy of it without "
                               "these");
        return status;
    }
    if (text == TEXT_BINARY)
        return refuse(s, "is neither a program for this machine nor a script");
    if (text == TEXT_SHELL)
        strcpy(next, _PATH_BSHELL);
    else if (next[0] == '\0')
        return refuse(s, "names no interpreter behind its #!");
    return EXIT_FINE;
}

/* The file and every interpreter behind it. `last`: receives the last one, which the caller frees;
 * `why`: as in a subject; both may be NULL. */
static int check_chain(const char *path, char **last, char **why) {
    char script[SHEBANG_MAX], next[SHEBANG_MAX];
    struct subject s = {.path = path, .why = why};
    int status = check_file(&s, next);
    for (int depth = 0; status == EXIT_FINE && next[0] != '\0'; depth++) {
        if (depth == SHEBANG_DEPTH) {
            s = (struct subject){.path = path, .why = why};
            return refuse(&s, "has too many interpreters behind one another");
        }
        strcpy(script, next);
        s = (struct subject){.path = script, .script = path, .why = why};
        status = check_file(&s, next);
    }
    if (last != NULL)
        *last = xstrdup(s.path);
    return status;
}

char *program_image(const char *path, char **why) {
    char *last = NULL;
    *why = NULL;
    if (access(path, R_OK) == 0)
        check_chain(path, &last, why);
    char *real = last != NULL ? realpath(last, NULL) : NULL;
    if (real != NULL) {
        free(last);
        return real;
    }
    return last != NULL ? last : xstrdup(path);
}

/* The first regular file of this name in PATH, preferring one that can be executed; NULL when
 * there is none. The caller frees. */
static char *search_path(const char *name) {
    const char *entry = getenv("PATH");
    char *unusable = NULL;
    if (entry == NULL)
        entry = _PATH_DEFPATH;
    for (;; entry++) {
        size_t length = strcspn(entry, ":");
        char *candidate =
            length == 0 ? xasprintf("./%s", name) : xasprintf("%.*s/%s", (int)length, entry, name);
        struct stat st;
        if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode)) {
            if (access(candidate, X_OK) == 0) {
                free(unusable);
                return candidate;
            }
            if (unusable == NULL) {
                unusable = candidate;
                candidate = NULL;
            }
        }
        free(candidate);
        entry += length;
        if (*entry == '\0')
            return unusable;
    }
}

int program_find(const char *name, char **path) {
    *path = NULL;
    char *found = NULL;
    if (strchr(name, '/') != NULL)
        found = xstrdup(name);
    else if (name[0] != '\0')
        found = search_path(name);
    if (found == NULL) {
        diag("%s: no such program in PATH", name);
        return EXIT_NOT_FOUND;
    }
    int status = check_chain(found, NULL, NULL);
    if (status == EXIT_FINE)
        *path = found;
    else
        free(found);
    return status;
}
