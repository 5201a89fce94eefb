/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "diag.h"
#include "embedded.h"
#include "naming.h"
#include "python.h"

/* The names of a frame, outermost first. */
struct frame_names {
    uint32_t first, count; /* in the list; count 0: not yet asked for */
};

struct names {
    struct stacks *stacks;
    struct symbols *symbols; /* NULL when the lookup is the caller's */
    names_lookup *lookup;
    void *context;
    const struct folding *folding;
    bool calls_apart;
    struct jit_map *jit;
    const struct runtime_code *code; /* NULL: none */
    struct frame_names *of_frame;    /* by frame */
    uint32_t frame_room;
    uint32_t *list; /* of names, for frames */
    uint32_t listed, list_room;
    struct stacks *places; /* their frames' addresses are `place_key` */
    uint32_t *of_stack;    /* by stack: its innermost place + 1; 0: not yet asked for */
    uint32_t stack_room;
    struct name *name;
    uint32_t count, room;
    uint32_t *slot; /* open addressing over names: name + 1; a power of two, half full at most */
    uint32_t slots;
};

/* ---- printable text ----------------------------------------------------------------------- */

/* Length of the well-formed, printable UTF-8 sequence at p, 0 when there is none. */
static size_t printable_sequence(const unsigned char *p, size_t left) {
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return 0;
    uint32_t code = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    /* overlong forms, surrogates, the C1 control characters, line and paragraph separators and the
     * marks that turn the direction of text around */
    bool bad = (n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
               (code >= 0xd800 && code <= 0xdfff) || (code >= 0x80 && code < 0xa0) ||
               (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return bad ? 0 : n;
}

char *names_printable(const char *text, size_t length) {
    char *out = xmalloc(length * 4 + 1), *p = out;
    for (size_t i = 0; i < length;) {
        size_t n = printable_sequence((const unsigned char *)text + i, length - i);
        if (n != 0) {
            memcpy(p, text + i, n);
            p += n;
            i += n;
        } else {
            p += sprintf(p, "\\x%02x", (unsigned char)text[i++]);
        }
    }
    *p = '\0';
    return out;
}

const char *names_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* ---- the set of names --------------------------------------------------------------------- */

static uint64_t hash_text(uint64_t h, const char *s) {
    for (; s != NULL && *s != '\0'; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

/* What decides whether two frames are one place: with a source file the module does not matter
 * (a template used by two libraries is one line), without one the offset does only where not even
 * the function is known. */
static uint64_t hash_name(const struct names *t, const struct name *n) {
    uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), n->function);
    h = hash_text(h, n->file != NULL ? n->file : n->module);
    if (t->calls_apart)
        h = (h ^ n->offset) * UINT64_C(0x100000001b3);
    h ^= n->file != NULL ? n->line : n->function == NULL ? n->offset : 0;
    return h ^ h >> 29;
}

static bool equal(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_name(const struct names *t, const struct name *a, const struct name *b) {
    if (t->calls_apart && (a->offset != b->offset || !equal(a->module, b->module)))
        return false;
    if (!equal(a->function, b->function) || !equal(a->file, b->file) || a->inlined != b->inlined ||
        a->python != b->python)
        return false;
    if (a->file != NULL)
        return a->line == b->line;
    return equal(a->module, b->module) && (a->function != NULL || a->offset == b->offset);
}

static void grow_slots(struct names *t) {
    free(t->slot);
    t->slots = t->slots != 0 ? t->slots * 2 : 1024;
    t->slot = xcalloc(t->slots, sizeof *t->slot);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (uint32_t)hash_name(t, &t->name[i]) & (t->slots - 1);
        while (t->slot[at] != 0)
            at = (at + 1) & (t->slots - 1);
        t->slot[at] = i + 1;
    }
}

static char *make_label(const struct name *n) {
    const char *inlined = n->inlined ? " [inlined]" : "";
    const char *module = n->module != NULL ? names_base(n->module) : NULL;
    if (n->function != NULL && n->file != NULL && n->line != 0)
        return xasprintf("%s (%s:%u)%s", n->function, names_base(n->file), n->line, inlined);
    if (n->function != NULL && n->file != NULL)
        return xasprintf("%s (%s)%s", n->function, names_base(n->file), inlined);
    if (n->function != NULL)
        return module != NULL ? xasprintf("%s (in %s)%s", n->function, module, inlined)
                              : xasprintf("%s%s", n->function, inlined);
    if (n->file != NULL && n->line != 0)
        return xasprintf("%s+0x%" PRIx64 " (%s:%u)", module != NULL ? module : "?", n->offset,
                         names_base(n->file), n->line);
    if (module != NULL)
        return xasprintf("%s+0x%" PRIx64, module, n->offset);
    return xasprintf("0x%" PRIx64, n->offset);
}

static void free_texts(const struct name *n) {
    if (n->readable != n->function)
        free((char *)n->readable);
    free((char *)n->function);
    free((char *)n->linkage);
    free((char *)n->plain);
    free((char *)n->file);
    free((char *)n->module);
}

/* The number of a name that reads like *n; takes over the texts of *n. */
static uint32_t intern(struct names *t, struct name *n) {
    if (t->count * 2 >= t->slots)
        grow_slots(t);
    uint32_t at = (uint32_t)hash_name(t, n) & (t->slots - 1);
    for (; t->slot[at] != 0; at = (at + 1) & (t->slots - 1)) {
        uint32_t found = t->slot[at] - 1;
        if (same_name(t, &t->name[found], n)) {
            free_texts(n);
            return found;
        }
    }
    if (t->count == t->room) {
        t->room = t->room != 0 ? t->room * 2 : 256;
        t->name = xrealloc(t->name, t->room * sizeof *t->name);
    }
    n->label = make_label(n);
    n->entry = !n->python && n->readable != NULL && strcmp(n->readable, "main") == 0;
    n->start_up = n->readable != NULL && (strcmp(n->readable, "_start") == 0 ||
                                          strncmp(n->readable, "__libc_start_", 13) == 0 ||
                                          strstr(n->readable, "__rust_begin_short_backtrace"));
    n->allocator = n->readable != NULL && (strcmp(n->readable, "heaptape_pool_alloc") == 0 ||
                                           strncmp(n->readable, "operator new(", 13) == 0 ||
                                           strncmp(n->readable, "operator new[](", 15) == 0);
    n->wrapper = folding_is_plumbing(t->folding, n->readable, n->linkage) ||
                 folding_is_library(t->folding, n->module);
    n->interpreter &= t->folding == NULL || !t->folding->off;
    n->plumbing = n->wrapper || n->interpreter;
    n->loader = n->module != NULL && strncmp(names_base(n->module), "ld-linux", 8) == 0;
    t->name[t->count] = *n;
    t->slot[at] = t->count + 1;
    return t->count++;
}

/* ---- looking up --------------------------------------------------------------------------- */

size_t names_lookup_in_files(void *context, const struct module *m, uint64_t vaddr,
                             struct symbol *out, size_t room) {
    return embedded_frames(context, m, vaddr, out, room);
}

struct names *names_new_lookup(struct stacks *stacks, names_lookup *lookup, void *context) {
    struct names *t = xcalloc(1, sizeof *t);
    t->stacks = stacks;
    t->lookup = lookup;
    t->context = context;
    t->places = stacks_new();
    return t;
}

struct names *names_new(struct stacks *stacks) {
    struct symbols *symbols = naming_symbols();
    struct names *t = names_new_lookup(stacks, names_lookup_in_files, symbols);
    t->symbols = symbols;
    return t;
}

void names_fold(struct names *t, const struct folding *folding) {
    t->folding = folding;
}

void names_runtime_code(struct names *t, const struct runtime_code *code) {
    t->code = code;
}

void names_tell_calls_apart(struct names *t) {
    t->calls_apart = true;
}

struct names *names_of_recording(struct stacks *stacks, const struct folding *folding,
                                 const struct tape_process *process) {
    struct names *t = names_new(stacks);
    t->folding = folding;
    t->jit = jit_map_of(process);
    return t;
}

void names_free(struct names *t) {
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->count; i++) {
        free((char *)t->name[i].label);
        free_texts(&t->name[i]);
    }
    symbols_free(t->symbols);
    jit_map_free(t->jit);
    stacks_free(t->places);
    free(t->of_stack);
    free(t->of_frame);
    free(t->list);
    free(t->name);
    free(t->slot);
    free(t);
}

static char *printable_or_null(const char *text) {
    return text != NULL && *text != '\0' ? names_printable(text, strlen(text)) : NULL;
}

/* Code of a Python interpreter, of the library in C that comes with it, or of what ctypes calls
 * through. */
static bool runs_python(const struct names *t, const struct module *m) {
    const struct python *python = stacks_python(t->stacks);
    return m != NULL && python_interpreter(python, 0) != NULL &&
           (python_is_interpreter(python, m->start) || strstr(m->path, "/lib-dynload/") != NULL ||
            strncmp(names_base(m->path), "libffi.so", 9) == 0);
}

/* One of a frame's names; `symbol` is what is known. */
static uint32_t name_of(struct names *t, const struct module *m, uint64_t offset,
                        const struct symbol *symbol, bool inlined) {
    struct name n = {.offset = offset, .inlined = inlined};
    n.python = m == NULL && tape_python_is(offset);
    n.interpreter = n.python ? python_is_import(symbol) : runs_python(t, m);
    n.readable = n.function = printable_or_null(symbol->function);
    if (symbol->linkage != NULL)
        n.linkage = names_printable(symbol->linkage, demangle_unversioned(symbol->linkage));
    if (naming()->no_demangle && n.linkage != NULL)
        n.function = xstrdup(n.linkage);
    n.plain = printable_or_null(symbol->plain);
    n.file = printable_or_null(symbol->file);
    n.line = n.file != NULL ? symbol->line : 0;
    n.module = m != NULL ? printable_or_null(m->path) : NULL;
    return intern(t, &n);
}

static struct frame_names resolve(struct names *t, uint32_t frame) {
    const struct frame *f = stacks_frame(t->stacks, frame);
    const struct module *m = f->module != UINT32_MAX ? stacks_module(t->stacks, f->module) : NULL;
    const bool python = m == NULL && tape_python_is(f->address);
    uint64_t call = python ? f->address : f->address - 1; /* inside the call instruction */
    uint64_t offset = m != NULL ? call - m->bias : call;
    struct symbol symbol[SYMBOLS_INLINED_MAX];
    size_t count = m != NULL ? t->lookup(t->context, m, offset, symbol, SYMBOLS_INLINED_MAX) : 0;
    if (python) {
        python_lookup(stacks_python(t->stacks), call, symbol);
        count = 1;
    } else if (m == NULL && t->jit != NULL && jit_map_lookup(t->jit, call, symbol)) {
        count = 1;
    } else if (m == NULL && t->code != NULL && runtime_code_lookup(t->code, call, symbol)) {
        count = 1;
        offset = 0; /* the address is a number of ours */
    }
    if (count == 0) { /* it has a name all the same: the offset */
        symbol[0] = (struct symbol){0};
        count = 1;
    }
    struct frame_names names = {t->listed, (uint32_t)count};
    while (t->listed + count > t->list_room) {
        t->list_room = t->list_room != 0 ? t->list_room * 2 : 1024;
        t->list = xrealloc(t->list, t->list_room * sizeof *t->list);
    }
    for (size_t i = count; i-- != 0;)
        t->list[t->listed++] = name_of(t, m, offset, &symbol[i], i + 1 < count);
    return names;
}

static struct frame_names names_of_frame(struct names *t, uint32_t frame) {
    if (frame >= t->frame_room) {
        uint32_t room = stacks_frame_count(t->stacks);
        t->of_frame = xrealloc(t->of_frame, room * sizeof *t->of_frame);
        memset(t->of_frame + t->frame_room, 0, (room - t->frame_room) * sizeof *t->of_frame);
        t->frame_room = room;
    }
    if (t->of_frame[frame].count == 0)
        t->of_frame[frame] = resolve(t, frame);
    return t->of_frame[frame];
}

/* ---- ahead --------------------------------------------------------------------------------- */

/* Of a stack and its callers, the frames that have no names yet. */
static size_t list_frames(struct names *t, const uint32_t *stack, size_t count, uint32_t **list) {
    size_t listed = 0, room = 0;
    bool *seen_stack = xcalloc(stacks_count(t->stacks), 1);
    bool *seen_frame = xcalloc(stacks_frame_count(t->stacks) + 1UL, 1);
    *list = NULL;
    for (size_t i = 0; i < count; i++)
        for (uint32_t s = stack[i]; s != 0 && !seen_stack[s]; s = stacks_caller(t->stacks, s)) {
            uint32_t frame = stacks_innermost(t->stacks, s);
            seen_stack[s] = true;
            if (seen_frame[frame])
                continue;
            seen_frame[frame] = true;
            if (frame < t->frame_room && t->of_frame[frame].count != 0)
                continue;
            if (listed == room) {
                room = room != 0 ? 2 * room : 1024;
                *list = xrealloc(*list, room * sizeof **list);
            }
            (*list)[listed++] = frame;
        }
    free(seen_stack);
    free(seen_frame);
    return listed;
}

struct wanted_call {
    uint32_t module;
    uint64_t vaddr;
};

static int call_order(const void *a, const void *b) {
    const struct wanted_call *c = a, *d = b;
    if (c->module != d->module)
        return c->module < d->module ? -1 : 1;
    return (c->vaddr > d->vaddr) - (c->vaddr < d->vaddr);
}

static void prepare_calls(struct names *t, const struct wanted_call *call, size_t count) {
    uint32_t modules = stacks_module_count(t->stacks);
    uint64_t *vaddr = xcalloc(count + 1, sizeof *vaddr);
    struct symbols_wanted *wanted = xcalloc(modules + 1UL, sizeof *wanted);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct module *m = stacks_module(t->stacks, call[i].module);
        vaddr[i] = call[i].vaddr;
        if (i == 0 || call[i].module != call[i - 1].module)
            wanted[n++] = (struct symbols_wanted){.path = m->path,
                                                  .build_id = m->build_id,
                                                  .build_id_len = m->build_id_len,
                                                  .vaddr = &vaddr[i]};
        wanted[n - 1].count++;
    }
    symbols_prepare(t->context, wanted, n);
    free(wanted);
    free(vaddr);
}

