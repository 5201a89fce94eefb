/* SPDX-License-Identifier: MIT */
#include "symbol_module.h"
#include "debug_file.h"
#include "demangle.h"
#include "functions.h"
#include "inlined_name.h"
#include "scopes.h"
#include "spans.h"
#include "symbol_memo.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID_MAX 64 /* bytes */

struct symbol_unit {
    struct span span;
    Dwarf_Die die;
};

/* ---- names -------------------------------------------------------------------------------- */

static void name_function(const struct symbol_source *s, struct function *f, struct symbol *out) {
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
    const struct symbol_unit *u = a, *v = b;
    return spans_by_start(&u->span, &v->span);
}

static bool unit_add(struct symbol_module *m, Dwarf_Die *die, uint64_t start, uint64_t end) {
    if (m->unit_count == m->unit_room) {
        size_t room = 2 * m->unit_room + 64;
        struct symbol_unit *units = reallocarray(m->units, room, sizeof *units);
        if (units == NULL)
            return false;
        m->units = units;
        m->unit_room = room;
    }
    m->units[m->unit_count++] =
        (struct symbol_unit){.span = {.start = start, .end = end}, .die = *die};
    return true;
}

/* Asks every unit for its addresses. .debug_aranges, on which libdwfl's own search rests, covers
   only what gcc compiled: clang and rustc do not write it. A skeleton unit of split DWARF has both
   its addresses and its line table in this file. */
