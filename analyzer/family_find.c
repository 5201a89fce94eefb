/* SPDX-License-Identifier: MIT */
#include "family_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "names.h"
#include "pack.h"
#include "tape/format.h"

void family_files_free(struct family_files *files) {
    for (size_t i = 0; i < files->count; i++)
        free(files->path[i]);
    free(files->path);
}

/* Takes over the path. */
static void add_path(struct family_files *files, char *path) {
    files->path = xrealloc(files->path, (files->count + 1) * sizeof *files->path);
    files->path[files->count++] = path;
}

/* Whether a regular file begins like a recording; its header if that is whole. */
static bool begins_like_tape(const char *path, struct tape_file_header *header) {
    uint8_t bytes[TAPE_FILE_HEADER_BYTES] = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                 pread(fd, bytes, sizeof bytes, 0) >= (ssize_t)sizeof tape_file_magic &&
                 memcmp(bytes, tape_file_magic, sizeof tape_file_magic) == 0;
    if (fd >= 0)
        close(fd);
    if (!found || header == NULL)
        return found;
    struct tape_in in = tape_in_of(bytes, sizeof bytes);
    return tape_get_file_header(&in, header) == TAPE_OK;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* FILE.tail beside the tape FILE, with which it is read: NAME* in a shell names both. */
static bool is_tail(const char *path) {
    if (!ends_with(path, ".tail"))
        return false;
    char *tape = xasprintf("%.*s", (int)(strlen(path) - 5), path);
    bool found = begins_like_tape(tape, NULL);
    free(tape);
    return found;
}

/* ---- a directory -------------------------------------------------------------------------- */

static bool in_directory(const char *directory, struct family_files *files) {
    struct dirent **entry;
    int n = scandir(directory, &entry, NULL, alphasort);
    if (n < 0) {
        diag("%s: cannot be read: %s", directory, strerror(errno));
        return false;
    }
    for (int i = 0; i < n; i++) {
        const char *slash = ends_with(directory, "/") ? "" : "/";
        char *path = xasprintf("%s%s%s", directory, slash, entry[i]->d_name);
        struct stat st;
        bool regular = stat(path, &st) == 0 && S_ISREG(st.st_mode);
        if (regular && (ends_with(path, ".tape") || begins_like_tape(path, NULL)))
            add_path(files, path);
        else
            free(path);
        free(entry[i]);
    }
    free(entry);
    if (files->count == 0)
        diag("%s: no recording is in this directory", directory);
    return files->count != 0;
}

/* ---- a process ---------------------------------------------------------------------------- */

/* The tape that a line of /proc/PID/maps is about, or NULL. The recorder keeps windows of the tape
 * and buffers of the tail mapped, shared and for writing. */
static char *tape_of_mapping(char *line) {
    char permissions[8] = "";
    char *path = strchr(line, '/');
    if (path == NULL || sscanf(line, "%*s %7s", permissions) != 1 || permissions[3] != 's')
        return NULL;
    path[strcspn(path, "\n")] = '\0';
    char *tape = xstrdup(path);
    if (ends_with(tape, ".tail"))
        tape[strlen(tape) - 5] = '\0';
    if (begins_like_tape(tape, NULL))
        return tape;
    free(tape);
    return NULL;
}

static bool of_process(const char *pid, struct family_files *files) {
    char *name = xasprintf("/proc/%s/maps", pid), *line = NULL, *found = NULL;
    size_t room = 0;
    FILE *maps = fopen(name, "re");
    int error = errno;
    free(name);
    if (maps == NULL) {
        diag("%s: neither a file nor a running process that can be looked at: %s", pid,
             error == ENOENT ? "no process has this id" : strerror(error));
        return false;
    }
    errno = 0;
    while (found == NULL && getline(&line, &room, maps) > 0)
        found = tape_of_mapping(line);
    error = errno;
    free(line);
    fclose(maps);
    if (found != NULL)
        add_path(files, found);
    else if (error == EACCES || error == EPERM)
        diag("process %s: may not be looked at: %s; name its tape instead", pid, strerror(error));
    else
        diag("process %s: is not being recorded, or its tape has been removed", pid);
    return found != NULL;
}

/* ---- operands ----------------------------------------------------------------------------- */

bool family_find(const char *operand, struct family_files *files) {
    *files = (struct family_files){0};
    struct stat st;
    bool there = stat(operand, &st) == 0, found = true;
    if (there && S_ISDIR(st.st_mode))
        found = in_directory(operand, files);
    else if (!there && *operand != '\0' && operand[strspn(operand, "0123456789")] == '\0')
        found = of_process(operand, files);
    else if (!is_tail(operand))
        add_path(files, xstrdup(operand));
    if (!found)
        family_files_free(files);
    return found;
}

static char *tape_beside(const char *path, const char *name, const uint8_t *id) {
    struct tape_file_header header;
    const char *base = names_base(path);
    char *beside = xasprintf("%.*s%s", (int)(base - path), path, names_base(name));
    if (begins_like_tape(beside, &header) && memcmp(header.id, id, sizeof header.id) == 0)
        return beside;
    free(beside);
    return NULL;
}

char *family_find_beside(const char *path, const char *name, const uint8_t *id) {
    char *found = tape_beside(path, name, id);
    if (found != NULL)
        return found;
    char *packed = pack_default_name(name); /* it may have been packed, and removed */
    found = tape_beside(path, packed, id);
    free(packed);
    return found;
}