void names_prepare(struct names *t, const uint32_t *stack, size_t count) {
    if (t->lookup != names_lookup_in_files || embedded_is_any())
        return;
    uint32_t *frame;
    size_t frames = list_frames(t, stack, count, &frame), calls = 0;
    struct wanted_call *call = xcalloc(frames + 1, sizeof *call);
    for (size_t i = 0; i < frames; i++) {
        const struct frame *f = stacks_frame(t->stacks, frame[i]);
        if (f->module != UINT32_MAX)
            call[calls++] =
                (struct wanted_call){f->module,
                                     f->address - 1 - stacks_module(t->stacks, f->module)->bias};
    }
    qsort(call, calls, sizeof *call, call_order);
    size_t different = 0;
    for (size_t i = 0; i < calls; i++)
        if (different == 0 || call_order(&call[i], &call[different - 1]) != 0)
            call[different++] = call[i];
    prepare_calls(t, call, different);
    free(call);
    free(frame);
}

/* ---- places ------------------------------------------------------------------------------- */

/* A place is a frame and one of its names. */
static uint64_t place_key(uint32_t frame, uint32_t at) {
    return (uint64_t)frame << 8 | at;
}
_Static_assert(SYMBOLS_INLINED_MAX <= 256, "a place's key has room for the name");

