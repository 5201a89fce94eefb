/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "program.h"

/* libheaptape.so beside the command (build tree), or in ../lib/heaptape (installed). NULL when it
 * is in neither, with one line printed. */
static char *find_library(void) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) {
        diag("/proc/self/exe cannot be read, so the recorder's library cannot be found");
        return NULL;
    }
    *slash = '\0';
    static const char *const places[] = {"libheaptape.so", "../lib/heaptape/libheaptape.so"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *candidate = xasprintf("%s/%s", self, places[i]);
        char *library = realpath(candidate, NULL);
        free(candidate);
        if (library == NULL)
            continue;
        if (strpbrk(library, ": ") != NULL) {
            diag("%s: LD_PRELOAD cannot hold a path with a space or a colon; install heaptape "
                 "elsewhere",
                 library);
            free(library);
            return NULL;
        }
        return library;
    }
    diag("libheaptape.so is neither in %s nor in %s/../lib/heaptape; build or install heaptape",
         self, self);
    return NULL;
}

int recording_prepare(struct recording *r, char **argv) {
    *r = (struct recording){.argv = argv};
    int status = program_find(argv[0], &r->path);
    if (status != EXIT_FINE)
        return status;
    if ((r->library = find_library()) == NULL)
        return EXIT_FINDING;
    if ((r->directory = getcwd(NULL, 0)) == NULL) {
        diag("the working directory cannot be named: %s", strerror(errno));
        return EXIT_FINDING;
    }
    return EXIT_FINE;
}

void recording_free(struct recording *r) {
    free(r->path);
    free(r->library);
    free(r->directory);
    *r = (struct recording){0};
}

struct start {
    const struct recording *recording;
    recording_tape *tape;
    void *context;
};

/* Runs in the child: the environment that the recorder reads. */
static void prepare(void *context) {
    const struct start *s = context;
    const char *library = s->recording->library, *others = getenv("LD_PRELOAD");
    if (others == NULL || others[0] == '\0')
        setenv("LD_PRELOAD", library, 1);
    else
        setenv("LD_PRELOAD", xasprintf("%s:%s", library, others), 1);
    setenv("HEAPTAPE_OUT", s->tape(s->context, getpid()), 1);
    setenv("HEAPTAPE_LAUNCHER", xasprintf("%ld", (long)getppid()), 1);
}

int recording_run(const struct recording *r, recording_tape *tape, void *context,
                  struct launch_result *result) {
    struct start start = {.recording = r, .tape = tape, .context = context};
    if (launch_run(r->path, r->argv, prepare, &start, result) != 0) {
        diag("no process could be started: %s", strerror(errno));
        return EXIT_FINDING;
    }
    if (result->exec_errno != 0) {
        diag("%s: cannot be started: %s", r->path, strerror(result->exec_errno));
        return result->exec_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    return EXIT_FINE;
}
