/* SPDX-License-Identifier: MIT */
#include "symbols.h"
#include "debug_file.h"
#include "demangle.h"
#include "functions.h"
#include "inlined_name.h"
#include "scopes.h"
#include "spans.h"
#include "symbol_cache.h"
#include "symbol_memo.h"
#include "symbol_texts.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define SYSTEM_DEBUG_DIRECTORY "/usr/lib/debug"
#define BUILD_ID_MAX           64 /* bytes */
#define PREPARE_THREADS        16

struct unit {
    struct span span;
    Dwarf_Die die;
};

struct module {
    char *path;
    uint8_t *build_id;
    size_t build_id_len;
    enum symbols_module_status status;
    bool opened;
    struct symbol_cache *cache; /* NULL: none */
    bool *written;              /* to be set when that was */
    bool queued;                /* symbols_prepare() has had it */
    struct symbol_memo *memo;   /* what symbols_prepare() found out; NULL: nothing */
    Dwfl *dwfl;
    Dwfl_Module *handle;
    struct functions *functions;
    Dwarf *dwarf;
    Dwarf_Addr dwarf_bias; /* debug file's addresses + this = ours */
    bool units_loaded;
    struct unit *units;
    size_t unit_count, unit_room;
    struct scopes *scopes; /* NULL: not yet asked for */
    char *other_build;     /* path of a debug file of another build */
};

struct symbols {
    Dwfl_Callbacks callbacks;
    char *cache;   /* directory; NULL: none is used */
    bool written;  /* something new is in it */
    char *search;  /* libdwfl's list of directories for debug files; NULL: its own */
    void *modules; /* tree of struct module */
    struct symbol_texts texts;
};

/* ---- names -------------------------------------------------------------------------------- */

static void name_function(const struct symbols *s, struct function *f, struct symbol *out) {
    if (f->readable == NULL) {
        f->readable = s->texts.demangle ? demangle(f->linkage) : NULL;
        if (f->readable == NULL)
            f->readable = strndup(f->linkage, demangle_unversioned(f->linkage));
    }
    out->linkage = f->linkage;
    out->function = f->readable != NULL ? f->readable : f->linkage;
}

/* ---- source lines ------------------------------------------------------------------------- */

static int unit_order(const void *a, const void *b) {
    const struct unit *u = a, *v = b;
    return spans_by_start(&u->span, &v->span);
}

static bool unit_add(struct module *m, Dwarf_Die *die, uint64_t start, uint64_t end) {
    if (m->unit_count == m->unit_room) {
        size_t room = 2 * m->unit_room + 64;
        struct unit *units = reallocarray(m->units, room, sizeof *units);
        if (units == NULL)
            return false;
        m->units = units;
        m->unit_room = room;
    }
    m->units[m->unit_count++] = (struct unit){.span = {.start = start, .end = end}, .die = *die};
    return true;
}

/* Asks every unit for its addresses. .debug_aranges, on which libdwfl's own search rests, covers
   only what gcc compiled: clang and rustc do not write it. A skeleton unit of split DWARF has both
   its addresses and its line table in this file. */
static void load_units(struct module *m) {
    m->units_loaded = true;
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(m->dwarf, unit, &unit, NULL, &type, &die, NULL) == 0) {
        Dwarf_Addr base, start, end;
        if (type == DW_UT_skeleton && m->cache != NULL)
            symbol_cache_forbid(m->cache);
        ptrdiff_t next = 0;
        while ((next = dwarf_ranges(&die, next, &base, &start, &end)) > 0)
            if (start < end && !unit_add(m, &die, start, end))
                break;
    }
    if (m->unit_count != 0)
        qsort(m->units, m->unit_count, sizeof *m->units, unit_order);
    spans_finish(m->units, sizeof *m->units, m->unit_count);
}

/* The unit whose code lies at an address of the debug information, and its line there. */
static struct unit *unit_at(struct module *m, uint64_t addr, Dwarf_Line **line) {
    if (m->dwarf == NULL)
        return NULL;
    if (!m->units_loaded)
        load_units(m);
    size_t n = spans_upto(m->units, sizeof *m->units, m->unit_count, addr);
    for (size_t i = n; i > 0 && m->units[i - 1].span.reach > addr; i--) {
        struct unit *unit = &m->units[i - 1];
        *line = unit->span.end > addr ? dwarf_getsrc_die(&unit->die, addr) : NULL;
        if (*line != NULL)
            return unit;
    }
    return NULL;
}