static uint64_t key_of(const struct names *t, uint32_t place) {
    return stacks_frame(t->places, stacks_innermost(t->places, place))->address;
}

static uint32_t push_frame(struct names *t, uint32_t place, uint32_t frame) {
    struct frame_names names = names_of_frame(t, frame);
    for (uint32_t i = 0; i < names.count; i++)
        place =
            stacks_push(t->places, place, stacks_intern_frame(t->places, place_key(frame, i), 0));
    return place;
}

uint32_t names_place(struct names *t, uint32_t stack) {
    if (stack >= t->stack_room) {
        uint32_t room = stacks_count(t->stacks);
        t->of_stack = xrealloc(t->of_stack, room * sizeof *t->of_stack);
        memset(t->of_stack + t->stack_room, 0, (room - t->stack_room) * sizeof *t->of_stack);
        t->stack_room = room;
        t->of_stack[0] = 1;
    }
    if (t->of_stack[stack] != 0)
        return t->of_stack[stack] - 1;
    uint32_t known, count, *open = stacks_open(t->stacks, stack, t->of_stack, &known, &count);
    uint32_t place = t->of_stack[known] - 1;
    for (uint32_t i = 0; i < count; i++) {
        place = push_frame(t, place, stacks_innermost(t->stacks, open[i]));
        t->of_stack[open[i]] = place + 1;
    }
    free(open);
    return place;
}