static void load_units(struct symbol_module *m) {
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
static struct symbol_unit *unit_at(struct symbol_module *m, uint64_t addr, Dwarf_Line **line) {
    if (m->dwarf == NULL)
        return NULL;
    if (!m->units_loaded)
        load_units(m);
    size_t n = spans_upto(m->units, sizeof *m->units, m->unit_count, addr);
    for (size_t i = n; i > 0 && m->units[i - 1].span.reach > addr; i--) {
        struct symbol_unit *unit = &m->units[i - 1];
        *line = unit->span.end > addr ? dwarf_getsrc_die(&unit->die, addr) : NULL;
        if (*line != NULL)
            return unit;
    }
    return NULL;
}

static void set_source(struct symbol_source *s, struct symbol_unit *unit, Dwarf_Line *line,
                       struct symbol *out) {
    int number;
    out->file = symbol_texts_path(&s->texts, &unit->die, dwarf_linesrc(line, NULL, NULL));
    if (out->file != NULL && dwarf_lineno(line, &number) == 0 && number > 0)
        out->line = (unsigned)number;
}

/* ---- inlined functions -------------------------------------------------------------------- */

/* Where an inlined function is called. */
static void set_call_site(struct symbol_source *s, struct symbol_unit *unit, Dwarf_Die *inlined,
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
static size_t find_inlined(struct symbol_source *s, struct symbol_module *m,
                           struct symbol_unit *unit, uint64_t addr, struct symbol *out,
                           size_t room) {
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

static bool same_build(const struct symbol_module *m) {
    const unsigned char *id;
    GElf_Addr where;
    if (m->build_id_len == 0)
        return true;
    int n = dwfl_module_build_id(m->handle, &id, &where);
    return n > 0 && (size_t)n == m->build_id_len && memcmp(id, m->build_id, (size_t)n) == 0;
}

bool symbol_module_is_virtual(const char *path) {
    return *path == '\0' || *path == '[' || strncmp(path, "linux-vdso", 10) == 0 ||
           strncmp(path, "linux-gate", 10) == 0;
}

static bool has_units(Dwarf *dwarf) {
    Dwarf_CU *unit = NULL;
    return dwarf != NULL && dwarf_get_units(dwarf, NULL, &unit, NULL, NULL, NULL, NULL) == 0;
}

/* Opens a file for the module; *elf is set when the result is MODULE_OK. */
static enum symbols_module_status open_as(struct symbol_source *s, struct symbol_module *m,
                                          const char *path, Elf **elf) {
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

const char *symbol_source_path(const struct symbol_source *s) {
    return s->search != NULL ? s->search : SYMBOLS_SYSTEM_DIRECTORY;
}

/* The recorded file's twin in a directory of debug files, by its build-id: itself, or what was
   stripped from it. False, and the module is as it was, where there is none. */
static bool open_by_build_id(struct symbol_source *s, struct symbol_module *m,
                             const char *directory, size_t n, Elf **elf) {
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

static bool open_twin(struct symbol_source *s, struct symbol_module *m, Elf **elf) {
    const char *p = symbol_source_path(s);
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
static void note_files(struct symbol_source *s, struct symbol_module *m, Elf *elf) {
    const char *main_file = NULL, *debug_file = NULL, *shared;
    const void *id;
    symbol_cache_depend(m->cache, m->path);
    debug_file_places(elf, m->path, symbol_source_path(s), depend, m->cache);
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

static enum symbols_module_status module_read(struct symbol_source *s, struct symbol_module *m) {
    Elf *elf = NULL;
    if (symbol_module_is_virtual(m->path))
        return MODULE_VIRTUAL;
    enum symbols_module_status status = open_as(s, m, m->path, &elf);
    if (status != MODULE_OK && !open_twin(s, m, &elf))
        return status;
    m->functions = functions_read(m->handle, elf);
    m->dwarf = dwfl_module_getdwarf(m->handle, &m->dwarf_bias);
    if (!has_units(m->dwarf))
        m->dwarf = NULL;
    if (m->dwarf == NULL)
        m->other_build = debug_file_of_another_build(elf, m->path, symbol_source_path(s));
    if (m->cache != NULL)
        note_files(s, m, elf);
    if (m->functions == NULL || !functions_named(m->functions))
        return MODULE_NO_SYMBOLS;
    return m->dwarf != NULL ? MODULE_OK : MODULE_NO_DEBUG;
}

void symbol_module_open(struct symbol_source *s, struct symbol_module *m) {
    if (m->opened)
        return;
    m->opened = true;
    m->status = module_read(s, m);
    if (m->cache != NULL)
        symbol_cache_describe(m->cache, m->status, m->other_build);
}

void symbol_module_free(void *opaque) {
    struct symbol_module *m = opaque;
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

int symbol_module_order(const void *a, const void *b) {
    const struct symbol_module *m = a, *n = b;
    int order = strcmp(m->path, n->path);
    if (order == 0)
        order = (m->build_id_len > n->build_id_len) - (m->build_id_len < n->build_id_len);
    if (order == 0 && m->build_id_len != 0)
        order = memcmp(m->build_id, n->build_id, m->build_id_len);
    return order;
}

struct symbol_module *symbol_module_new(const struct symbol_module *key) {
    struct symbol_module *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->path = strdup(key->path);
    m->build_id = malloc(key->build_id_len + 1);
    if (m->path == NULL || m->build_id == NULL) {
        symbol_module_free(m);
        return NULL;
    }
    if (key->build_id_len != 0)
        memcpy(m->build_id, key->build_id, key->build_id_len);
    m->build_id_len = key->build_id_len;
    return m;
}

size_t symbol_module_frames(struct symbol_source *s, struct symbol_module *m, uint64_t vaddr,
                            struct symbol *out, size_t room) {
    *out = (struct symbol){0};
    symbol_module_open(s, m);
    if (m->functions == NULL || !functions_hold(m->functions, vaddr))
        return 0;
    struct function *f = functions_at(m->functions, vaddr);
    if (f != NULL)
        name_function(s, f, out);
    uint64_t addr = vaddr - m->dwarf_bias;
    Dwarf_Line *line;
    struct symbol_unit *unit = unit_at(m, addr, &line);
    if (unit == NULL)
        return out->function != NULL;
    set_source(s, unit, line, out);
    return room > 1 ? find_inlined(s, m, unit, addr, out, room) : 1;
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

void symbol_module_variables(struct symbol_source *s, struct symbol_module *m, size_t count,
                             const uint64_t *vaddr, struct symbols_variable *out) {
    symbol_module_open(s, m);
    int n = m->status != MODULE_REBUILT && m->handle != NULL ? dwfl_module_getsymtab(m->handle) : 0;
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
