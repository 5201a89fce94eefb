/* SPDX-License-Identifier: MIT */
#include "symbols.h"
#include "demangle.h"
#include "scopes.h"
#include "spans.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    struct span span;
    const char *linkage; /* the ELF file's own string */
    char *readable;      /* made when first asked for */
    unsigned rank;       /* among names of one address, the higher is the better to show */
};

struct unit {
    struct span span;
    Dwarf_Die die;
};

struct module {
    char *path;
    uint8_t *build_id;
    size_t build_id_len;
    enum symbols_module_status status;
    Dwfl *dwfl;
    Dwfl_Module *handle;
    struct span *code; /* executable sections, few */
    size_t code_count;
    struct function *functions;
    size_t function_count;
    Dwarf *dwarf;
    Dwarf_Addr dwarf_bias; /* debug file's addresses + this = ours */
    bool units_loaded;
    struct unit *units;
    size_t unit_count, unit_room;
    struct scopes *scopes; /* NULL: not yet asked for */
};

struct symbols {
    bool demangle;
    void *modules; /* tree of struct module */
    void *texts;   /* tree of source paths and readable names made here */
};

/* ---- executable sections ------------------------------------------------------------------ */

static const struct span *code_at(const struct module *m, uint64_t addr) {
    for (size_t i = 0; i < m->code_count; i++)
        if (addr >= m->code[i].start && addr < m->code[i].end)
            return &m->code[i];
    return NULL;
}

static void code_add(struct module *m, uint64_t start, uint64_t size) {
    if (size != 0 && size <= UINT64_MAX - start)
        m->code[m->code_count++] = (struct span){.start = start, .end = start + size};
}

static void load_code(struct module *m, Elf *elf) {
    size_t sections = 0, segments = 0;
    elf_getshdrnum(elf, &sections);
    elf_getphdrnum(elf, &segments);
    m->code = calloc(sections + segments + 1, sizeof *m->code);
    if (m->code == NULL)
        return;
    GElf_Shdr section;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s)) != NULL;)
        if (gelf_getshdr(s, &section) != NULL && (section.sh_flags & SHF_ALLOC) &&
            (section.sh_flags & SHF_EXECINSTR))
            code_add(m, section.sh_addr, section.sh_size);
    if (m->code_count != 0)
        return;
    GElf_Phdr segment; /* section headers can be stripped away */
    for (size_t i = 0; i < segments; i++)
        if (gelf_getphdr(elf, (int)i, &segment) != NULL && segment.p_type == PT_LOAD &&
            (segment.p_flags & PF_X))
            code_add(m, segment.p_vaddr, segment.p_memsz);
}

/* ---- functions ---------------------------------------------------------------------------- */

static int function_order(const void *a, const void *b) {
    const struct function *f = a, *g = b;
    int order = spans_by_start(&f->span, &g->span);
    if (order == 0)
        order = (f->rank > g->rank) - (f->rank < g->rank);
    if (order == 0) /* the rest only makes the choice independent of the table's order */
        order = strcmp(g->linkage, f->linkage);
    return order;
}

static unsigned rank_of(const GElf_Sym *symbol, const char *name) {
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    size_t underscores = strspn(name, "_");
    size_t length = strlen(name);
    unsigned rank = symbol->st_size != 0;
    rank = rank << 1 | (binding != STB_LOCAL);
    rank = rank << 8 | (255 - (unsigned)(underscores < 255 ? underscores : 255));
    rank = rank << 1 | (binding != STB_WEAK);
    return rank << 16 | (65535 - (unsigned)(length < 65535 ? length : 65535));
}

static void function_add(struct module *m, const GElf_Sym *symbol, uint64_t start,
                         GElf_Word section, const char *name) {
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
        return;
    /* '$' begins the mapping symbols of ARM and RISC-V, which name no function. */
    if (section == SHN_UNDEF || section == SHN_ABS || section == SHN_COMMON || *name == '\0' ||
        (type == STT_NOTYPE && *name == '$'))
        return;
    const struct span *code = code_at(m, start);
    if (code == NULL)
        return;
    uint64_t room = code->end - start;
    m->functions[m->function_count++] = (struct function){
        .span = {.start = start, .end = start + (symbol->st_size < room ? symbol->st_size : room)},
        .linkage = name,
        .rank = rank_of(symbol, name),
    };
}

