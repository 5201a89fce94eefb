/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "output.h"

static const int ending_signal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* What a signal handler says; a handler has no other way to know it. */
static char *volatile farewell;

static void say_and_end(int sig) {
    const char *text = farewell;
    if (text != NULL && write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(EXIT_FINDING);
    raise(sig); /* by now the disposition is the usual one; delivered when this returns */
}

/* Signals that are ignored, as under nohup, stay so. */
static void watch(const char *path) {
    farewell = xasprintf("heaptape: check was interrupted; its recordings are in %s\n", path);
    struct sigaction action = {.sa_handler = say_and_end, .sa_flags = (int)SA_RESETHAND}, old;
    for (unsigned i = 0; i < sizeof ending_signal / sizeof ending_signal[0]; i++)
        if (sigaction(ending_signal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(ending_signal[i], &action, NULL);
}

static void unwatch(void) {
    struct sigaction old;
    for (unsigned i = 0; i < sizeof ending_signal / sizeof ending_signal[0]; i++)
        if (sigaction(ending_signal[i], NULL, &old) == 0 && old.sa_handler == say_and_end)
            signal(ending_signal[i], SIG_DFL);
    char *text = farewell;
    farewell = NULL;
    free(text);
}

static int make_temporary(struct scratch *s, const char *directory) {
    const char *below = getenv("TMPDIR");
    char *place = output_absolute(below != NULL && below[0] != '\0' ? below : "/tmp", directory);
    s->path = xasprintf("%s/heaptape-check.XXXXXX", place);
    s->made = mkdtemp(s->path) != NULL;
    if (!s->made)
        diag("%s: no directory for the recordings can be made: %s; set TMPDIR, or use -o", place,
             strerror(errno));
    free(place);
    return s->made ? EXIT_FINE : EXIT_FINDING;
}

static int make_named(struct scratch *s, const char *wanted, const char *directory) {
    s->named = true;
    s->path = output_absolute(wanted, directory);
    s->made = mkdir(s->path, 0777) == 0;
    if (s->made)
        return EXIT_FINE;
    if (errno != EEXIST) {
        diag("%s: cannot be made: %s", s->path, strerror(errno));
        return EXIT_FINDING;
    }
    struct stat st;
    if (stat(s->path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        diag("%s: is no directory; -o names one for the recordings", s->path);
        return EXIT_FINDING;
    }
    char *prefix = xasprintf("%s/", s->path);
    struct output_list list = output_list(prefix);
    size_t count = list.count; /* "." and ".." are always there */
    output_list_free(&list);
    free(prefix);
    if (count <= 2)
        return EXIT_FINE;
    diag("%s: is not empty; name another directory for the recordings", s->path);
    return EXIT_FINDING;
}

int scratch_make(struct scratch *s, const char *wanted, const char *directory) {
    *s = (struct scratch){0};
    int status = wanted != NULL ? make_named(s, wanted, directory) : make_temporary(s, directory);
    if (status != EXIT_FINE) {
        free(s->path);
        s->path = NULL;
        return status;
    }
    watch(s->path);
    return EXIT_FINE;
}

static void forget(struct scratch *s) {
    unwatch();
    free(s->path);
    s->path = NULL;
}

void scratch_remove(struct scratch *s) {
    if (s->path == NULL)
        return;
    if (s->made) {
        char *prefix = xasprintf("%s/", s->path);
        struct output_list list = output_list(prefix);
        for (size_t i = 0; i < list.count; i++)
            unlink(list.name[i]); /* "." and ".." stay, being directories */
        output_list_free(&list);
        free(prefix);
        if (rmdir(s->path) != 0)
            diag("%s: the directory for the recordings cannot be removed: %s", s->path,
                 strerror(errno));
    }
    forget(s);
}

void scratch_keep(struct scratch *s) {
    if (s->path != NULL)
        forget(s);
}