uint32_t names_caller(const struct names *t, uint32_t place) {
    return stacks_caller(t->places, place);
}

uint32_t names_of(const struct names *t, uint32_t place) {
    uint64_t key = key_of(t, place);
    return t->list[t->of_frame[key >> 8].first + (key & 0xff)];
}

uint32_t names_depth(const struct names *t, uint32_t place) {
    return stacks_depth(t->places, place);
}

uint32_t names_frame(const struct names *t, uint32_t place) {
    return (uint32_t)(key_of(t, place) >> 8);
}

uint32_t names_place_count(const struct names *t) {
    return stacks_count(t->places);
}

const struct name *names_get(const struct names *t, uint32_t name) {
    return &t->name[name];
}

uint32_t names_count(const struct names *t) {
    return t->count;
}

struct stacks *names_stacks(const struct names *t) {
    return t->stacks;
}

static void note_debug(struct names *t, const struct module *m, struct names_modules *out) {
    struct symbols_debug d =
        symbols_module_debug(t->symbols, m->path, m->build_id, m->build_id_len);
    out->other_build += d.other_build != NULL;
    out->without_split += d.lacks_split;
    if (d.other_build != NULL && out->other_build_file == NULL)
        out->other_build_file = d.other_build;
    if (d.lacks_split && out->split_module == NULL)
        out->split_module = m->path;
}

struct names_modules names_modules(struct names *t) {
    struct names_modules out = {0};
    uint32_t count = stacks_module_count(t->stacks);
    if (t->symbols == NULL || count == 0)
        return out;
    bool *used = xcalloc(count, sizeof *used);
    for (uint32_t i = 0, n = stacks_frame_count(t->stacks); i < n; i++) {
        uint32_t m = stacks_frame(t->stacks, i)->module;
        if (m != UINT32_MAX)
            used[m] = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!used[i])
            continue;
        const struct module *m = stacks_module(t->stacks, i);
        out.used++;
        unsigned *kind = NULL;
        switch (embedded_status(t->symbols, m)) {
        case MODULE_NO_SYMBOLS:
            kind = &out.without_symbols;
            break;
        case MODULE_MISSING:
            kind = &out.missing;
            break;
        case MODULE_REBUILT:
            kind = &out.rebuilt;
            break;
        case MODULE_OK:
        case MODULE_NO_DEBUG:
        case MODULE_VIRTUAL:
            break;
        }
        if (kind != NULL) {
            ++*kind;
            if (out.first == NULL)
                out.first = m->path;
        }
        note_debug(t, m, &out);
    }
    free(used);
    return out;
}
