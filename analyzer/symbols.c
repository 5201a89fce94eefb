/* SPDX-License-Identifier: MIT */
#include "symbols.h"
#include "scopes.h"
#include "symbol_cache.h"
#include "symbol_memo.h"
#include "symbol_module.h"

#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define PREPARE_THREADS 16

struct symbols {
    struct symbol_source source;
    char *cache;   /* directory; NULL: none is used */
    bool written;  /* something new is in it */
    void *modules; /* tree of struct symbol_module */
};

/* ---- modules ------------------------------------------------------------------------------ */

/* The module, known to the symbolizer from now on, but perhaps not opened. */
static struct symbol_module *module_know(struct symbols *s, const char *path,
                                         const uint8_t *build_id, size_t build_id_len) {
    const struct symbol_module key = {.path = (char *)path,
                                      .build_id = (uint8_t *)build_id,
                                      .build_id_len = build_id_len};
    struct symbol_module **found = tfind(&key, &s->modules, symbol_module_order);
    if (found != NULL)
        return *found;
    struct symbol_module *m = symbol_module_new(&key);
    if (m == NULL)
        return NULL;
    if (tsearch(m, &s->modules, symbol_module_order) == NULL) {
        symbol_module_free(m);
        return NULL;
    }
    m->written = &s->written;
    if (s->cache != NULL && m->build_id_len != 0 && !symbol_module_is_virtual(m->path))
        m->cache = symbol_cache_open(s->cache, m->path, m->build_id, m->build_id_len,
                                     symbol_source_path(&s->source));
    return m;
}

static bool cache_is_good(const struct symbol_module *m) {
    return m->cache != NULL && symbol_cache_good(m->cache);
}

static struct symbol_module *module_get(struct symbols *s, const char *path,
                                        const uint8_t *build_id, size_t build_id_len) {
    struct symbol_module *m = module_know(s, path, build_id, build_id_len);
    if (m != NULL && !cache_is_good(m))
        symbol_module_open(&s->source, m);
    return m;
}

/* ---- the interface ------------------------------------------------------------------------ */

static bool debuginfod_allowed;

void symbols_allow_debuginfod(void) {
    debuginfod_allowed = true;
}

struct symbols *symbols_new(bool demangle_names) {
    if (!debuginfod_allowed)
        unsetenv("DEBUGINFOD_URLS");
    struct symbols *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    symbol_texts_init(&s->source.texts, demangle_names);
    s->source.callbacks = (Dwfl_Callbacks){.find_elf = dwfl_build_id_find_elf,
                                           .find_debuginfo = dwfl_standard_find_debuginfo};
    return s;
}

bool symbols_use_cache(struct symbols *s, const char *directory) {
    s->cache = strdup(directory);
    return s->cache != NULL;
}

/* Empty: beside the module; .debug: below its directory (elfutils, DEFAULT_DEBUGINFO_PATH). */
bool symbols_search(struct symbols *s, const char *directories) {
    free(s->source.search);
    if (asprintf(&s->source.search, ":.debug:%s:%s", directories, SYMBOLS_SYSTEM_DIRECTORY) < 0)
        s->source.search = NULL;
    s->source.callbacks.debuginfo_path = s->source.search != NULL ? &s->source.search : NULL;
    return s->source.search != NULL;
}

void symbols_free(struct symbols *s) {
    if (s == NULL)
        return;
    tdestroy(s->modules, symbol_module_free);
    symbol_texts_clear(&s->source.texts);
    if (s->written)
        symbol_cache_trim(s->cache, SYMBOL_CACHE_BYTES_MAX);
    free(s->cache);
    free(s->source.search);
    free(s);
}

size_t symbols_frames(struct symbols *s, const char *path, const uint8_t *build_id,
                      size_t build_id_len, uint64_t vaddr, struct symbol *out, size_t room) {
    size_t count;
    *out = (struct symbol){0};
    struct symbol_module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return 0;
    if (room < SYMBOLS_INLINED_MAX)
        return symbol_module_frames(&s->source, m, vaddr, out, room);
    if (cache_is_good(m) && symbol_cache_find(m->cache, vaddr, out, &count))
        return count;
    if (m->memo == NULL || !symbol_memo_find(m->memo, vaddr, out, &count))
        count = symbol_module_frames(&s->source, m, vaddr, out, room);
    if (m->cache != NULL)
        symbol_cache_add(m->cache, vaddr, out, count);
    return count;
}

/* ---- ahead -------------------------------------------------------------------------------- */

/* A module whose file must be read. */
struct job {
    const struct symbols_wanted *wanted;
    struct symbol_module *module;
    off_t size; /* of the file */
};

struct jobs {
    struct symbols *symbols;
    struct job *job;
    size_t count;
    atomic_size_t next;
};