static void set_source(struct symbols *s, struct unit *unit, Dwarf_Line *line, struct symbol *out) {
    int number;
    out->file = symbol_texts_path(&s->texts, &unit->die, dwarf_linesrc(line, NULL, NULL));
    if (out->file != NULL && dwarf_lineno(line, &number) == 0 && number > 0)
        out->line = (unsigned)number;
}

/* ---- inlined functions -------------------------------------------------------------------- */

/* Where an inlined function is called. */
static void set_call_site(struct symbols *s, struct unit *unit, Dwarf_Die *inlined,
                          struct symbol *caller) {
    Dwarf_Attribute attribute;
    Dwarf_Word file, line;
    Dwarf_Files *files;
    Dwarf_Die whole;
    size_t count;
    caller->file = NULL;
    caller->line = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
        dwarf_cu_die(inlined->cu, &whole, NULL, NULL, NULL, NULL, NULL, NULL) == NULL ||
        dwarf_getsrcfiles(&whole, &files, &count) != 0 || file >= count)
        return;
    caller->file = symbol_texts_path(&s->texts, &unit->die, dwarf_filesrc(files, file, NULL, NULL));
    if (caller->file != NULL &&
        dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0)
        caller->line = (unsigned)line;
}

/* out[0] holds the function whose code it is, and the line. Puts the inlined ones before it. */
static size_t find_inlined(struct symbols *s, struct module *m, struct unit *unit, uint64_t addr,
                           struct symbol *out, size_t room) {
    Dwarf_Die chain[SYMBOLS_INLINED_MAX];
    if (m->scopes == NULL && (m->scopes = scopes_new()) == NULL)
        return 1;
    if (room > SYMBOLS_INLINED_MAX)
        room = SYMBOLS_INLINED_MAX;
    size_t count = scopes_at(m->scopes, &unit->die, addr, chain, room);
    if (count < 2)
        return 1;
    struct symbol physical = out[0];
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct symbol){.file = physical.file, .line = physical.line};
        if (i > 0)
            set_call_site(s, unit, &chain[i - 1], &out[i]);
        if (i + 1 < count)
            inlined_name(&s->texts, m->scopes, &chain[i], &out[i]);
    }
    out[count - 1].function = physical.function;
    out[count - 1].linkage = physical.linkage;
    return count;
}

/* ---- modules ------------------------------------------------------------------------------ */

