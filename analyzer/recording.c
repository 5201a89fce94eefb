/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "program.h"
#include "startup_scope.h"

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

/* ---- what the program needs in front of it ------------------------------------------------ */

/* The file names that each allocator's library goes by, the best first. */
static const struct allocator {
    const char *name, *library[3];
} allocators[] = {
    {"jemalloc", {"libjemalloc.so.2", "libjemalloc.so.1"}},
    {"tcmalloc", {"libtcmalloc.so.4", "libtcmalloc_minimal.so.4"}},
    {"mimalloc", {"libmimalloc.so.2", "libmimalloc.so.3"}},
};

bool recording_takes_allocator(const struct command *c, const char *value) {
    bool known = strchr(value, '/') != NULL;
    for (size_t i = 0; i < sizeof allocators / sizeof *allocators && !known; i++)
        known = strcmp(allocators[i].name, value) == 0;
    if (!known)
        command_usage_error(
            c, "--allocator=%s: it is jemalloc, tcmalloc, mimalloc, or the path of a library",
            value);
    return known;
}

static void add(char **list, const char *library) {
    char *longer = *list != NULL ? xasprintf("%s:%s", *list, library) : xstrdup(library);
    free(*list);
    *list = longer;
}

static char *beside(const char *library, const char *name) {
    const char *slash = strrchr(library, '/');
    return xasprintf("%.*s/%s", (int)(slash - library), library, name);
}

/* The library to load for --allocator, a name of the list or a path; NULL, with one line printed:
 * it is not to be had. The caller frees. */
static char *find_allocator(const char *image, const char *wanted) {
    if (strchr(wanted, '/') != NULL) {
        char *path = realpath(wanted, NULL);
        if (path == NULL || strpbrk(path, ": ") != NULL) {
            diag("%s: this allocator's library cannot be loaded: %s", wanted,
                 path == NULL ? strerror(errno) : "its path has a space or a colon");
            free(path);
            return NULL;
        }
        struct startup_scope scope;
        bool known = startup_scope_read(&scope, image, path) && scope.malloc_in != NULL &&
                     scope.malloc_in != scope.object[0];
        bool allocates = !known || strcmp(scope.malloc_in, path) == 0;
        startup_scope_free(&scope);
        if (!allocates) {
            diag("%s: this is no allocator's library: it has no malloc", wanted);
            free(path);
            path = NULL;
        }
        return path;
    }
    for (size_t i = 0; i < sizeof allocators / sizeof *allocators; i++) {
        const struct allocator *a = &allocators[i];
        if (strcmp(a->name, wanted) != 0)
            continue;
        for (size_t k = 0; k < 3 && a->library[k] != NULL; k++) {
            struct startup_scope scope;
            bool there = startup_scope_read(&scope, image, a->library[k]) &&
                         startup_scope_find(&scope, a->library[k]) != NULL;
            startup_scope_free(&scope);
            if (there)
                return xstrdup(a->library[k]);
        }
        diag("%s: the linker finds no %s; install it, or give --allocator the path of a library",
             wanted, a->library[0]);
        return NULL;
    }
    return NULL;
}

static bool is_cxx_library(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    return strncmp(base, "libstdc++", 9) == 0 || strncmp(base, "libc++", 6) == 0;
}

static void add_object(struct recording *r, const char *library, const char *name) {
    char *object = beside(library, name);
    add(&r->preload, object);
    free(object);
}

/* Adds to r->preload what the scope asks for, others' LD_PRELOAD included. */
static void add_second_objects(struct recording *r, const char *library,
                               const struct startup_scope *s,
                               const struct recording_options *options) {
    const char *own = s->count != 0 ? s->object[0] : NULL;
    /* For mismatches always: the program may be a shell, and its children the ones that are meant.
     */
    if (options->mismatches ||
        (s->operators_in != NULL && s->operators_in != own && !is_cxx_library(s->operators_in)))
        add_object(r, library, "libheaptape-ext.so");
    if (s->mallocx_in != NULL && s->mallocx_in != own)
        add_object(r, library, "libheaptape-jemalloc.so");
    if (s->sized_in != NULL && s->sized_in != own)
        add_object(r, library, "libheaptape-sized.so");
    if (options->mismatches && s->operators_in != NULL && s->operators_in == own)
        diag(
            "%s has operators of C++ of its own: what goes to another kind of function is not seen",
            own);
    if (s->malloc_in != NULL && s->malloc_in == own)
        diag("%s has a malloc of its own, in front of the recorder's: its blocks are not seen "
             "(heaptape memory tells how much memory that is)",
             own);
}

static int choose_preload(struct recording *r, const char *library,
                          const struct recording_options *options) {
    const char *others = getenv("LD_PRELOAD");
    char *why = NULL, *image = program_image(r->path, &why), *underneath = NULL;
    int status = EXIT_FINE;
    free(why);
    if (options->allocator != NULL) {
        underneath = find_allocator(image != NULL ? image : r->path, options->allocator);
        status = underneath != NULL ? EXIT_FINE : EXIT_FINDING;
    }
    if (others != NULL && others[0] != '\0')
        add(&underneath, others);
    struct startup_scope scope = {0};
    r->preload = xstrdup(library);
    if (status == EXIT_FINE) {
        if (image != NULL)
            startup_scope_read(&scope, image, underneath); /* if not, nothing is known of it */
        add_second_objects(r, library, &scope, options);
        startup_scope_free(&scope);
    }
    if (underneath != NULL)
        add(&r->preload, underneath);
    free(underneath);
    free(image);
    return status;
}

int recording_prepare(struct recording *r, char **argv, const struct recording_options *options) {
    *r = (struct recording){.argv = argv};
    int status = program_find(argv[0], &r->path);
    if (status != EXIT_FINE)
        return status;
    char *library = find_library();
    if (library == NULL)
        return EXIT_FINDING;
    status = choose_preload(r, library, options);
    free(library);
    if (status == EXIT_FINE && (r->directory = getcwd(NULL, 0)) == NULL) {
        diag("the working directory cannot be named: %s", strerror(errno));
        return EXIT_FINDING;
    }
    return status;
}

void recording_free(struct recording *r) {
    free(r->path);
    free(r->preload);
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
    setenv("LD_PRELOAD", s->recording->preload, 1);
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