static void do_job(struct symbols *s, const struct job *j) {
    struct symbol symbol[SYMBOLS_INLINED_MAX];
    struct symbol_module *m = j->module;
    size_t count;
    struct symbol_memo *memo = symbol_memo_new(j->wanted->count);
    if (memo == NULL)
        return;
    for (size_t i = 0; i < j->wanted->count; i++) {
        uint64_t vaddr = j->wanted->vaddr[i];
        if (cache_is_good(m) && symbol_cache_find(m->cache, vaddr, symbol, &count))
            continue;
        count = symbol_module_frames(&s->source, m, vaddr, symbol, SYMBOLS_INLINED_MAX);
        if (!symbol_memo_add(memo, vaddr, symbol, count))
            break;
    }
    m->memo = memo;
}

/* One of the threads: a module is one thread's, with its file, debug information and cache. */
static void *do_jobs(void *context) {
    struct jobs *jobs = context;
    for (size_t i; (i = atomic_fetch_add(&jobs->next, 1)) < jobs->count;)
        do_job(jobs->symbols, &jobs->job[i]);
    return NULL;
}

static bool is_known(const struct symbols_wanted *w, const struct symbol_module *m) {
    struct symbol symbol[SYMBOLS_INLINED_MAX];
    size_t count;
    if (!cache_is_good(m))
        return false;
    for (size_t i = 0; i < w->count; i++)
        if (!symbol_cache_find(m->cache, w->vaddr[i], symbol, &count))
            return false;
    return true;
}

static int largest_first(const void *a, const void *b) {
    const struct job *j = a, *k = b;
    return (j->size < k->size) - (j->size > k->size);
}

/* Of what libelf and libdw keep, modules share the version number alone, which each opening sets to
 * the same (helgrind finds nothing else). */
static void run_jobs(struct jobs *jobs) {
    pthread_t thread[PREPARE_THREADS];
    int cores = get_nprocs();
    size_t threads = 0, most = cores < PREPARE_THREADS ? (size_t)cores : PREPARE_THREADS;
    qsort(jobs->job, jobs->count, sizeof *jobs->job, largest_first);
    while (threads + 1 < most && threads + 1 < jobs->count &&
           pthread_create(&thread[threads], NULL, do_jobs, jobs) == 0)
        threads++;
    do_jobs(jobs);
    while (threads-- > 0)
        pthread_join(thread[threads], NULL);
}

void symbols_prepare(struct symbols *s, const struct symbols_wanted *wanted, size_t count) {
    struct jobs jobs = {.symbols = s, .job = calloc(count, sizeof *jobs.job)};
    if (debuginfod_allowed || jobs.job == NULL) { /* what asks servers is not ours to run twice */
        free(jobs.job);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct symbols_wanted *w = &wanted[i];
        struct symbol_module *m = module_know(s, w->path, w->build_id, w->build_id_len);
        struct stat st;
        if (m == NULL || m->opened || m->queued || symbol_module_is_virtual(w->path) ||
            is_known(w, m) || stat(w->path, &st) != 0)
            continue;
        m->queued = true;
        jobs.job[jobs.count++] = (struct job){w, m, st.st_size};
    }
    if (jobs.count > 1)
        run_jobs(&jobs);
    free(jobs.job);
}

bool symbols_lookup(struct symbols *s, const char *path, const uint8_t *build_id,
                    size_t build_id_len, uint64_t vaddr, struct symbol *out) {
    return symbols_frames(s, path, build_id, build_id_len, vaddr, out, 1) != 0;
}

void symbols_variables(struct symbols *s, const char *path, const uint8_t *build_id,
                       size_t build_id_len, size_t count, const uint64_t *vaddr,
                       struct symbols_variable *out) {
    for (size_t i = 0; i < count; i++)
        out[i] = (struct symbols_variable){0};
    struct symbol_module *m = module_get(s, path, build_id, build_id_len);
    if (m != NULL)
        symbol_module_variables(&s->source, m, count, vaddr, out);
}

enum symbols_module_status symbols_module_status(struct symbols *s, const char *path,
                                                 const uint8_t *build_id, size_t build_id_len) {
    const struct symbol_module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return MODULE_MISSING;
    return m->opened ? m->status : symbol_cache_status(m->cache);
}

struct symbols_debug symbols_module_debug(struct symbols *s, const char *path,
                                          const uint8_t *build_id, size_t build_id_len) {
    const struct symbol_module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return (struct symbols_debug){0};
    if (!m->opened)
        return (struct symbols_debug){.other_build = symbol_cache_other_build(m->cache)};
    return (struct symbols_debug){.other_build = m->other_build,
                                  .lacks_split = m->scopes != NULL && scopes_lack_split(m->scopes)};
}