/* libdwfl's own search reads the whole symbol table for every address. */
static void load_functions(struct module *m) {
    int n = dwfl_module_getsymtab(m->handle);
    if (n <= 0 || (m->functions = calloc((size_t)n, sizeof *m->functions)) == NULL)
        return;
    for (int i = 0; i < n; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        GElf_Word section;
        const char *name =
            dwfl_module_getsym_info(m->handle, i, &symbol, &start, &section, NULL, NULL);
        if (name != NULL)
            function_add(m, &symbol, start, section, name);
    }
    qsort(m->functions, m->function_count, sizeof *m->functions, function_order);
    spans_finish(m->functions, sizeof *m->functions, m->function_count);
}

/* Where the .eh_frame entry that covers addr begins; 0 when there is none. */
static uint64_t frame_start(struct module *m, uint64_t addr) {
    Dwarf_Addr bias, start, end;
    Dwarf_Frame *frame;
    bool return_address_follows;
    Dwarf_CFI *cfi = dwfl_module_eh_cfi(m->handle, &bias);
    if (cfi == NULL || dwarf_cfi_addrframe(cfi, addr - bias, &frame) != 0)
        return 0;
    if (dwarf_frame_info(frame, &start, &end, &return_address_follows) < 0)
        start = 0;
    free(frame);
    return start;
}

/* `f` is the last symbol that begins at or below addr. A reach above its start says that it has a
   size, or lies inside a function that has, and then it names nothing beyond. */
static bool label_covers(struct module *m, const struct function *f, uint64_t addr) {
    return f->span.reach <= f->span.start && code_at(m, f->span.start) == code_at(m, addr) &&
           frame_start(m, f->span.start) == frame_start(m, addr);
}

static struct function *function_at(struct module *m, uint64_t addr) {
    size_t n = spans_upto(m->functions, sizeof *m->functions, m->function_count, addr);
    for (size_t i = n; i > 0 && m->functions[i - 1].span.reach > addr; i--)
        if (m->functions[i - 1].span.end > addr)
            return &m->functions[i - 1];
    return n > 0 && label_covers(m, &m->functions[n - 1], addr) ? &m->functions[n - 1] : NULL;
}

