/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"

#define PROBE_BYTES (128 * 1024) /* what the recording of a program that does nothing takes */

/* The directory part of `path`, "." when it has none. The caller frees. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return xstrdup(".");
    return xasprintf("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int complain(const char *path, const char *what) {
    diag("%s: %s", path, what);
    return EXIT_FINDING;
}

static int remove_old(const char *path, bool force) {
    struct stat st;
    if (lstat(path, &st) != 0)
        return EXIT_FINE;
    if (S_ISDIR(st.st_mode))
        return complain(path, "is a directory; give the name of a file");
    if (!S_ISREG(st.st_mode))
        return complain(path, "exists and is no regular file; give another name");
    if (!force)
        return complain(path, "exists; give another name, or --force to replace it");
    if (unlink(path) != 0)
        return complain(path, strerror(errno));
    return EXIT_FINE;
}

/* Makes the file with the room that a small recording takes, and removes it again: permissions,
 * read-only and full file systems, quotas and name limits all show in this. */
static int probe(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        int error = errno;
        char *dir = directory_of(path);
        struct stat st;
        if (error == ENOTDIR || (error == ENOENT && stat(dir, &st) != 0))
            diag("%s: no such directory, so %s cannot be written", dir, path);
        else
            diag("%s: cannot be written: %s", path, strerror(error));
        free(dir);
        return EXIT_FINDING;
    }
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN); /* a limit is an error like others */
    int error = posix_fallocate(fd, 0, PROBE_BYTES);
    signal(SIGXFSZ, before);
    close(fd);
    unlink(path);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL)
        return EXIT_FINE;
    diag("%s: no room for a recording: %s", path, strerror(error));
    return EXIT_FINDING;
}

int output_check(const char *path, bool force) {
    char *tail = xasprintf("%s.tail", path);
    int status = remove_old(path, force);
    if (status == EXIT_FINE)
        status = remove_old(tail, force);
    if (status == EXIT_FINE)
        status = probe(path);
    free(tail);
    return status;
}

char *output_absolute(const char *path, const char *directory) {
    if (path[0] == '/')
        return xstrdup(path);
    return xasprintf("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, path);
}

struct output_list output_list(const char *prefix) {
    struct output_list list = {0};
    const char *base = strrchr(prefix, '/');
    base = base != NULL ? base + 1 : prefix;
    char *directory = directory_of(prefix);
    DIR *dir = opendir(directory);
    free(directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, base, strlen(base)) != 0)
            continue;
        if ((list.count & (list.count - 1)) == 0) /* room for a power of two */
            list.name =
                xrealloc(list.name, (list.count != 0 ? 2 * list.count : 1) * sizeof *list.name);
        list.name[list.count++] = xasprintf("%.*s%s", (int)(base - prefix), prefix, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return list;
}

void output_list_free(struct output_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->name[i]);
    free(list->name);
    *list = (struct output_list){0};
}

bool output_list_has(const struct output_list *list, const char *path) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->name[i], path) == 0)
            return true;
    return false;
}

char *output_default_name(const char *dir, const char *exe, pid_t pid,
                          const struct output_list *taken) {
    const char *slash = strcmp(dir, "/") == 0 ? "" : "/";
    char *path = xasprintf("%s%sheaptape.%s.%d.tape", dir, slash, exe, (int)pid);
    for (int n = 2; output_list_has(taken, path); n++) {
        free(path);
        path = xasprintf("%s%sheaptape.%s.%d.%d.tape", dir, slash, exe, (int)pid, n);
    }
    return path;
}

/* ".<digits>" at p: what follows it, or NULL. */
static const char *skip_number(const char *p) {
    if (p[0] != '.' || !isdigit((unsigned char)p[1]))
        return NULL;
    for (p++; isdigit((unsigned char)*p); p++)
        continue;
    return p;
}

bool output_is_other_process(const char *tape, const char *path) {
    size_t n = strlen(tape);
    if (strncmp(path, tape, n) != 0)
        return false;
    const char *p = skip_number(path + n);
    if (p != NULL && *p != '\0')
        p = skip_number(p);
    return p != NULL && *p == '\0';
}
