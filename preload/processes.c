/* SPDX-License-Identifier: MIT */
#include "processes.h"

#include <fcntl.h>
#include <paths.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "recorder.h"
#include "sys.h"

#define LIBRARY    "libheaptape.so"
#define NAME_BYTES 1024 /* the stack may be small; programs of longer paths are not noted */

static char log_path[PATH_BYTES]; /* "": nobody asked */
static char out[PATH_BYTES];      /* HEAPTAPE_OUT of this run */

/* False, and empty, when it does not fit. */
static bool copy(char to[PATH_BYTES], const char *from) {
    size_t n = from != NULL ? strnlen(from, PATH_BYTES) : 0;
    if (n < PATH_BYTES)
        memcpy(to, from != NULL ? from : "", n);
    to[n < PATH_BYTES ? n : 0] = '\0';
    return n != 0 && n < PATH_BYTES;
}

void processes_prepare(void) {
    if (!copy(out, config.out) || !copy(log_path, config.processes))
        log_path[0] = '\0';
}

bool processes_wanted(void) {
    return log_path[0] != '\0' && !sys_confined();
}

/* ---- the program -------------------------------------------------------------------------- */

static const char *value_of(char *const *environment, const char *name) {
    size_t n = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return *environment + n + 1;
    return NULL;
}

/* Puts `name` behind a slash behind what is in `path`, from `length` on; false when it is too long.
 */
static bool append_name(char path[NAME_BYTES], size_t length, const char *name, size_t n) {
    if (length + 1 + n + 1 > NAME_BYTES)
        return false;
    path[length] = '/';
    memcpy(path + length + 1, name, n);
    path[length + 1 + n] = '\0';
    return true;
}

/* A file of the process's own by the number of its descriptor. */
static bool name_descriptor(char path[NAME_BYTES], int fd) {
    char link[32] = "/proc/self/fd/", digits[12], *to = link + strlen(link);
    int n = 0;
    if (fd < 0)
        return false;
    for (unsigned v = (unsigned)fd; v != 0 || n == 0; v /= 10)
        digits[n++] = (char)('0' + v % 10);
    while (n > 0)
        *to++ = digits[--n];
    *to = '\0';
    return sys_readlink(link, path, NAME_BYTES) > 0;
}

static bool make_absolute(char path[NAME_BYTES], int directory, const char *file) {
    while (file[0] == '.' && file[1] == '/')
        file += 2;
    size_t n = strlen(file);
    if (n >= NAME_BYTES)
        return false;
    if (file[0] == '/') {
        memcpy(path, file, n + 1);
        return true;
    }
    bool known =
        directory == AT_FDCWD ? sys_getcwd(path, NAME_BYTES) > 0 : name_descriptor(path, directory);
    return known && (n == 0 || append_name(path, strlen(path), file, n));
}

/* As execvp finds it. */
static bool search_path(char path[NAME_BYTES], const char *file) {
    const char *entry = value_of(environ, "PATH");
    if (entry == NULL)
        entry = _PATH_DEFPATH;
    for (;; entry++) {
        size_t length = strcspn(entry, ":");
        char candidate[NAME_BYTES];
        if (length < NAME_BYTES) {
            memcpy(candidate, length != 0 ? entry : ".", length != 0 ? length : 1);
            bool fits = append_name(candidate, length != 0 ? length : 1, file, strlen(file));
            if (fits && sys_may_execute(candidate))
                return make_absolute(path, AT_FDCWD, candidate);
        }
        entry += length;
        if (*entry == '\0')
            return false;
    }
}

/* What keeps the program's recording from this run, as far as its environment says. */
static unsigned look_at(char *const *environment, bool *somebody_elses) {
    const char *preload = value_of(environment, "LD_PRELOAD");
    const char *to = value_of(environment, "HEAPTAPE_OUT");
    unsigned flags = 0;
    if (preload == NULL || strstr(preload, LIBRARY) == NULL)
        flags |= PROCESS_NO_PRELOAD;
    else if (to == NULL)
        flags |= PROCESS_ELSEWHERE;
    *somebody_elses = flags == 0 && to != NULL && strcmp(to, out) != 0;
    return flags;
}

bool processes_describe(struct process_note *note, int directory, const char *file, bool search,
                        char *const *environment) {
    char path[NAME_BYTES];
    bool elsewhere;
    if (!processes_wanted() || file == NULL)
        return false;
    memset(note, 0, sizeof *note);
    note->magic = PROCESS_LOG_MAGIC;
    note->flags = (uint16_t)look_at(environment, &elsewhere);
    note->time = sys_clock(CLOCK_MONOTONIC);
    bool found = search && strchr(file, '/') == NULL
                     ? search_path(path, file)
                     : make_absolute(path, directory, file) && (*file == '\0' || sys_exists(path));
    if (!found || elsewhere)
        return false;
    size_t n = strlen(path), cut = n < PROCESS_PATH_MAX ? 0 : n - (PROCESS_PATH_MAX - 1);
    if (cut != 0)
        note->flags |= PROCESS_PATH_CUT;
    memcpy(note->path, path + cut, n - cut);
    return true;
}

static void append(const struct process_note *note) {
    sys_append(log_path, note, sizeof *note, PROCESS_LOG_MOST, recorder_is_borrowed());
}

void processes_note(struct process_note *note, enum process_note_kind kind, uint32_t pid) {
    note->kind = (uint16_t)kind;
    note->pid = pid;
    append(note);
}

void processes_note_killed(uint32_t pid, int signal) {
    if (!processes_wanted())
        return;
    const struct process_note note = {.magic = PROCESS_LOG_MAGIC,
                                      .kind = PROCESS_KILLED,
                                      .pid = pid,
                                      .signal = (uint32_t)signal,
                                      .time = sys_clock(CLOCK_MONOTONIC)};
    append(&note);
}