/* A path that only looks like a file could be a FIFO or a device: opening must not block. */
static int open_file(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static Dwfl_Module *report_module(Dwfl *dwfl, const char *path) {
    int fd = open_file(path);
    if (fd < 0)
        return NULL;
    dwfl_report_begin(dwfl);
    /* Relative to the file's own first address, that is with no bias for any type of file. */
    Dwfl_Module *handle = dwfl_report_elf(dwfl, path, path, fd, 0, true);
    if (handle == NULL)
        close(fd);
    return dwfl_report_end(dwfl, NULL, NULL) == 0 ? handle : NULL;
}

static bool same_build(const struct module *m) {
    const unsigned char *id;
    GElf_Addr where;
    if (m->build_id_len == 0)
        return true;
    int n = dwfl_module_build_id(m->handle, &id, &where);
    return n > 0 && (size_t)n == m->build_id_len && memcmp(id, m->build_id, (size_t)n) == 0;
}

static bool is_virtual(const char *path) {
    return *path == '\0' || *path == '[' || strncmp(path, "linux-vdso", 10) == 0 ||
           strncmp(path, "linux-gate", 10) == 0;
}

static bool has_units(Dwarf *dwarf) {
    Dwarf_CU *unit = NULL;
    return dwarf != NULL && dwarf_get_units(dwarf, NULL, &unit, NULL, NULL, NULL, NULL) == 0;
}

/* Opens a file for the module; *elf is set when the result is MODULE_OK. */
static enum symbols_module_status open_as(struct symbols *s, struct module *m, const char *path,
                                          Elf **elf) {
    GElf_Addr bias;
    if (m->dwfl != NULL)
        dwfl_end(m->dwfl);
    m->handle = NULL;
    if ((m->dwfl = dwfl_begin(&s->callbacks)) == NULL ||
        (m->handle = report_module(m->dwfl, path)) == NULL ||
        (*elf = dwfl_module_getelf(m->handle, &bias)) == NULL)
        return MODULE_MISSING;
    return same_build(m) ? MODULE_OK : MODULE_REBUILT;
}

static const char *search_path(const struct symbols *s) {
    return s->search != NULL ? s->search : SYSTEM_DEBUG_DIRECTORY;
}

/* The recorded file's twin in a directory of debug files, by its build-id: itself, or what was
   stripped from it. False, and the module is as it was, where there is none. */
static bool open_by_build_id(struct symbols *s, struct module *m, const char *directory, size_t n,
                             Elf **elf) {
    char id[2 * BUILD_ID_MAX + 1], *path;
    if (m->build_id_len < 2 || m->build_id_len > BUILD_ID_MAX)
        return false;
    for (size_t i = 0; i < m->build_id_len; i++)
        sprintf(id + 2 * i, "%02x", m->build_id[i]);
    bool found = false;
    for (int debug = 0; debug <= 1 && !found; debug++) {
        if (asprintf(&path, "%.*s/.build-id/%.2s/%s%s", (int)n, directory, id, id + 2,
                     debug ? ".debug" : "") < 0)
            return false;
        found = access(path, R_OK) == 0 && open_as(s, m, path, elf) == MODULE_OK;
        free(path);
    }
    return found;
}

static bool open_twin(struct symbols *s, struct module *m, Elf **elf) {
    const char *p = search_path(s);
    for (size_t n; *p != '\0'; p += n + (p[n] == ':')) {
        n = strcspn(p, ":");
        if (*p == '/' && open_by_build_id(s, m, p, n, elf))
            return true;
    }
    return false;
}

static bool depend(void *context, const char *path) {
    symbol_cache_depend(context, path);
    return false;
}

/* Notes which files the names will be from, or would be if they were there. */
static void note_files(struct symbols *s, struct module *m, Elf *elf) {
    const char *main_file = NULL, *debug_file = NULL, *shared;
    const void *id;
    symbol_cache_depend(m->cache, m->path);
    debug_file_places(elf, m->path, search_path(s), depend, m->cache);
    dwfl_module_info(m->handle, NULL, NULL, NULL, NULL, NULL, &main_file, &debug_file);
    if (main_file != NULL)
        symbol_cache_depend(m->cache, main_file);
    if (debug_file != NULL)
        symbol_cache_depend(m->cache, debug_file);
    /* A file of parts that several debug files share: where it may lie is libdwfl's affair. */
    if (m->dwarf != NULL && dwelf_dwarf_gnu_debugaltlink(m->dwarf, &shared, &id) > 0 &&
        dwarf_getalt(m->dwarf) == NULL)
        symbol_cache_forbid(m->cache);
}

static enum symbols_module_status module_read(struct symbols *s, struct module *m) {
    Elf *elf = NULL;
    if (is_virtual(m->path))
        return MODULE_VIRTUAL;
    enum symbols_module_status status = open_as(s, m, m->path, &elf);
    if (status != MODULE_OK && !open_twin(s, m, &elf))
        return status;
    m->functions = functions_read(m->handle, elf);
    m->dwarf = dwfl_module_getdwarf(m->handle, &m->dwarf_bias);
    if (!has_units(m->dwarf))
        m->dwarf = NULL;
    if (m->dwarf == NULL)
        m->other_build = debug_file_of_another_build(elf, m->path, search_path(s));
    if (m->cache != NULL)
        note_files(s, m, elf);
    if (m->functions == NULL || !functions_named(m->functions))
        return MODULE_NO_SYMBOLS;
    return m->dwarf != NULL ? MODULE_OK : MODULE_NO_DEBUG;
}

/* Reads the module's file, once; until then what the cache knows is enough. */
static void module_open(struct symbols *s, struct module *m) {
    if (m->opened)
        return;
    m->opened = true;
    m->status = module_read(s, m);
    if (m->cache != NULL)
        symbol_cache_describe(m->cache, m->status, m->other_build);
}

static void module_free(void *opaque) {
    struct module *m = opaque;
    if (symbol_cache_close(m->cache)) /* while the texts are there */
        *m->written = true;
    symbol_memo_free(m->memo);
    functions_free(m->functions);
    free(m->units);
    scopes_free(m->scopes);
    if (m->dwfl != NULL)
        dwfl_end(m->dwfl);
    free(m->other_build);
    free(m->build_id);
    free(m->path);
    free(m);
}

static int module_order(const void *a, const void *b) {
    const struct module *m = a, *n = b;
    int order = strcmp(m->path, n->path);
    if (order == 0)
        order = (m->build_id_len > n->build_id_len) - (m->build_id_len < n->build_id_len);
    if (order == 0 && m->build_id_len != 0)
        order = memcmp(m->build_id, n->build_id, m->build_id_len);
    return order;
}

static struct module *module_new(const struct module *key) {
    struct module *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->path = strdup(key->path);
    m->build_id = malloc(key->build_id_len + 1);
    if (m->path == NULL || m->build_id == NULL) {
        module_free(m);
        return NULL;
    }
    if (key->build_id_len != 0)
        memcpy(m->build_id, key->build_id, key->build_id_len);
    m->build_id_len = key->build_id_len;
    return m;
}

/* The module, known to the symbolizer from now on, but perhaps not opened. */
static struct module *module_know(struct symbols *s, const char *path, const uint8_t *build_id,
                                  size_t build_id_len) {
    const struct module key = {.path = (char *)path,
                               .build_id = (uint8_t *)build_id,
                               .build_id_len = build_id_len};
    struct module **found = tfind(&key, &s->modules, module_order);
    if (found != NULL)
        return *found;
    struct module *m = module_new(&key);
    if (m == NULL)
        return NULL;
    if (tsearch(m, &s->modules, module_order) == NULL) {
        module_free(m);
        return NULL;
    }
    m->written = &s->written;
    if (s->cache != NULL && m->build_id_len != 0 && !is_virtual(m->path))
        m->cache =
            symbol_cache_open(s->cache, m->path, m->build_id, m->build_id_len, search_path(s));
    return m;
}

static bool cache_is_good(const struct module *m) {
    return m->cache != NULL && symbol_cache_good(m->cache);
}

static struct module *module_get(struct symbols *s, const char *path, const uint8_t *build_id,
                                 size_t build_id_len) {
    struct module *m = module_know(s, path, build_id, build_id_len);
    if (m != NULL && !cache_is_good(m))
        module_open(s, m);
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
    symbol_texts_init(&s->texts, demangle_names);
    s->callbacks = (Dwfl_Callbacks){.find_elf = dwfl_build_id_find_elf,
                                    .find_debuginfo = dwfl_standard_find_debuginfo};
    return s;
}

bool symbols_use_cache(struct symbols *s, const char *directory) {
    s->cache = strdup(directory);
    return s->cache != NULL;
}

/* Empty: beside the module; .debug: below its directory (elfutils, DEFAULT_DEBUGINFO_PATH). */
bool symbols_search(struct symbols *s, const char *directories) {
    free(s->search);
    if (asprintf(&s->search, ":.debug:%s:%s", directories, SYSTEM_DEBUG_DIRECTORY) < 0)
        s->search = NULL;
    s->callbacks.debuginfo_path = s->search != NULL ? &s->search : NULL;
    return s->search != NULL;
}

void symbols_free(struct symbols *s) {
    if (s == NULL)
        return;
    tdestroy(s->modules, module_free);
    symbol_texts_clear(&s->texts);
    if (s->written)
        symbol_cache_trim(s->cache, SYMBOL_CACHE_BYTES_MAX);
    free(s->cache);
    free(s->search);
    free(s);
}

static size_t read_frames(struct symbols *s, struct module *m, uint64_t vaddr, struct symbol *out,
                          size_t room) {
    *out = (struct symbol){0};
    module_open(s, m);
    if (m->functions == NULL || !functions_hold(m->functions, vaddr))
        return 0;
    struct function *f = functions_at(m->functions, vaddr);
    if (f != NULL)
        name_function(s, f, out);
    uint64_t addr = vaddr - m->dwarf_bias;
    Dwarf_Line *line;
    struct unit *unit = unit_at(m, addr, &line);
    if (unit == NULL)
        return out->function != NULL;
    set_source(s, unit, line, out);
    return room > 1 ? find_inlined(s, m, unit, addr, out, room) : 1;
}

size_t symbols_frames(struct symbols *s, const char *path, const uint8_t *build_id,
                      size_t build_id_len, uint64_t vaddr, struct symbol *out, size_t room) {
    size_t count;
    *out = (struct symbol){0};
    struct module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return 0;
    if (room < SYMBOLS_INLINED_MAX)
        return read_frames(s, m, vaddr, out, room);
    if (cache_is_good(m) && symbol_cache_find(m->cache, vaddr, out, &count))
        return count;
    if (m->memo == NULL || !symbol_memo_find(m->memo, vaddr, out, &count))
        count = read_frames(s, m, vaddr, out, room);
    if (m->cache != NULL)
        symbol_cache_add(m->cache, vaddr, out, count);
    return count;
}

/* ---- ahead -------------------------------------------------------------------------------- */

/* A module whose file must be read. */
struct job {
    const struct symbols_wanted *wanted;
    struct module *module;
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
    struct module *m = j->module;
    size_t count;
    struct symbol_memo *memo = symbol_memo_new(j->wanted->count);
    if (memo == NULL)
        return;
    for (size_t i = 0; i < j->wanted->count; i++) {
        uint64_t vaddr = j->wanted->vaddr[i];
        if (cache_is_good(m) && symbol_cache_find(m->cache, vaddr, symbol, &count))
            continue;
        count = read_frames(s, m, vaddr, symbol, SYMBOLS_INLINED_MAX);
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

static bool is_known(const struct symbols_wanted *w, const struct module *m) {
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
        struct module *m = module_know(s, w->path, w->build_id, w->build_id_len);
        struct stat st;
        if (m == NULL || m->opened || m->queued || is_virtual(w->path) || is_known(w, m) ||
            stat(w->path, &st) != 0)
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

/* Index of the first of the ascending addresses that is not below `least`. */
static size_t first_from(const uint64_t *vaddr, size_t count, uint64_t least) {
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if (vaddr[mid] < least)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

void symbols_variables(struct symbols *s, const char *path, const uint8_t *build_id,
                       size_t build_id_len, size_t count, const uint64_t *vaddr,
                       struct symbols_variable *out) {
    struct module *m = module_get(s, path, build_id, build_id_len);
    if (m != NULL)
        module_open(s, m);
    int n = m != NULL && m->status != MODULE_REBUILT && m->handle != NULL
                ? dwfl_module_getsymtab(m->handle)
                : 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct symbols_variable){0};
    for (int i = 0; i < n; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        GElf_Word section;
        const char *name =
            dwfl_module_getsym_info(m->handle, i, &symbol, &start, &section, NULL, NULL);
        if (name == NULL || *name == '\0' || GELF_ST_TYPE(symbol.st_info) != STT_OBJECT ||
            section == SHN_UNDEF)
            continue;
        unsigned rank = functions_rank(&symbol, name);
        for (size_t k = first_from(vaddr, count, start);
             k < count && vaddr[k] - start < symbol.st_size; k++)
            if (out[k].name == NULL || rank > out[k].rank)
                out[k] = (struct symbols_variable){name, vaddr[k] - start, rank};
    }
    for (size_t i = 0; i < count; i++)
        if (out[i].name != NULL)
            out[i].name = symbol_texts_name(&s->texts, out[i].name);
}

enum symbols_module_status symbols_module_status(struct symbols *s, const char *path,
                                                 const uint8_t *build_id, size_t build_id_len) {
    const struct module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return MODULE_MISSING;
    return m->opened ? m->status : symbol_cache_status(m->cache);
}

struct symbols_debug symbols_module_debug(struct symbols *s, const char *path,
                                          const uint8_t *build_id, size_t build_id_len) {
    const struct module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL)
        return (struct symbols_debug){0};
    if (!m->opened)
        return (struct symbols_debug){.other_build = symbol_cache_other_build(m->cache)};
    return (struct symbols_debug){.other_build = m->other_build,
                                  .lacks_split = m->scopes != NULL && scopes_lack_split(m->scopes)};
}