static void name_function(const struct symbols *s, struct function *f, struct symbol *out) {
    if (f->readable == NULL) {
        f->readable = s->demangle ? demangle(f->linkage) : NULL;
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
    while (dwarf_get_units(m->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Addr base, start, end;
        ptrdiff_t next = 0;
        while ((next = dwarf_ranges(&die, next, &base, &start, &end)) > 0)
            if (start < end && !unit_add(m, &die, start, end))
                break;
    }
    if (m->unit_count != 0)
        qsort(m->units, m->unit_count, sizeof *m->units, unit_order);
    spans_finish(m->units, sizeof *m->units, m->unit_count);
}

static int path_order(const void *a, const void *b) {
    return strcmp(a, b);
}

/* A readable name that is kept with the paths: it lives as long. */
static const char *keep_name(struct symbols *s, const char *linkage) {
    char *readable = s->demangle ? demangle(linkage) : NULL;
    if (readable == NULL)
        readable = strndup(linkage, demangle_unversioned(linkage));
    char **kept = readable != NULL ? tsearch(readable, &s->texts, path_order) : NULL;
    if (kept == NULL || *kept != readable)
        free(readable);
    return kept != NULL ? *kept : linkage;
}

/* The path as it is if absolute, else put together with the unit's directory and kept in `texts`.
 */
static const char *source_path(struct symbols *s, Dwarf_Die *unit, const char *path) {
    Dwarf_Attribute attribute;
    const char *directory;
    if (path == NULL || path[0] == '/')
        return path;
    if (strcmp(path, "???") == 0) /* libdw's word for a file missing from the line table */
        return NULL;
    directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    if (directory == NULL)
        return path;
    char *joined;
    if (asprintf(&joined, "%s/%s", directory, path) < 0)
        return path;
    char **kept = tsearch(joined, &s->texts, path_order);
    if (kept == NULL || *kept != joined)
        free(joined);
    return kept != NULL ? *kept : path;
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
    out->file = source_path(s, &unit->die, dwarf_linesrc(line, NULL, NULL));
    if (out->file != NULL && dwarf_lineno(line, &number) == 0 && number > 0)
        out->line = (unsigned)number;
}

/* ---- inlined functions -------------------------------------------------------------------- */

/* The name of a function that has no code of its own, hence no symbol. */
static void name_inlined(struct symbols *s, Dwarf_Die *die, struct symbol *out) {
    Dwarf_Attribute attribute;
    const char *linkage =
        dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    if (linkage == NULL)
        linkage = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
    out->linkage = linkage;
    out->plain = dwarf_diename(die);
    out->function = linkage != NULL ? keep_name(s, linkage) : out->plain;
    if (out->linkage == NULL)
        out->linkage = out->function;
}

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
    caller->file = source_path(s, &unit->die, dwarf_filesrc(files, file, NULL, NULL));
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
            name_inlined(s, &chain[i], &out[i]);
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

static enum symbols_module_status module_open(struct module *m) {
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo};
    GElf_Addr bias;
    Elf *elf;
    if (is_virtual(m->path))
        return MODULE_VIRTUAL;
    if ((m->dwfl = dwfl_begin(&callbacks)) == NULL ||
        (m->handle = report_module(m->dwfl, m->path)) == NULL ||
        (elf = dwfl_module_getelf(m->handle, &bias)) == NULL)
        return MODULE_MISSING;
    if (!same_build(m))
        return MODULE_REBUILT;
    load_code(m, elf);
    load_functions(m);
    m->dwarf = dwfl_module_getdwarf(m->handle, &m->dwarf_bias);
    if (!has_units(m->dwarf))
        m->dwarf = NULL;
    if (m->function_count == 0)
        return MODULE_NO_SYMBOLS;
    return m->dwarf != NULL ? MODULE_OK : MODULE_NO_DEBUG;
}

static void module_free(void *opaque) {
    struct module *m = opaque;
    for (size_t i = 0; i < m->function_count; i++)
        free(m->functions[i].readable);
    free(m->functions);
    free(m->code);
    free(m->units);
    scopes_free(m->scopes);
    if (m->dwfl != NULL)
        dwfl_end(m->dwfl);
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

static struct module *module_get(struct symbols *s, const char *path, const uint8_t *build_id,
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
    m->status = module_open(m);
    return m;
}

/* ---- the interface ------------------------------------------------------------------------ */

struct symbols *symbols_new(bool demangle_names) {
    unsetenv("DEBUGINFOD_URLS");
    struct symbols *s = calloc(1, sizeof *s);
    if (s != NULL)
        s->demangle = demangle_names;
    return s;
}

void symbols_free(struct symbols *s) {
    if (s == NULL)
        return;
    tdestroy(s->modules, module_free);
    tdestroy(s->texts, free);
    free(s);
}

size_t symbols_frames(struct symbols *s, const char *path, const uint8_t *build_id,
                      size_t build_id_len, uint64_t vaddr, struct symbol *out, size_t room) {
    *out = (struct symbol){0};
    struct module *m = module_get(s, path, build_id, build_id_len);
    if (m == NULL || code_at(m, vaddr) == NULL)
        return 0;
    struct function *f = function_at(m, vaddr);
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
    const struct module *m = module_get(s, path, build_id, build_id_len);
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
        unsigned rank = rank_of(&symbol, name);
        for (size_t k = first_from(vaddr, count, start);
             k < count && vaddr[k] - start < symbol.st_size; k++)
            if (out[k].name == NULL || rank > out[k].rank)
                out[k] = (struct symbols_variable){name, vaddr[k] - start, rank};
    }
    for (size_t i = 0; i < count; i++)
        if (out[i].name != NULL)
            out[i].name = keep_name(s, out[i].name);
}

enum symbols_module_status symbols_module_status(struct symbols *s, const char *path,
                                                 const uint8_t *build_id, size_t build_id_len) {
    const struct module *m = module_get(s, path, build_id, build_id_len);
    return m != NULL ? m->status : MODULE_MISSING;
}
